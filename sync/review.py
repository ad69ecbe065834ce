"""A full synchronization as the page and the API show it: statuses, who waits for whom, progress, rate and time left.

Costs the same number of queries however many lines there are (I9).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from connection.errors import CRMBridgeError
from coupling.models import Direction
from sync.fullsync import has_failed, has_finished, waits_for
from sync.models import (
    OPEN,
    FullSynchReviewLine,
    FullSynchronization,
    FullSynchState,
    JobQueueEntry,
    JobState,
    JobStatus,
    JobType,
    Recommendation,
    SynchJob,
    Waiting,
)
from sync.rest import why_nothing_moves

# A rate from the first moments says nothing.
SETTLED_AFTER = timedelta(seconds=3)


class Status(NamedTuple):
    """A status for programs, and as people read it; blank where nothing has been started."""

    value: str = ""
    label: str | Promise = ""


NEVER = Status()


@dataclass(frozen=True)
class Way:
    """The jobs of a line in one direction: one an attempt, of which the last says how it stands."""

    jobs: tuple[SynchJob, ...] = ()

    @property
    def last(self) -> SynchJob | None:
        """The latest; None where it was never started."""
        return self.jobs[-1] if self.jobs else None

    @property
    def read(self) -> int:
        """Records read in all attempts, each of which goes on where the one before stopped."""
        return sum(job.read for job in self.jobs)

    @property
    def failed(self) -> int:
        """Records that failed. What an attempt counted as failed because it broke off, the next one has read again."""
        broken_off = sum(job.open_errors for job in self.jobs[:-1])  # type: ignore[attr-defined]
        return broken_off + self.jobs[-1].failed if self.jobs else 0


NOT_RUN = Way()


@dataclass(frozen=True)
class ReviewLine:
    """One mapping's line with its jobs (S77)."""

    line: FullSynchReviewLine
    to_way: Way
    from_way: Way

    @property
    def entry(self) -> JobQueueEntry | None:
        """Its job queue entry; None where it was never started."""
        return self.line.entry

    @property
    def entry_status(self) -> Status:
        """**Job Queue Entry Status**; blank where it was never started."""
        return Status(self.entry.status, self.entry.get_status_display()) if self.entry else NEVER

    @property
    def to_status(self) -> Status:
        """**To Int. Table Job Status**."""
        return self._status_of(self.to_way)

    @property
    def from_status(self) -> Status:
        """**From Int. Table Job Status**."""
        return self._status_of(self.from_way)

    @property
    def depends_on(self) -> list[str]:
        """The names of the lines that had to finish before it could start."""
        return [each.name for each in self.line.depends_on.all()]

    @property
    def waits_for(self) -> list[FullSynchReviewLine]:
        """The lines that this one waits for."""
        return waits_for(self.line) if self.entry is None else []

    @property
    def blocked_by(self) -> list[str]:
        """The names of those among them that failed, so that the waiting does not end by itself (S82)."""
        return [each.name for each in self.waits_for if has_failed(each)]

    @property
    def failed(self) -> int:
        """Records that failed in its jobs. One that couples has the same jobs both ways."""
        return sum(way.failed for way in {self.to_way, self.from_way})

    @property
    def read(self) -> int:
        """Records read in its jobs, those that were read again included."""
        return sum(way.read for way in {self.to_way, self.from_way})

    @property
    def message(self) -> str:
        """Why it stopped or tries again, in the reader's language."""
        return self.entry.message_text if self.entry else ""

    @property
    def can_restart(self) -> bool:
        """Whether it has ended, one way or the other, and may run again."""
        return self._has_ended and self.line.full_synchronization.state != FullSynchState.PAUSED

    @property
    def _has_ended(self) -> bool:
        return self.entry is not None and self.entry.status in (JobStatus.FINISHED, JobStatus.ERROR)

    @property
    def can_be_full(self) -> bool:
        """Whether a full synchronization may be chosen instead of what is recommended."""
        return self.line.recommendation != Recommendation.FULL and (self.entry is None or self._has_ended)

    @property
    def total(self) -> int:
        """How many records it will look at, by the counts of its preparation."""
        direction = Direction(self.line.direction)
        if self.line.recommendation == Recommendation.NOTHING:
            return 0
        if self.line.recommendation == Recommendation.COUPLE:
            return self.line.erp_count
        return (self.line.erp_count if direction.to_crm else 0) + (self.line.crm_count if direction.from_crm else 0)

    @property
    def done(self) -> int:
        """How many of them it has looked at; all, once it has finished."""
        if has_finished(self.line):
            return self.total
        sides = ((self.to_way, self.line.erp_count), (self.from_way, self.line.crm_count))
        return min(sum(min(way.read, count) for way, count in sides), self.total)

    @property
    def is_reading(self) -> bool:
        """Whether it has begun, and no page is settled yet."""
        return self.entry is not None and self.entry.status == JobStatus.IN_PROCESS and not self.done

    @property
    def percent(self) -> int:
        """Its progress."""
        if has_finished(self.line):
            return 100
        return min(99, 100 * self.done // self.total) if self.total else 0

    def _status_of(self, way: Way) -> Status:
        """Blank, In Process, Success, or Error where the job or one of its records failed (F4.5)."""
        job = way.last
        if job is None:
            return NEVER
        if job.state == JobState.RUNNING:
            # A job that has begun stands still with its entry.
            is_paused = self.entry is not None and self.entry.status == JobStatus.ON_HOLD
            return self.entry_status if is_paused else Status("running", _("In Process"))
        is_bad = job.state == JobState.FAILED or way.failed
        return Status("error", _("Error")) if is_bad else Status("finished", _("Success"))


@dataclass(frozen=True)
class Review:
    """A full synchronization with its lines."""

    full: FullSynchronization
    lines: Sequence[ReviewLine]
    now: datetime

    @classmethod
    def of(cls, full: FullSynchronization) -> "Review":
        """Read it as it stands now."""
        rows = full.lines.select_related("entry", "mapping").prefetch_related("depends_on__entry")
        lines = list(rows)
        jobs: dict[tuple[int, str], Way] = {}
        entries = [line.entry_id for line in lines if line.entry_id]
        standing = Count("errors", filter=Q(errors__resolved_at=None))
        found = SynchJob.objects.filter(execution__entry__in=entries).annotate(open_errors=standing)
        for job in found.select_related("execution", "mapping").order_by("pk"):
            assert job.execution
            ways = [job.direction] if job.type == JobType.SYNCHRONIZATION else [Direction.TO_CRM, Direction.FROM_CRM]
            for key in ((job.execution.entry_id, way) for way in ways):
                jobs[key] = Way((*jobs.get(key, NOT_RUN).jobs, job))
        return cls(full, [_with_jobs(line, jobs) for line in lines], timezone.now())

    @cached_property
    def at_rest(self) -> CRMBridgeError | None:
        """Why nothing of it moves although it could; None where something may, or it has ended."""
        return why_nothing_moves() if self.full.is_current else None

    @property
    def is_live(self) -> bool:
        """Whether it moves by itself, so that the page should look again."""
        return self.full.state == FullSynchState.RUNNING or self.is_stopping

    @property
    def is_stopping(self) -> bool:
        """Whether a pause or a cancellation waits for a page that is in hand."""
        is_over = self.full.state in (FullSynchState.PAUSED, FullSynchState.CANCELLED)
        return is_over and any(line.entry and line.entry.status in OPEN for line in self.lines)

    @property
    def is_reading(self) -> bool:
        """Whether lines have begun, and none has settled a page."""
        return not self.done and any(line.is_reading for line in self.lines)

    @property
    def can(self) -> dict[str, bool]:
        """Which actions fit how it stands."""
        state = self.full.state
        is_open = self.full.is_current and state != FullSynchState.PREPARED
        return {
            "start": state in (FullSynchState.PREPARED, FullSynchState.PAUSED),
            "pause": state == FullSynchState.RUNNING,
            "cancel": is_open and state in (FullSynchState.RUNNING, FullSynchState.PAUSED, FullSynchState.STOPPED),
            "restart": bool(self.failures) and state in (FullSynchState.RUNNING, FullSynchState.STOPPED),
            "reset": not self.is_live and state != FullSynchState.PAUSED,
        }

    @property
    def failures(self) -> list[ReviewLine]:
        """The lines that failed."""
        return [line for line in self.lines if has_failed(line.line)]

    @property
    def only_coupled(self) -> list[str]:
        """The names of the lines that have coupled what matched, and created nothing."""
        coupled = (line.line for line in self.lines if line.line.recommendation == Recommendation.COUPLE)
        return [line.name for line in coupled if has_finished(line)]

    @property
    def failed_records(self) -> int:
        """Records that failed in lines which have finished all the same."""
        return sum(line.failed for line in self.lines)

    @cached_property
    def waiting_records(self) -> int:
        """Records that are not synchronized yet, because they wait for another (I7)."""
        mappings = [line.line.mapping_id for line in self.lines]
        waiting = Waiting.objects.filter(mapping__in=mappings, is_optional=False)
        return waiting.values("mapping", "side", "record_id").distinct().count()

    @cached_property
    def total(self) -> int:
        """Records to look at in all."""
        return sum(line.total for line in self.lines)

    @cached_property
    def done(self) -> int:
        """Records looked at."""
        return sum(line.done for line in self.lines)

    @property
    def percent(self) -> int:
        """Progress of the whole."""
        if self.full.state == FullSynchState.FINISHED:
            return 100
        return min(99, 100 * self.done // self.total) if self.total else 0

    @property
    def rate(self) -> float | None:
        """Records a second since it was started or gone on with; None where it does not run, or has only begun."""
        if self.full.state != FullSynchState.RUNNING or self.full.resumed_at is None or self.at_rest:
            return None
        elapsed = self.now - self.full.resumed_at
        read = sum(line.read for line in self.lines) - self.full.read_before
        return read / elapsed.total_seconds() if read > 0 and elapsed > SETTLED_AFTER else None

    @property
    def time_left(self) -> timedelta | None:
        """How long the rest takes at this rate."""
        return timedelta(seconds=round((self.total - self.done) / self.rate)) if self.rate else None


def _with_jobs(line: FullSynchReviewLine, jobs: dict[tuple[int, str], Way]) -> ReviewLine:
    direction, entry = Direction(line.direction), line.entry_id or 0
    to_way = jobs.get((entry, Direction.TO_CRM), NOT_RUN) if direction.to_crm else NOT_RUN
    from_way = jobs.get((entry, Direction.FROM_CRM), NOT_RUN) if direction.from_crm else NOT_RUN
    return ReviewLine(line, to_way, from_way)
