"""When all work rests. Entries stay as they are and nobody takes them, so that off and on again loses no job."""

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.dispatch import Signal

from connection.errors import CRMBridgeError
from connection.models import CRMConnection

# Sent before work is taken, gone on with or looked for. Receivers, which are asked often, answer with the error that
# says why the company has all work rest, or with None.
work_is_asked_for = Signal()


def why_at_rest() -> CRMBridgeError | None:
    """Why a room above has all work rest; None where none does."""
    reasons: list[Any] = [answer for _receiver, answer in work_is_asked_for.send(sender=None)]
    return next(filter(None, reasons), None)


def closed_connections() -> QuerySet[CRMConnection]:
    """The connection where nothing may pass through it: it is switched off, or this database is a copy."""
    return CRMConnection.objects.exclude(is_enabled=True, installation__in=("", settings.INSTALLATION))


def is_at_rest() -> bool:
    """Whether nothing may be worked on now, for either reason."""
    return why_at_rest() is not None or closed_connections().exists()


def why_nothing_moves() -> CRMBridgeError | None:
    """Why nothing may be worked on now, for whoever looks at work that stands still; None where something may."""
    try:
        CRMConnection.enabled()
    except CRMBridgeError as error:
        return error
    return why_at_rest()
