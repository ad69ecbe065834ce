"""What the coupling room asks the rooms above it, which it does not know."""

from typing import Any

from django.dispatch import Signal

# Sent where it matters in which currency the company keeps its books. Receivers answer with the code, or ''.
local_currency_is_asked_for = Signal()


def local_currency() -> str:
    """The company's local currency, as it is now; '' where no room above knows it."""
    codes: list[Any] = [answer for _receiver, answer in local_currency_is_asked_for.send(sender=None)]
    return next(filter(None, codes), "")
