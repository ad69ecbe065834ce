"""The machine's clock, set to another time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone


@contextmanager
def clock_set_by(shift: timedelta) -> Iterator[None]:
    """Let this machine's clock show another time."""
    with pytest.MonkeyPatch.context() as patch:
        now = timezone.now
        patch.setattr(timezone, "now", lambda: now() + shift)
        yield
