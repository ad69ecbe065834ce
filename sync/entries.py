"""Job queue entries on their way from status to status (sync-engine.md 1.11), always by compare-and-set.

An entry is taken by a worker for a slice, put back, taken again by whoever is free, and ended. Entries of one category
never run at the same time; a less urgent one steps aside between two slices.
"""

import logging
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Max, Q, QuerySet
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.errors import FixSetup
from connection.models import CRMConnection
from connection.texts import in_every_language
from sync.engine.clock import distrust_cursors
from sync.lease import LEASE, LeaseLost, free, has_run_out, is_dead, new_owner
from sync.models import (
    END,
    TRANSITIONS,
    Event,
    JobQueueEntry,
    JobState,
    JobStatus,
    KeyRange,
    LogState,
    Request,
    SynchJob,
)
from sync.queue import hand_over
from sync.quiet import after_quiet_hours
from sync.rest import closed_connections, why_at_rest

log = logging.getLogger(__name__)

STARTABLE = (JobStatus.READY, JobStatus.INACTIVE)
NOBODY = {"lease_owner": "", "lease_until": None}
UNASKED = {"request": "", "requested_by": ""}
ANSWERS = (Event.HOLD, Event.CANCEL, Event.RESTART, Event.FINISH)
"""What leaves nothing to do of what a person asked; with any other event, whoever has the entry heeds it later."""
_HAPPENED = ("created_at", "started_at", "finished_at", "heartbeat_at")
_SEEN_DUE, _SEEN_FOR = "sync.seen_due", 3600


class ScheduleNotCancellable(FixSetup):
    """A recurring entry would run again by itself."""

    text = _("This job is a schedule: it would run again by itself.")
    fix = _("Set it on hold instead.")


def due() -> "QuerySet[JobQueueEntry]":
    """The entries that may be taken now, the most urgent first."""
    now = timezone.now()
    left = Q(status=JobStatus.IN_PROCESS) & (Q(lease_owner="") | has_run_out(now))
    startable = Q(status__in=STARTABLE)
    return _allowed().filter(left | startable, earliest_start__lte=now).order_by("priority", "pk")


def _allowed() -> "QuerySet[JobQueueEntry]":
    """All wait while the connection is disabled, in a copied database, and where a room above has all work rest
    (`sync.rest`). Recurring ones rest while their mapping is off or nothing is connected, too."""
    if why_at_rest():
        return JobQueueEntry.objects.none()
    connected = Exists(CRMConnection.objects.filter(is_enabled=True))
    closed = Exists(closed_connections())
    wanted = Q(interval_minutes=None) | (Q(mapping__is_enabled=True) & Q(connected))
    return JobQueueEntry.objects.filter(wanted, ~closed)


def shared() -> "QuerySet[KeyRange]":
    """The key ranges that anybody may take now: of entries at work, the most urgent first."""
    at_work = _allowed().filter(status=JobStatus.IN_PROCESS, request="")
    jobs = SynchJob.objects.filter(state=JobState.RUNNING, execution__state=LogState.RUNNING)
    left = KeyRange.objects.exclude(position=END).filter(earliest_start__lte=timezone.now())
    rows = left.filter(job__in=jobs.filter(execution__entry__in=at_work))
    return free(rows).order_by("job__execution__entry__priority", "job__execution__entry", "number")


def take() -> JobQueueEntry | None:
    """The most urgent entry that is due, now in the caller's hands; None where nothing is due."""
    owner = new_owner()
    entries = due().select_related("mapping", "created_by")
    return next((entry for entry in entries if not _is_quiet(entry) and _seize(entry, owner)), None)


def _is_quiet(entry: JobQueueEntry) -> bool:
    """Whether an entry's quiet hours have begun; then it lets those of its category pass, and is due after them."""
    now = timezone.now()
    start = after_quiet_hours(entry, now)
    if start > now:
        change(entry, Event.WAIT, Q(fence=entry.fence), earliest_start=start)
    return start > now


def _seize(entry: JobQueueEntry, owner: str) -> bool:
    """Take an entry by compare-and-set. One whose category is busy waits for it, unless it is the more urgent one."""
    was_lost = entry.status == JobStatus.IN_PROCESS and entry.lease_owner != ""
    now = timezone.now()
    values = {"lease_owner": owner, "lease_until": now + LEASE, "heartbeat_at": now, "fence": F("fence") + 1}
    values |= {"attempts": F("attempts") + 1} if was_lost else {}
    values |= {} if entry.status == JobStatus.IN_PROCESS else {"started_at": now, "finished_at": None}
    if entry.status != JobStatus.IN_PROCESS:
        _ask_aside(entry)
    try:
        with transaction.atomic():
            if not due().filter(pk=entry.pk, fence=entry.fence).update(status=JobStatus.IN_PROCESS, **values):
                return False
    except IntegrityError:
        change(entry, Event.WAIT, Q(fence=entry.fence))
        return False
    entry.refresh_from_db()
    return entry.lease_owner == owner


