"""The numbers of Home: connection, mappings and latest runs, at a constant number of queries (I9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Max, Model, Q, QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from coupling.listing import erp_model, slug_of
from coupling.models import Coupling, CouplingState, TableMapping
from sync.models import Conflict, JobState, SynchError, SynchJob, Waiting

COUNTED_TABLES: Final = ("CUSTOMER", "CONTACT")
RECENT_JOBS: Final = 8


@dataclass(frozen=True)
class Cue:
    """One number on Home, the page that lists what it counts, and the tone it has when it is not zero."""

    caption: str | Promise
    number: int
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
    slug: str
    coupled: int
    last_job: SynchJob | None
    last_success: datetime | None
    errors: int
    conflicts: int
    waiting: int


def cues(lines: Sequence[MappingLine]) -> list[Cue]:
    """The numbers above the mappings, of which the troubles lead to their lists."""
    counted = [_records_cue(line.mapping) for line in lines if line.mapping.name in COUNTED_TABLES]
    running = SynchJob.objects.filter(state=JobState.RUNNING).count()
    jobs = reverse("sync:jobs")
    return [
        *(cue for cue in reversed(counted) if cue),
        Cue(_("Coupled records"), sum(line.coupled for line in lines), tone="good"),
        Cue(_("Failed records"), sum(line.errors for line in lines), reverse("sync:errors"), "bad"),
        Cue(_("Conflicts"), sum(line.conflicts for line in lines), reverse("sync:conflicts"), "wait"),
        Cue(_("Waiting records"), sum(line.waiting for line in lines), tone="wait"),
        Cue(_("Running jobs"), running, f"{jobs}?state={JobState.RUNNING}", "busy"),
    ]


def mapping_lines() -> list[MappingLine]:
    """A line for every enabled mapping."""
    mappings = TableMapping.objects.filter(is_enabled=True)
    open_only = Q(resolved_at=None)
    coupled = _counts(Coupling.objects.filter(state=CouplingState.COUPLED), "mapping")
    errors = _counts(SynchError.objects.filter(open_only), "mapping")
    conflicts = _counts(Conflict.objects.filter(open_only), "coupling__mapping")
    waiting = _counts(Waiting.objects.all(), "mapping")
    successes, last_jobs = _runs()
    return [
        MappingLine(
            mapping,
            slug_of(mapping),
            coupled.get(mapping.pk, 0),
            last_jobs.get(mapping.pk),
            successes.get(mapping.pk),
            errors.get(mapping.pk, 0),
            conflicts.get(mapping.pk, 0),
            waiting.get(mapping.pk, 0),
        )
        for mapping in mappings
    ]


def recent_jobs() -> QuerySet[SynchJob]:
    """The latest runs."""
    return SynchJob.objects.select_related("mapping")[:RECENT_JOBS]


def _runs() -> tuple[dict[int, datetime | None], dict[int, SynchJob]]:
    """By mapping: when it last succeeded, and its latest job."""
    finished = Max("finished_at", filter=Q(state=JobState.FINISHED))
    # The model's own order would add its column to the grouping.
    rows = list(SynchJob.objects.order_by().values_list("mapping").annotate(finished, Max("pk")))
    jobs = {job.mapping_id: job for job in SynchJob.objects.filter(pk__in=[row[2] for row in rows])}
    return {row[0]: row[1] for row in rows}, jobs


def _counts(rows: QuerySet[Any], group: str) -> dict[int, int]:
    return dict(rows.order_by().values_list(group).annotate(Count("pk")))


def _records_cue(mapping: TableMapping) -> Cue | None:
    try:
        model: type[Model] = erp_model(mapping)
    except LookupError:
        return None
    caption = capfirst(str(model._meta.verbose_name_plural))
    return Cue(caption, model._default_manager.count(), reverse("coupling:records", args=[slug_of(mapping)]))
