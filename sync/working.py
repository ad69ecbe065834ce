"""What a worker does with an entry: one slice of its run, and what becomes of it afterwards (I5, I11)."""

import logging
import time
from datetime import datetime, timedelta
from functools import partial

from django.core.cache import cache
from django.db import DatabaseError, transaction
from django.db.models import Case, DateTimeField, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.dataverse.client import DataverseClient
from connection.errors import Bug, CRMBridgeError, FixSetup, RetryLater
from connection.models import CRMConnection
from coupling.models import Direction, TableMapping
from sync import fullsync, schedules
from sync.engine.ranges import OthersAtWork
from sync.engine.reading import is_in_ranges, released
from sync.engine.run import MayGoOn, Order, advance, assist, text_and_fix
from sync.entries import (
    beat,
    change,
    due,
    free_the_dead,
    heal,
    heed,
    heed_clock,
    is_overtaken,
    prolong,
    put_back,
    recall,
    shared,
    take,
)
from sync.lease import AlreadyRunning, LeaseLost, holding, process_of
from sync.models import (
    Event,
    JobKind,
    JobQueueEntry,
    JobQueueLogEntry,
    JobStatus,
    JobType,
    LogState,
    Notification,
    Priority,
    Side,
    SynchJob,
    Waiting,
)
from sync.notifying import look_out
from sync.queue import enqueue, forget_old, hand_over, hand_over_many
from sync.quiet import after_quiet_hours
from sync.rest import is_at_rest

log = logging.getLogger(__name__)

SLICE = 25.0
"""Seconds after which a run lets go after the page in hand, so that no task outlives the broker's patience."""
LONGEST_DELAY = timedelta(hours=1)
BUSY_DELAY = timedelta(seconds=5)


WORK = ("inserted", "modified", "deleted", "failed", "coupled", "uncoupled", "conflicts")
"""Counters that say that a recurring run had something to do (F6.2)."""


class MappingOff(FixSetup):
    """The mapping of an entry is switched off."""

    text = _("This mapping is switched off.")
    fix = _("Enable it under Integration Table Mappings, then restart the job.")


class DatabaseAway(RetryLater):
    """Our own database cannot be used for the moment: it is locked, away, or its disk is full."""

    text = _("crmbridge's own database could not be used.")
    fix = fix_in_job = _(
        "crmbridge tries again by itself; if this lasts, look at the database server and its free disk space."
    )


class WorkerLost(RetryLater):
    """Worker after worker died with this entry in hand."""

    text = _("The process that ran this ended without a word, time after time.")
    fix = fix_in_job = _("Look at the worker's log and the machine's memory, then restart the job.")


def work_once() -> bool:
    """Take the most urgent entry that is due and run a slice of it, or else share in what another worker runs; returns
    whether there was something to do.

    Where our database cannot even note what went wrong, the log says so, and the entry is due again once its lease has
    run out.
    """
    entry = take()
    if entry is None:
        return _share()
    mine = Q(fence=entry.fence)
    try:
        _run_slice(entry)
        heed(entry, mine)
    except DatabaseError:
        log.exception("%s: %s %s", entry, DatabaseAway.text, DatabaseAway.fix)
        return True
    _pass_on()
    return True


def _pass_on() -> None:
    if due().exists() or shared().exists():
        hand_over()


def _share() -> bool:
    """Work for a slice on key ranges of an entry that another worker runs; returns whether there were any."""
    executions = JobQueueLogEntry.objects.filter(synch_jobs__ranges__in=shared()).distinct()
    for execution in executions.order_by("entry__priority", "entry").select_related("entry__mapping"):
        try:
            has_helped = _assist(execution)
        except LeaseLost:
            log.warning("Key ranges of %s were taken over, or started over.", execution.entry)
        # Its own worker takes the range as well, and tells what is wrong.
        except (CRMBridgeError, DatabaseError) as error:
            log.warning("A key range of %s is left to its worker: %s", execution.entry, type(error).__name__)
        except Exception:
            log.exception("A key range of %s failed", execution.entry)
        else:
            if has_helped:
                return True
    return False


