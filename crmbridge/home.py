"""The numbers of Home: connection, mappings and latest runs, at a constant number of queries (I9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Max, Q, QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from coupling.listing import erp_model
from coupling.models import Coupling, CouplingState, TableMapping
from crmbridge.context import TableLink, table_link
from crmbridge.templatetags.look import time_left
from sync.causes import failed_entries
from sync.delays import Delay, delays
from sync.filters import WAITING
from sync.models import Conflict, JobQueueEntry, JobState, SynchError, SynchJob, Waiting
from sync.queue_views import FAILED
from sync.schedules import silent

COUNTED_TABLES: Final = ("CUSTOMER", "CONTACT")
RECENT_JOBS: Final = 8


@dataclass(frozen=True)
class Cue:
    """One number or span of time on Home, the page that lists what it counts, and its tone when it is not zero."""

    caption: str | Promise
    number: int | str
    address: str = ""
    tone: str = "accent"

    @property
    def shown_tone(self) -> str:
        """Zero is nothing to look at."""
        return self.tone if self.number else "quiet"


@dataclass(frozen=True)
class MappingLine:
    """How one table mapping stands."""

    mapping: TableMapping
    link: TableLink | None
    coupled: int
    last_job: SynchJob | None
    last_success: datetime | None
    errors: int
    conflicts: int
    waiting: int
    delay: Delay | None

    @property
    def errors_address(self) -> str:
        """The page of its open errors."""
        return f"{reverse('sync:errors')}?{urlencode({'mapping': self.mapping.name})}"

    @property
    def conflicts_address(self) -> str:
        """The page of its open conflicts."""
        return f"{reverse('sync:conflicts')}?{urlencode({'mapping': self.mapping.name})}"

    @property
    def waiting_address(self) -> str:
        """The list of its records that wait; blank where the reader may not see it."""
        return f"{self.link.address}?show={WAITING.name}" if self.link else ""


def cues(lines: Sequence[MappingLine]) -> list[Cue]:
    """The numbers above the mappings, of which the troubles lead to their lists."""
    counted = [_records_cue(line) for line in lines if line.mapping.name in COUNTED_TABLES]
    running = SynchJob.objects.filter(state=JobState.RUNNING).count()
    jobs, entries = reverse("sync:jobs"), reverse("sync:entries")
    return [
        *(cue for cue in reversed(counted) if cue),
        Cue(_("Coupled records"), sum(line.coupled for line in lines), tone="good"),
        Cue(_("Failed records"), sum(line.errors for line in lines), reverse("sync:errors"), "bad"),
        Cue(_("Conflicts"), sum(line.conflicts for line in lines), reverse("sync:conflicts"), "wait"),
        Cue(_("Waiting records"), sum(line.waiting for line in lines), tone="wait"),
        Cue(_("Running jobs"), running, f"{jobs}?state={JobState.RUNNING}", "busy"),
        Cue(_("Failed job queue entries"), failed_entries().count(), f"{entries}?state={FAILED}", "bad"),
        Cue(_("Mappings without success"), len(silent()), entries, "bad"),
        *_times(lines, entries),
    ]


def mapping_lines(user: User | AnonymousUser, mappings: Iterable[TableMapping] | None = None) -> list[MappingLine]:
    """A line for each of the mappings, or every enabled one; with a link to the lists that the user may see."""
    mappings = TableMapping.objects.filter(is_enabled=True) if mappings is None else mappings
    open_only = Q(resolved_at=None)
    coupled = _counts(Coupling.objects.filter(state=CouplingState.COUPLED), "mapping")
    errors = _counts(SynchError.objects.filter(open_only), "mapping")
    conflicts = _counts(Conflict.objects.filter(open_only), "coupling__mapping")
    waiting = _counts(Waiting.objects.all(), "mapping")
    successes, last_jobs = _runs()
    behind = {
        entry.mapping_id: delay for entry, delay in delays(JobQueueEntry.objects.filter(interval_minutes__isnull=False))
    }
    return [
        MappingLine(
            mapping,
            table_link(mapping, user),
            coupled.get(mapping.pk, 0),
            last_jobs.get(mapping.pk),
            successes.get(mapping.pk),
            errors.get(mapping.pk, 0),
            conflicts.get(mapping.pk, 0),
            waiting.get(mapping.pk, 0),
            behind.get(mapping.pk),
        )
        for mapping in mappings
    ]


def _times(lines: Sequence[MappingLine], entries: str) -> list[Cue]:
    """How far the mappings with a schedule are behind at most, and when the next of them runs."""
    scheduled = [line.delay for line in lines if line.delay]
    nexts = [delay.until_next for delay in scheduled if delay.until_next is not None]
    longest = (
        [Cue(_("Longest delay"), time_left(max(each.present for each in scheduled)), entries)] if scheduled else []
    )
    return [*longest, *([Cue(_("Until the next run"), time_left(min(nexts)), entries)] if nexts else [])]


def recent_jobs() -> QuerySet[SynchJob]:
    """The latest runs."""
    return SynchJob.objects.select_related("mapping")[:RECENT_JOBS]


def _runs() -> tuple[dict[int, datetime | None], dict[int, SynchJob]]:
    """By mapping: when it last succeeded, and its latest job."""
    finished = Max("finished_at", filter=Q(state=JobState.FINISHED))
    # The model's own order would add its column to the grouping.
    rows = list(SynchJob.objects.order_by().values("mapping_id").annotate(succeeded=finished, latest=Max("pk")))
    jobs = {job.mapping_id: job for job in SynchJob.objects.filter(pk__in=[row["latest"] for row in rows])}
    return {row["mapping_id"]: row["succeeded"] for row in rows}, jobs


def _counts(rows: QuerySet[Any], group: str) -> dict[int, int]:
    return dict(rows.order_by().values_list(group).annotate(number=Count("pk")))


def _records_cue(line: MappingLine) -> Cue | None:
    if line.link is None:
        return None
    return Cue(line.link.label, erp_model(line.mapping)._default_manager.count(), line.link.address)
