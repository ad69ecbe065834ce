"""The lease that keeps a mapping from running twice at once, on however many machines, and those on key ranges (I5).

A lease is taken under the lock of the mapping's row and renewed by compare-and-set. The holder renews it with every
page; one whose holder died is free once it has run out, or at once where the holder was a process of this machine that
no longer exists. A mapping's lease excludes everybody else, but for those who work on key ranges of the job that it is
held for.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from django.db import DatabaseError, transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.errors import RetryLater
from coupling.models import TableMapping
from sync.models import END, KeyRange, SynchJob, SynchState

log = logging.getLogger(__name__)

# Longer than a request takes (connection/dataverse/session.py), before and after which the holder shows that he lives.
LEASE = timedelta(seconds=180)
BEAT_EVERY = 15.0


class AlreadyRunning(RetryLater):
    """Another process runs this mapping."""

    text = _("This mapping is being synchronized already.")
    fix = fix_in_job = _("Wait until that run has finished.")


class LeaseLost(RetryLater):
    """Another process took the mapping over, because this one was silent for too long."""

    text = _("Another process has taken over this synchronization.")


Prolong = Callable[[], object]
_held: ContextVar[tuple[Prolong, ...]] = ContextVar("_held", default=())


def is_engine_at_work() -> bool:
    """Whether what runs here holds a lease, so that its writes to the ERP are no news to it."""
    return bool(_held.get())


@contextmanager
def holding(prolong: Prolong) -> Iterator[None]:
    """Have heartbeats prolong this, too, meanwhile."""
    before = _held.set((*_held.get(), prolong))
    try:
        yield
    finally:
        _held.reset(before)


def heartbeat() -> Callable[[], None]:
    """What prolongs all that is held here, at most some times a minute, for whoever waits within a page.

    It raises nothing: who has lost something learns so when he records the page.
    """
    beaten_at = time.monotonic()

    def beat() -> None:
        nonlocal beaten_at
        if time.monotonic() - beaten_at < BEAT_EVERY:
            return
        beaten_at = time.monotonic()
        try:
            for prolong in _held.get():
                prolong()
        except DatabaseError as error:
            log.warning("No sign of life could be given: %s", type(error).__name__)

    return beat


@dataclass(frozen=True)
class Lease:
    """A mapping, or one key range, in somebody's hands."""

    rows: "QuerySet[Any]"
    """The one row that says so: a synchronization state, or a key range."""
    owner: str

    def renew(self, **values: object) -> None:
        """Prolong it, and set `values` on its row; locks the row until the surrounding transaction ends.

        Raises:
            LeaseLost: somebody else holds it now.
        """
        if not self._mine.update(lease_until=timezone.now() + LEASE, **values):
            raise LeaseLost()

    def prolong(self) -> None:
        """Prolong it, unless somebody else holds it by now."""
        self._mine.update(lease_until=timezone.now() + LEASE)

    def release(self, **values: object) -> None:
        """Let go of it, and set `values` on its row, unless somebody else holds it by now."""
        self._mine.update(lease_owner="", lease_until=None, **values)

    @property
    def _mine(self) -> "QuerySet[Any]":
        return self.rows.filter(lease_owner=self.owner)


@contextmanager
def lease(mapping: TableMapping, *, patience: float = 0, job: SynchJob | None = None) -> Iterator[Lease]:
    """Hold the mapping's lease: alone, or where the run goes on with the key ranges of `job`, beside others on those.

    Waits up to `patience` seconds for another process to let go.

    Raises:
        AlreadyRunning: another process holds it, or works on a key range of another job.
    """
    SynchState.objects.get_or_create(mapping=mapping)
    held = Lease(SynchState.objects.filter(mapping=mapping), new_owner())
    _take_patiently(mapping, held, job, time.monotonic() + patience)
    with keep(held):
        yield held


@contextmanager
def keep(held: Lease) -> Iterator[None]:
    """Work under a lease that was taken, and let go of it at the end."""
    try:
        with holding(held.prolong):
            yield
    finally:
        held.release()


def lease_range(job: SynchJob, *, even_resting: bool) -> tuple[KeyRange, Lease] | None:
    """Take the first key range of a job that is not done and that nobody works on; None where there is none.

    There is none either while somebody runs the mapping for another purpose than this job. A range that rests after an
    error is taken only where this is asked for.
    """
    owner, now = new_owner(), timezone.now()
    with transaction.atomic():
        state = SynchState.objects.select_for_update().get(mapping=job.mapping_id)
        if state.lease_job_id != job.pk and not free(SynchState.objects.filter(pk=state.pk)).exists():
            return None
        # Locked: a slow holder whose lease has run out may be about to record a page, and then it is not free.
        left = KeyRange.objects.select_for_update().filter(job=job).exclude(position=END)
        found = free(left if even_resting else left.filter(earliest_start__lte=now)).order_by("number").first()
        if found is None:
            return None
        held = Lease(KeyRange.objects.filter(pk=found.pk), owner)
        held.rows.update(lease_owner=owner, lease_until=now + LEASE)
    return found, held


def new_owner() -> str:
    """A name for somebody who holds something, that tells his machine and process and is never given twice."""
    return f"{socket.gethostname()}:{os.getpid()}:{_place()}:{uuid4().hex}"


def process_of(owner: str) -> str:
    """Machine and process of an owner, for people."""
    return ":".join(owner.split(":")[:2])


@cache
def _place() -> str:
    """Where our process ids count: this boot and namespace. Containers and cloned machines may share a host's name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _take_patiently(mapping: TableMapping, held: Lease, job: SynchJob | None, deadline: float) -> None:
    while True:
        try:
            return _take(mapping, held, job)
        except AlreadyRunning:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)


def _take(mapping: TableMapping, held: Lease, job: SynchJob | None) -> None:
    """Ranges are taken under the lock of the same row, so that nobody takes one in between."""
    with transaction.atomic():
        state = SynchState.objects.select_for_update().get(mapping=mapping)
        ranges = KeyRange.objects.filter(job__mapping=mapping).exclude(job=job).exclude(lease_owner="")
        if not free(held.rows).exists() or free(ranges).count() < ranges.count():
            raise AlreadyRunning(technical=f"{mapping} is run by {state.lease_owner or 'workers on its key ranges'}")
        held.rows.update(lease_owner=held.owner, lease_until=timezone.now() + LEASE, lease_job=job)


R = TypeVar("R", bound=Model)


def free(rows: "QuerySet[R]") -> "QuerySet[R]":
    """Those of the rows that nobody holds, or nobody who is alive."""
    owners = rows.exclude(lease_owner="").order_by().values_list("lease_owner", flat=True)
    dead = [owner for owner in owners if is_dead(owner)]
    return rows.filter(Q(lease_owner="") | has_run_out(timezone.now()) | Q(lease_owner__in=dead))


def has_run_out(now: datetime) -> Q:
    """Leases that nobody renewed in time, and those given by a clock that has been put back since."""
    return Q(lease_until__lt=now) | Q(lease_until__gt=now + 2 * LEASE)


def is_dead(holder: str) -> bool:
    """Whether an owner was a process of this machine that has ended; where nobody can tell, his lease runs out."""
    host, process, place = [*holder.split(":"), "", ""][:3]
    if not place or (host, place) != (socket.gethostname(), _place()):
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