def _assist(execution: JobQueueLogEntry) -> bool:
    entry = execution.entry
    _hand_over_shared()
    has_helped = assist(execution, _client(entry), _order(entry), _pulse_of_another(execution))
    if has_helped:
        recall(entry)
        _pass_on()
    return has_helped


def sweep() -> None:
    """Put right what nobody else does: dead workers' entries, lost tasks, a clock that was set, errors whose next time
    has come."""
    heed_clock()
    free_the_dead()
    heal()
    fullsync.go_on()
    schedules.ensure()
    # Before the probe is handed over, which would pass for somebody who was told of the work.
    hand_over_due()
    _hand_over_shared()
    if schedules.may_probe():
        hand_over("sync.tasks.probe")
    if cache.add("sync.look_out", True, timeout=60):
        look_out(timezone.now())
    if cache.add("sync.forget_old", True, timeout=3600):
        forget_old(timezone.now())
        Notification.forget_old()


def hand_over_due() -> None:
    """Tell workers of entries whose time has come; costs one query where there are none."""
    if number := due().count():
        hand_over_many(number)


def _hand_over_shared() -> None:
    if number := shared().count():
        hand_over_many(number)


def _run_slice(entry: JobQueueEntry) -> None:
    execution = _execution(entry)
    try:
        if entry.request:
            put_back(entry)
            return
        if entry.attempts > entry.max_attempts:
            raise WorkerLost
        with holding(partial(prolong, entry)):
            is_done = advance(execution, _client(entry), _order(entry), _pulse(entry))
    except AlreadyRunning as error:
        put_back(entry, later=BUSY_DELAY)
        if isinstance(error, OthersAtWork):
            recall(entry)
    except LeaseLost:
        log.warning("%s was taken over by another worker.", entry)
    except CRMBridgeError as error:
        _fail(entry, execution, error)
    except DatabaseError as error:
        _fail(entry, execution, DatabaseAway(technical=repr(error)))
    except Exception as error:
        log.exception("%s failed", entry)
        _fail(entry, execution, Bug(technical=repr(error)))
    else:
        _succeed(entry, execution) if is_done else put_back(entry)


def _execution(entry: JobQueueEntry) -> JobQueueLogEntry:
    """The log line of this execution; one that a dead worker left open is gone on with."""
    execution, _ = JobQueueLogEntry.objects.get_or_create(
        entry=entry, state=LogState.RUNNING, defaults={"attempt": entry.attempts + 1}
    )
    execution.entry = entry
    execution.slices += 1
    execution.worker = process_of(entry.lease_owner)
    execution.save(update_fields=["slices", "worker"])
    return execution


def _client(entry: JobQueueEntry) -> DataverseClient:
    if not entry.mapping.is_enabled:
        raise MappingOff
    return CRMConnection.enabled().client()


def _order(entry: JobQueueEntry) -> Order:
    if entry.kind == JobKind.COUPLE:
        return Order(type=JobType.COUPLING)
    direction = Direction(entry.direction)
    return Order(direction, full=entry.is_full, released_only=entry.kind == JobKind.RELEASE)


def _pulse(entry: JobQueueEntry) -> MayGoOn:
    """A sign of life after every page, and whether the run may go on to the next one."""
    ends = time.monotonic() + SLICE

    def may_go_on(job: SynchJob) -> bool:
        beat(entry)
        if is_in_ranges(job):
            _hand_over_shared()
        entry.refresh_from_db(fields=["request", "requested_by"])
        has_time = time.monotonic() < ends
        return has_time and not entry.request and not is_overtaken(entry) and not is_at_rest()

    return may_go_on