def _ask_aside(entry: JobQueueEntry) -> None:
    """A less urgent entry of the same category that no worker has in hand waits until this one is done."""
    nobodys = Q(lease_owner="") | has_run_out(timezone.now())
    slower = JobQueueEntry.objects.filter(nobodys, category=entry.category, priority__gt=entry.priority)
    slower.filter(status=JobStatus.IN_PROCESS).update(status=TRANSITIONS[Event.WAIT].target, **NOBODY)


def beat(entry: JobQueueEntry) -> None:
    """Show that its worker is alive and has got on; that many attempts failed before no longer counts.

    Raises:
        LeaseLost: another worker has it now.
    """
    if not prolong(entry, attempts=0):
        raise LeaseLost()
    entry.attempts = 0


def prolong(entry: JobQueueEntry, **values: object) -> bool:
    """Show that its worker is alive; returns whether it has the entry still."""
    now = timezone.now()
    mine = JobQueueEntry.objects.filter(pk=entry.pk, fence=entry.fence, status=JobStatus.IN_PROCESS)
    return bool(mine.update(lease_until=now + LEASE, heartbeat_at=now, **values))


def change(entry: JobQueueEntry, event: Event, *conditions: Q, **values: object) -> bool:
    """Move an entry by compare-and-set; returns whether this was legal and has been done.

    Whoever has it in hand loses it. Those of its category that waited for it are told.
    """
    sources, target = TRANSITIONS[event]
    same = JobQueueEntry.objects.filter(*conditions, pk=entry.pk, status__in=sources)
    with transaction.atomic():
        if not same.update(status=target, **{**NOBODY, **(UNASKED if event in ANSWERS else {}), **values}):
            return False
        _release(entry.category)
    entry.refresh_from_db()
    return True


def _release(category: str) -> None:
    """Let the next of a category in: the most urgent, then the oldest."""
    if JobQueueEntry.objects.filter(category=category, status=JobStatus.IN_PROCESS).exists():
        return
    waiting = JobQueueEntry.objects.filter(category=category, status=JobStatus.WAITING)
    if following := waiting.order_by("priority", "pk").first():
        waiting.filter(pk=following.pk).update(status=TRANSITIONS[Event.RELEASE].target)
        hand_over()


def put_back(entry: JobQueueEntry, *, later: timedelta | None = None) -> None:
    """Let go of an entry between two slices. It stays In Process, or lets a more urgent one of its category pass."""
    mine = JobQueueEntry.objects.filter(pk=entry.pk, fence=entry.fence, status=JobStatus.IN_PROCESS)
    urgent = JobQueueEntry.objects.filter(category=entry.category, status=JobStatus.WAITING)
    if urgent.filter(priority__lt=entry.priority).exists():
        change(entry, Event.WAIT, Q(fence=entry.fence))
        return
    start = {"earliest_start": timezone.now() + later} if later else {}
    mine.update(lease_owner="", lease_until=None, **start)


def recall(entry: JobQueueEntry) -> None:
    """Have an entry taken up at once that waits for others to finish its key ranges, where none is left."""
    left = KeyRange.objects.filter(job__execution__entry=entry, job__state=JobState.RUNNING).exclude(position=END)
    now = timezone.now()
    waits = JobQueueEntry.objects.filter(pk=entry.pk, status=JobStatus.IN_PROCESS, lease_owner="")
    if not left.exists() and waits.filter(earliest_start__gt=now).update(earliest_start=now):
        hand_over()


def is_overtaken(entry: JobQueueEntry) -> bool:
    """Whether something more urgent may be taken than what the worker has in hand, or waits for just that."""
    urgent = Q(priority__lt=entry.priority)
    waiting = JobQueueEntry.objects.filter(urgent, status=JobStatus.WAITING, earliest_start__lte=timezone.now())
    return due().filter(urgent, status__in=STARTABLE).exists() or waiting.filter(category=entry.category).exists()


def hold(entry: JobQueueEntry, by: str = "") -> bool:
    """Pause an entry: at once where no worker has it in hand, else after the page. It goes on with `restart`.

    Returns whether there was something to pause.
    """
    return _ask(entry, Request.HOLD, by)


def cancel(entry: JobQueueEntry, by: str = "") -> bool:
    """Stop an entry for good, likewise; what it has done so far stands.

    Raises:
        ScheduleNotCancellable: it is recurring.
    """
    if entry.is_recurring:
        raise ScheduleNotCancellable
    return _ask(entry, Request.CANCEL, by)


