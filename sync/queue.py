"""Puts work into the job queue and tells the workers of it.

The only module beside `sync.tasks` that knows django-q2, which may lose a task or run it twice (I5). So a task says
nothing but "look at the queue": whoever looks takes the most urgent entry that is due (`sync.entries`).
"""

import logging
import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import Task
from django_q.tasks import async_task

from coupling.models import Direction, TableMapping
from coupling.prerequisites import in_order
from sync.engine.ranges import start_over
from sync.models import END, OPEN, JobKind, JobQueueEntry, JobQueueLogEntry, JobStatus, Priority, SynchJob

log = logging.getLogger(__name__)

KEEP = timedelta(days=30)
MOST_FORGOTTEN = 5000
_LOOK_EVERY = 0.2


class WorkFailedError(Exception):
    """The work that was handed over ended with an error."""


def enqueue(
    mapping: TableMapping,
    kind: JobKind = JobKind.SYNCHRONIZE,
    *,
    priority: Priority = Priority.INTERACTIVE,
    direction: Direction = Direction.BOTH,
    full: bool = False,
    user: User | None = None,
) -> JobQueueEntry:
    """Put in a one-off entry and have a worker look, once this transaction commits.

    Where the same is Ready already, that entry is returned instead (sync-engine.md 6.1), and waits no longer.
    """
    what = {"mapping": mapping, "kind": kind, "direction": direction, "is_full": full, "priority": priority}
    same = JobQueueEntry.objects.filter(status=JobStatus.READY, interval_minutes=None, review_line=None, **what)
    entry = same.first() or JobQueueEntry.objects.create(category=mapping.name, created_by=user, **what)
    now = timezone.now()
    same.filter(pk=entry.pk, earliest_start__gt=now).update(earliest_start=now)
    hand_over()
    return entry


def enqueue_synchronization(mappings: Sequence[str] = (), *, full: bool = False) -> list[int]:
    """Have the workers synchronize the named mappings, or all enabled ones; returns the entries, for `wait_for`."""
    chosen = TableMapping.objects.filter(is_enabled=True)
    if mappings:
        chosen = chosen.filter(name__in=mappings)
    return [enqueue(mapping, full=full).pk for mapping in in_order(chosen)]


def wait_for(entries: Collection[int], seconds: float) -> list[int]:
    """The primary keys of the synch jobs that these entries made, and of those that filled in references afterwards.

    Raises:
        TimeoutError: no worker has finished them in this time.
        WorkFailedError: one of them ended with an error.
    """
    deadline = time.monotonic() + seconds
    later = Q(kind=JobKind.RELEASE, pk__gt=min(entries, default=0))
    waited_for = JobQueueEntry.objects.filter(Q(pk__in=entries) | later)
    while waited_for.filter(status__in=OPEN).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The job queue was not done within {seconds:.0f} s")
        time.sleep(_LOOK_EVERY)
    if failed := [f"{entry}: {entry.message_text}" for entry in waited_for.exclude(status=JobStatus.FINISHED)]:
        raise WorkFailedError("\n".join(failed))
    return list(SynchJob.objects.filter(execution__entry__in=waited_for).order_by("pk").values_list("pk", flat=True))


def hand_over(task: str = "sync.tasks.work") -> None:
    """Have a worker look at the queue (or do another task) once this transaction commits.

    A Redis broker is no part of the transaction: without on_commit a worker could look before the entry is there.
    """
    transaction.on_commit(lambda: _send(task))


def _send(task: str = "sync.tasks.work") -> None:
    try:
        async_task(task)
    # What the broker raises when it is away is its own affair. The entry stands in our database, and is swept up.
    except Exception as error:
        log.warning("The task queue cannot be reached (%s); the entry waits for the next sweep.", type(error).__name__)


def hand_over_many(number: int) -> None:
    """Have workers look where `number` entries are due and none was told: the broker lost it, or their time came."""
    try:
        is_told = bool(get_broker().queue_size())
    except Exception as error:
        log.warning("The task queue cannot be reached (%s).", type(error).__name__)
        return
    for _ in range(0 if is_told else min(number, 2 * Conf.WORKERS)):
        _send()


def forget_old(now: datetime) -> None:
    """Remove one-off entries, synch jobs and task results that ended long ago; full synchronizations keep theirs.

    What failed so long ago goes on from its beginning, where somebody restarts it.
    """
    old = JobQueueEntry.objects.filter(finished_at__lt=now - KEEP, interval_minutes=None, review_line=None)
    old.filter(status__in=(JobStatus.FINISHED, JobStatus.ERROR)).delete()
    JobQueueLogEntry.objects.filter(finished_at__lt=now - KEEP, entry__interval_minutes__isnull=False).delete()
    start_over(SynchJob.objects.filter(finished_at__lt=now - KEEP).exclude(position__in=("", END)))
    _forget_jobs(now)
    Task.objects.filter(stopped__lt=now - timedelta(days=1)).delete()


def _forget_jobs(now: datetime) -> None:
    """Remove synch jobs, some at a time; the latest of a mapping in each status tells how it stands, and is kept."""
    latest = SynchJob.objects.order_by().values("mapping", "state").annotate(latest=Max("pk")).values("latest")
    old = SynchJob.objects.filter(finished_at__lt=now - KEEP, execution__entry__review_line=None).exclude(pk__in=latest)
    SynchJob.objects.filter(pk__in=list(old.order_by("pk").values_list("pk", flat=True)[:MOST_FORGOTTEN])).delete()
