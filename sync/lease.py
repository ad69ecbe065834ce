"""The lease that keeps a mapping from running twice at once, on however many machines (I5).

A lease is taken and renewed by compare-and-set. The holder renews it with every page; one whose holder died is free
once it has run out, or at once where the holder was a process of this machine that no longer exists.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from uuid import uuid4

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.errors import RetryLater
from coupling.models import TableMapping
from sync.models import SynchState

LEASE = timedelta(seconds=120)


class AlreadyRunning(RetryLater):
    """Another process runs this mapping."""

    text = _("This mapping is being synchronized already.")
    fix = fix_in_job = _("Wait until that run has finished.")


class LeaseLost(RetryLater):
    """Another process took the mapping over, because this one was silent for too long."""

    text = _("Another process has taken over this synchronization.")


_holds_one = ContextVar("_holds_one", default=False)


def is_engine_at_work() -> bool:
    """Whether what runs here holds a lease, so that its writes to the ERP are no news to it."""
    return _holds_one.get()


@contextmanager
def lease(mapping: TableMapping, *, patience: float = 0) -> Iterator[str]:
    """Hold the mapping's lease; yields the owner's name that `renew` wants.

    Waits up to `patience` seconds for another process to let go.

    Raises:
        AlreadyRunning: another process holds it.
    """
    owner = new_owner()
    SynchState.objects.get_or_create(mapping=mapping)
    _take_patiently(mapping, owner, time.monotonic() + patience)
    before = _holds_one.set(True)
    try:
        yield owner
    finally:
        _holds_one.reset(before)
        SynchState.objects.filter(mapping=mapping, lease_owner=owner).update(lease_owner="", lease_until=None)


def new_owner() -> str:
    """A name for somebody who holds something, that tells his machine and process and is never given twice."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex}"


def renew(mapping: TableMapping, owner: str) -> None:
    """Prolong the lease; locks its row until the surrounding transaction ends.

    Raises:
        LeaseLost: somebody else holds it now.
    """
    mine = SynchState.objects.filter(mapping=mapping, lease_owner=owner)
    if not mine.update(lease_until=timezone.now() + LEASE):
        raise LeaseLost()


def _take_patiently(mapping: TableMapping, owner: str, deadline: float) -> None:
    while True:
        try:
            return _take(mapping, owner)
        except AlreadyRunning:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)


def _take(mapping: TableMapping, owner: str) -> None:
    now = timezone.now()
    holder = SynchState.objects.values_list("lease_owner", flat=True).get(mapping=mapping)
    free = Q(lease_owner="") | has_run_out(now) | Q(lease_owner=holder if is_dead(holder) else "")
    if not SynchState.objects.filter(free, mapping=mapping).update(lease_owner=owner, lease_until=now + LEASE):
        raise AlreadyRunning(technical=f"{mapping} is run by {holder}")


def has_run_out(now: datetime) -> Q:
    """Leases that nobody renewed in time, and those given by a clock that has been put back since."""
    return Q(lease_until__lt=now) | Q(lease_until__gt=now + 2 * LEASE)


def is_dead(holder: str) -> bool:
    """Whether an owner was a process of this machine that has ended."""
    host, _, rest = holder.partition(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(rest.partition(":")[0]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