def _ask(entry: JobQueueEntry, request: Request, by: str) -> bool:
    """Ask first, then look whether somebody has it in hand: whoever takes it after that finds what was asked."""
    sources, _target = TRANSITIONS[Event(request)]
    entries = JobQueueEntry.objects.filter(pk=entry.pk, status__in=sources)
    if not entries.update(request=request, requested_by=by):
        return False
    in_hand = Q(status=JobStatus.IN_PROCESS, lease_until__gt=timezone.now()) & ~Q(lease_owner="")
    heed(entry, ~in_hand)
    return True


def heed(entry: JobQueueEntry, condition: Q) -> None:
    """Pause or cancel an entry as somebody asked; where it has failed for good meanwhile, there is nothing to cancel.

    To be called by whoever has let go of it.
    """
    same = JobQueueEntry.objects.filter(condition, pk=entry.pk)
    request, by = same.values_list("request", "requested_by").first() or ("", "")
    if not request:
        return
    with transaction.atomic():
        if not change(entry, Event(request), condition, Q(request=request)):
            same.filter(request=request, status=JobStatus.ERROR).update(**UNASKED)
        elif request == Request.CANCEL:
            close_cancelled(entry, by)


def close_cancelled(entry: JobQueueEntry, by: str) -> None:
    """Write down that an entry was cancelled, and by whom."""
    now, text = timezone.now(), in_every_language(format_lazy(_("Cancelled by {user}."), user=by or "crmbridge"))
    JobQueueEntry.objects.filter(pk=entry.pk).update(message=text, finished_at=now, failed_at=None)
    running = entry.log.filter(state=LogState.RUNNING)
    SynchJob.objects.filter(execution__in=running, state=JobState.RUNNING).update(
        state=JobState.FAILED, finished_at=now, message=text
    )
    running.update(state=LogState.CANCELLED, finished_at=now, message=text)


def restart(entry: JobQueueEntry) -> bool:
    """Have a failed or paused entry run (again), from where it stopped; returns whether it was one."""
    again = {"attempts": 0, "message": {}, "failed_at": None, "earliest_start": timezone.now(), "finished_at": None}
    done = change(entry, Event.RESTART, **again)
    if done:
        hand_over()
    return done


def free_the_dead() -> None:
    """Give back what a worker of this machine held that is no more, and let those in whose category is free."""
    held = JobQueueEntry.objects.filter(status=JobStatus.IN_PROCESS).exclude(lease_owner="")
    for entry in held:
        if is_dead(entry.lease_owner):
            held.filter(pk=entry.pk, fence=entry.fence).update(lease_until=timezone.now() - LEASE)
    waiting = JobQueueEntry.objects.filter(status=JobStatus.WAITING).order_by()
    for category in waiting.values_list("category", flat=True).distinct():
        _release(category)


def heed_clock() -> None:
    """Where the clock was put back, nothing waits until it shows again what it showed before.

    What has happened lies in the past, and what is due afterwards is due as long after it. A change in the ERP may bear
    a stamp now that has been read past: where this is so the ERP is read from its beginning once more, and compared.
    """
    now = timezone.now()
    latest = now + LEASE
    for entry in JobQueueEntry.objects.filter(reduce(or_, (Q(**{f"{name}__gt": latest}) for name in _HAPPENED))):
        _bring_back(entry, now)
    distrust_cursors(latest)


def _bring_back(entry: JobQueueEntry, now: datetime) -> None:
    """Shift an entry of which something lies ahead, so that the latest of it has happened now."""
    stamps = {name: moment for name in _HAPPENED if (moment := getattr(entry, name)) and moment > now}
    start = entry.earliest_start - (max(stamps.values()) - now)
    same = JobQueueEntry.objects.filter(pk=entry.pk, fence=entry.fence, status=entry.status)
    same.update(**dict.fromkeys(stamps, now), earliest_start=start)


def neglect() -> timedelta:
    """For how long work has been due while no worker gave a sign of life; zero where none is due.

    What rested is long due at the moment when it may go on: time counts from when somebody saw that it was due.
    """
    first, now = due().order_by("earliest_start").values_list("earliest_start", flat=True).first(), timezone.now()
    if first is None:
        cache.delete(_SEEN_DUE)
        return timedelta()
    seen = min(cache.get(_SEEN_DUE) or now, now)
    cache.set(_SEEN_DUE, seen, _SEEN_FOR)
    alive = JobQueueEntry.objects.aggregate(at=Max("heartbeat_at"))["at"]
    return max(now - max(first, seen, alive or first), timedelta())


def heal() -> None:
    """Recurring entries do not stand still after an error: they run again when their next time has come (C11)."""
    failed = JobQueueEntry.objects.filter(status=JobStatus.ERROR, interval_minutes__isnull=False)
    failed.filter(earliest_start__lte=timezone.now()).update(status=TRANSITIONS[Event.WAKE].target, attempts=0)
