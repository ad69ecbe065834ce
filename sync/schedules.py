"""When mappings run by themselves: every half hour, and soon after a change on either side (C7, F6.1, F6.4).

A local change wakes by a signal at its commit. A change in the CRM is found by asking every mapping's delta link
whether there is anything, which is one small request.
"""

import time
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from connection.dataverse.client import DataverseClient
from connection.models import CRMConnection
from coupling.models import Direction, TableMapping
from sync.engine.case import Bridge
from sync.lease import is_engine_at_work
from sync.models import TRANSITIONS, Event, JobQueueEntry, JobStatus, Priority, SynchState
from sync.quiet import after_quiet_hours
from sync.rest import is_at_rest

INTERVAL_MINUTES = 30
SETTLE = timedelta(seconds=2)
"""A change is often followed by others: a run waits so long for them."""
_MAPPED = "sync.mapped_tables"
# Frequent saves that are nobody's business data; `__fake__` is where the models of migrations live.
_NEVER_MAPPED = ("django", "sync.", "coupling.", "connection.", "crmbridge.", "sandbox.", "__fake__")
_SLEEPING = (JobStatus.READY, JobStatus.INACTIVE)
_last_woken: dict[str, float] = {}


def ensure() -> None:
    """Give every enabled mapping its recurring entry, once there is an enabled connection."""
    if not CRMConnection.objects.filter(is_enabled=True).exists():
        return
    has_one = JobQueueEntry.objects.filter(interval_minutes__isnull=False).values("mapping")
    first = timezone.now() + timedelta(minutes=INTERVAL_MINUTES)
    new = [
        JobQueueEntry(
            mapping=mapping,
            category=mapping.name,
            priority=Priority.SCHEDULED,
            interval_minutes=INTERVAL_MINUTES,
            earliest_start=first,
        )
        for mapping in TableMapping.objects.filter(is_enabled=True).exclude(pk__in=has_one)
    ]
    JobQueueEntry.objects.bulk_create(new, ignore_conflicts=True)


def reschedule(entry: JobQueueEntry, **times: object) -> None:
    """Set when a recurring entry runs; one that sleeps runs no later than a whole rest from now.

    What is at work goes on: nothing but `times` is written.
    """
    for name, value in times.items():
        setattr(entry, name, value)
    entry.save(update_fields=list(times))
    for status, minutes in ((JobStatus.READY, entry.interval_minutes), (JobStatus.INACTIVE, entry.idle_minutes)):
        latest = timezone.now() + timedelta(minutes=minutes or 0)
        sleeping = JobQueueEntry.objects.filter(pk=entry.pk, status=status, earliest_start__gt=latest)
        sleeping.update(earliest_start=after_quiet_hours(entry, latest))


def hear(sender: type[models.Model], **kwargs: object) -> None:
    """A record of ours was saved or deleted: wake the mappings of its table, once this transaction commits."""
    if sender is TableMapping:
        transaction.on_commit(lambda: cache.delete(_MAPPED), robust=True)
    if not sender.__module__.startswith(_NEVER_MAPPED) and not is_engine_at_work():
        # Robust: whoever saved has nothing to do with what goes wrong here.
        transaction.on_commit(lambda: _wake_table(sender._meta.label), robust=True)


def _mapped_tables() -> set[str]:
    """The ERP tables of all mappings, asked for once a minute; a save must not cost a query."""
    tables: set[str] | None = cache.get(_MAPPED)
    if tables is None:
        tables = set(TableMapping.objects.values_list("erp_table", flat=True))
        cache.set(_MAPPED, tables, 60)
    return tables


def _wake_table(label: str) -> None:
    """Wake its mappings; what is saved while they settle down anyway needs no second call."""
    now = time.monotonic()
    if label not in _mapped_tables():
        return
    if now - _last_woken.get(label, -SETTLE.total_seconds()) >= SETTLE.total_seconds():
        _last_woken[label] = now
        wake(Q(mapping__erp_table=label))


def wake(which: Q) -> int:
    """Let recurring entries run soon, unless it is quiet; returns how many sleeping ones were woken.

    One that is under way, or due any moment, may be past what has just changed: it runs once more afterwards.
    """
    soon = timezone.now() + SETTLE
    entries = JobQueueEntry.objects.filter(which, interval_minutes__isnull=False)
    asleep = entries.filter(status__in=_SLEEPING, earliest_start__gt=soon)
    under_way = Q(status__in=(JobStatus.IN_PROCESS, JobStatus.WAITING)) | Q(
        status__in=_SLEEPING, earliest_start__lte=soon
    )
    # Before the others, of which some are due any moment once they are woken.
    entries.filter(under_way).update(woken_at=timezone.now())
    woken = 0
    for entry in asleep:
        start = after_quiet_hours(entry, soon)
        same = asleep.filter(pk=entry.pk, fence=entry.fence)
        woken += same.update(status=TRANSITIONS[Event.WAKE].target, earliest_start=start)
    return woken


def may_probe() -> bool:
    """Whether it is time to look for changes in the CRM again."""
    return _probable().exists()


def probe() -> None:
    """Ask each mapping that sleeps whether the CRM has changes for it, and wake it where it has (C7).

    Raises:
        CRMBridgeError: the CRM cannot be asked.
    """
    client = CRMConnection.enabled().client()
    for state in _probable().select_related("mapping"):
        mine = _probable().filter(pk=state.pk).update(probed_at=timezone.now())
        if mine and _has_changes(state, client):
            wake(Q(mapping=state.mapping))


def _probable() -> "QuerySet[SynchState]":
    """Mappings that have been read to the end once, sleep, and have not been probed for a while; none at rest, or in
    their quiet hours."""
    if is_at_rest():
        return SynchState.objects.none()
    now = timezone.now()
    before = now - timedelta(seconds=settings.PROBE_SECONDS)
    sleeping = JobQueueEntry.objects.filter(
        interval_minutes__isnull=False, status__in=_SLEEPING, earliest_start__gt=now + SETTLE
    )
    mappings = [entry.mapping_id for entry in sleeping if after_quiet_hours(entry, now) == now]
    states = SynchState.objects.filter(Q(probed_at=None) | Q(probed_at__lt=before), mapping__in=mappings)
    states = states.filter(mapping__is_enabled=True).exclude(crm_cursor="")
    return states.exclude(mapping__direction=Direction.TO_CRM)


def _has_changes(state: SynchState, client: DataverseClient) -> bool:
    first = next(iter(Bridge(state.mapping, client).crm.changes(state.crm_cursor, 1)), None)
    return first is not None and bool(first.records or first.deleted)


def silent() -> list[JobQueueEntry]:
    """Recurring entries that have had no success for longer than they may (E9), unless a person holds them."""
    now = timezone.now()
    entries = JobQueueEntry.objects.filter(interval_minutes__isnull=False, mapping__is_enabled=True)
    entries = entries.exclude(status=JobStatus.ON_HOLD)
    return [
        entry
        for entry in entries.select_related("mapping")
        if (entry.last_success_at or entry.created_at) < now - timedelta(hours=entry.alarm_hours)
    ]