def _pulse_of_another(execution: JobQueueLogEntry) -> MayGoOn:
    """Whether a worker that shares in an execution may go on to the next page: it leaves the entry as it is."""
    ends = time.monotonic() + SLICE
    running = JobQueueLogEntry.objects.filter(pk=execution.pk, state=LogState.RUNNING)
    wanted = running.filter(entry__status=JobStatus.IN_PROCESS, entry__request="")

    def may_go_on(job: SynchJob) -> bool:
        has_time = time.monotonic() < ends
        return has_time and wanted.exists() and not is_overtaken(execution.entry) and not is_at_rest()

    return may_go_on


def _succeed(entry: JobQueueEntry, execution: JobQueueLogEntry) -> None:
    now = timezone.now()
    event, rest = Event.FINISH, timedelta(0)
    if entry.interval_minutes is not None:
        did_work = any(getattr(job, name) for job in execution.synch_jobs.all() for name in WORK)
        event = Event.REPEAT if did_work else Event.IDLE
        rest = timedelta(minutes=entry.interval_minutes if did_work else entry.idle_minutes)
    times = {"finished_at": now, "last_success_at": now, "earliest_start": _next_start(entry, now, rest)}
    with transaction.atomic():
        if change(entry, event, Q(fence=entry.fence), attempts=0, message={}, failed_at=None, woken_at=None, **times):
            _close(execution, LogState.FINISHED)
    _release_waiting(entry, execution)
    fullsync.go_on()


def _next_start(entry: JobQueueEntry, now: datetime, rest: timedelta) -> Case:
    """After its rest, or soon where it was woken in the meantime; the database knows that best."""
    later, soon = (after_quiet_hours(entry, now + wait) for wait in (rest, schedules.SETTLE))
    return Case(When(woken_at=None, then=Value(later)), default=Value(soon), output_field=DateTimeField())


def _fail(entry: JobQueueEntry, execution: JobQueueLogEntry, error: CRMBridgeError) -> None:
    """What passes by itself is tried again after a growing wait; the rest waits for a person (I11), or, where the entry
    is recurring, for its next time (C11)."""
    attempts, now = entry.attempts + 1, timezone.now()
    passes = isinstance(error, RetryLater) and attempts < entry.max_attempts
    rest = _delay(entry, error) if passes else timedelta(minutes=entry.interval_minutes or 0)
    values = {"attempts": attempts, "message": text_and_fix(error), "finished_at": now, "earliest_start": now + rest}
    values |= {} if passes else {"failed_at": now}
    with transaction.atomic():
        if change(entry, Event.RETRY if passes else Event.FAIL, Q(fence=entry.fence), **values):
            _close(execution, LogState.FAILED, error)
    fullsync.go_on()


def _delay(entry: JobQueueEntry, error: CRMBridgeError) -> timedelta:
    asked = getattr(error, "retry_after", None) or 0
    doubled = entry.rerun_delay * 2 ** min(entry.attempts, 10)
    return min(timedelta(seconds=max(asked, doubled)), LONGEST_DELAY)


def _close(execution: JobQueueLogEntry, state: LogState, error: CRMBridgeError | None = None) -> None:
    execution.state, execution.finished_at = state, timezone.now()
    execution.message, execution.technical = (text_and_fix(error), error.technical) if error else ({}, "")
    execution.save(update_fields=["state", "finished_at", "message", "technical"])


def _release_waiting(entry: JobQueueEntry, execution: JobQueueLogEntry) -> None:
    """Records that waited for those which got a partner just now go on by themselves (I7)."""
    if not any(job.inserted or job.coupled for job in execution.synch_jobs.all()):
        return
    waiting = Waiting.objects.filter(waits_for=entry.mapping).order_by().values("mapping").distinct()
    for mapping in TableMapping.objects.filter(pk__in=waiting, is_enabled=True):
        if any(True for side in Side for _ in released(mapping, side)):
            enqueue(mapping, JobKind.RELEASE, priority=Priority.SCHEDULED)
