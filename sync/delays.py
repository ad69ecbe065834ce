"""How far mappings are behind: how long a change may have waited to be synchronized, now and at worst.

A change that is made right after a run that succeeded waits until the next one has: the delay is the time since the
last success, the worst one the longest time between two.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from django.utils import timezone

from sync.models import JobQueueEntry, JobQueueLogEntry, JobStatus, LogState
from sync.rest import is_at_rest

PERIOD: Final = timedelta(days=7)
_RUNS_BY_ITSELF: Final = (JobStatus.READY, JobStatus.WAITING, JobStatus.INACTIVE, JobStatus.ERROR)


class Delay(NamedTuple):
    """How long ago both sides were the same for sure, the longest that this has been in a week, and in how long the
    next run is due: None where it runs now, or does not by itself, as while the connection is disabled."""

    present: timedelta
    worst: timedelta
    until_next: timedelta | None


def delays(entries: Iterable[JobQueueEntry]) -> Iterator[tuple[JobQueueEntry, Delay]]:
    """The delays of these recurring entries, from their successful runs: one query for all."""
    entries, now = list(entries), timezone.now()
    recent = JobQueueLogEntry.objects.filter(entry__in=entries, state=LogState.FINISHED, finished_at__gt=now - PERIOD)
    successes: dict[int, list[datetime]] = defaultdict(list)
    for entry_id, at in recent.order_by("finished_at").values_list("entry", "finished_at"):
        assert at
        successes[entry_id].append(at)
    rests = bool(entries) and is_at_rest()
    for entry in entries:
        moments = successes[entry.pk] or [entry.last_success_at or entry.created_at]
        is_coming = not rests and entry.status in _RUNS_BY_ITSELF
        yield entry, _delay(moments, entry.earliest_start if is_coming else None, now)


def _delay(moments: list[datetime], coming: datetime | None, now: datetime) -> Delay:
    worst = max(later - earlier for earlier, later in pairwise([*moments, now]))
    return Delay(now - moments[-1], worst, max(coming - now, timedelta(0)) if coming else None)
