"""What is wrong at this moment, at a constant number of queries (I9): the causes that notifications are made of.

A cause is a state, not an event: it is found for as long as it lasts, under the same key, however many records it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from django.db.models import Count, F, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from connection.errors import Recovery, Text
from connection.models import CRMConnection
from connection.texts import in_every_language
from coupling.models import TableMapping
from sync.entries import neglect
from sync.models import (
    FullSynchronization,
    FullSynchState,
    JobQueueEntry,
    JobStatus,
    NotificationKind,
    SynchError,
)
from sync.rest import why_at_rest
from sync.schedules import silent

NEGLECTED_AFTER: Final = timedelta(minutes=5)
EXPIRY_DAYS: Final = (1, 7, 30)

Texts = dict[str, str]


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong: its key, what to tell about it, and how many records or jobs it has."""

    key: str
    kind: NotificationKind
    text: Texts
    fix: Texts
    address: str
    count: int = 1
    mapping: TableMapping | None = None


def causes(now: datetime) -> Iterator[Cause]:
    """Everything that is wrong now."""
    connection = CRMConnection.current()
    if connection is None:
        return
    yield from _connection(connection, now)
    yield from _worker()
    yield from _failed_jobs()
    yield from _failed_records()
    yield from _full_synchronization()
    # Where nothing can run, that is the cause.
    if connection.is_enabled and why_at_rest() is None:
        yield from _overdue()


def failed_entries() -> QuerySet[JobQueueEntry]:
    """Entries that ended in Error, of which the mapping has not succeeded since."""
    successes = JobQueueEntry.objects.filter(mapping=OuterRef("mapping")).order_by().values("mapping")
    latest = Subquery(successes.annotate(at=Max("last_success_at")).values("at"))
    failed = JobQueueEntry.objects.filter(failed_at__isnull=False, mapping__is_enabled=True).annotate(success=latest)
    return failed.filter(Q(success=None) | Q(success__lt=F("failed_at")))


def _connection(connection: CRMConnection, now: datetime) -> Iterator[Cause]:
    page = reverse("connection")
    if connection.is_copy:
        return
    if not connection.is_enabled and connection.disable_reasons:
        fix = in_every_language(_("Test and enable the connection on the CRM Connection Setup page."))
        yield Cause("connection", NotificationKind.CONNECTION, connection.disable_reasons, fix, page)
    if connection.certificate_expires_at:
        yield from _certificate(connection.certificate_expires_at, now, page)


def _certificate(until: datetime, now: datetime, page: str) -> Iterator[Cause]:
    """Told 30, 7 and 1 days ahead, and when it is over. A secret's end is known to Entra ID alone."""
    fix = in_every_language(
        _("Make a new certificate, add it to the app registration, and upload it on the CRM Connection Setup page.")
    )
    left = until - now
    if left <= timedelta(0):
        text: Text = _("The certificate has expired. Dynamics CRM cannot be reached.")
        yield Cause("certificate:0", NotificationKind.CERTIFICATE, in_every_language(text), fix, page)
        return
    if days := next((days for days in EXPIRY_DAYS if left <= timedelta(days=days)), None):
        texts = in_every_language(lazy(_expires_within, str)(days))
        yield Cause(f"certificate:{days}", NotificationKind.CERTIFICATE, texts, fix, page)


def _expires_within(days: int) -> str:
    text = ngettext(
        "The certificate expires within %(days)d day. After that, Dynamics CRM cannot be reached.",
        "The certificate expires within %(days)d days. After that, Dynamics CRM cannot be reached.",
        days,
    )
    return text % {"days": days}


def _worker() -> Iterator[Cause]:
    if neglect() > NEGLECTED_AFTER:
        text = in_every_language(_("Jobs are due, but no worker has taken one for some minutes."))
        fix = in_every_language(_("Start a worker (manage.py worker), or restart the one that runs."))
        yield Cause("worker", NotificationKind.WORKER, text, fix, reverse("sync:entries"))


def _failed_jobs() -> Iterator[Cause]:
    """A cause a mapping, with what its latest failure says."""
    fix = in_every_language(_("Mend the cause, then restart the job."))
    entries = failed_entries().select_related("mapping").order_by("mapping", "-failed_at")
    for mapping, group in groupby(entries, lambda entry: entry.mapping):
        latest, *others = group
        page = reverse("sync:entry", args=[latest.pk])
        count = 1 + len(others)
        yield Cause(f"job:{mapping.pk}", NotificationKind.JOB, latest.message, fix, page, count, mapping)


def _failed_records() -> Iterator[Cause]:
    """A cause for every mapping and error code."""
    rows = _open_errors().order_by().values("mapping", "kind", "code")
    groups = {row["sample"]: row for row in rows.annotate(count=Count("pk"), sample=Min("pk"))}
    for error in SynchError.objects.filter(pk__in=groups).select_related("mapping") if groups else ():
        page = f"{reverse('sync:errors')}?mapping={error.mapping.name}&kind={error.kind}"
        key = f"errors:{error.mapping_id}:{error.kind}:{error.code}"
        count = groups[error.pk]["count"]
        yield Cause(key, NotificationKind.ERRORS, error.text, error.fix, page, count, error.mapping)


def _open_errors() -> QuerySet[SynchError]:
    """Records that fail until somebody does something: what is tried again by itself is nobody's business (I11)."""
    standing = SynchError.objects.filter(resolved_at=None, mapping__is_enabled=True)
    return standing.exclude(kind=Recovery.RETRY_LATER)


def _full_synchronization() -> Iterator[Cause]:
    """The latest one, where lines of it failed, or records of its lines that are not settled yet.

    One that was reset or cancelled is nobody's business any more.
    """
    full = FullSynchronization.objects.filter(started_at__isnull=False).first()
    if full is None or full.started_at is None or full.finished_at is None:
        return
    if full.state == FullSynchState.CANCELLED or (full.state == FullSynchState.STOPPED and not full.is_current):
        return
    lines = full.lines.all()
    failed = _open_errors().filter(mapping__review_lines__in=lines)
    count = failed.filter(first_at__range=(full.started_at, full.finished_at)).count()
    if full.state == FullSynchState.STOPPED:
        text: Text = _("The full synchronization stopped: lines of it failed, or wait for lines that did.")
        count = lines.filter(entry__status=JobStatus.ERROR).count()
    elif count:
        text = _("The full synchronization has finished, but records failed.")
    else:
        return
    fix = in_every_language(_("Look at the errors of its lines, mend them, and restart the lines."))
    page = reverse("sync:full_synchronization")
    yield Cause(f"full:{full.pk}", NotificationKind.FULL, in_every_language(text), fix, page, max(count, 1))


def _overdue() -> Iterator[Cause]:
    """Schedules that have had no success for their alarm hours."""
    fix = in_every_language(_("Look at the job queue entry and at its log, and whether a worker runs."))
    for entry in silent():
        text = in_every_language(lazy(_no_success_for, str)(entry.alarm_hours))
        page = reverse("sync:entry", args=[entry.pk])
        yield Cause(f"alarm:{entry.pk}", NotificationKind.ALARM, text, fix, page, mapping=entry.mapping)


def _no_success_for(hours: int) -> str:
    text = ngettext(
        "No run of this mapping has succeeded for more than %(hours)d hour.",
        "No run of this mapping has succeeded for more than %(hours)d hours.",
        hours,
    )
    return text % {"hours": hours}
