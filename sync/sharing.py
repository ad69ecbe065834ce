"""How far the workers that share one big table have come, as pages show it."""

from collections.abc import Sequence
from typing import NamedTuple

from sync.models import END, KeyRange, SynchJob


class Sharing(NamedTuple):
    """The key ranges of a job: how many there are, how many have been read, and those that are begun."""

    job: SynchJob
    total: int
    done: int
    begun: Sequence[KeyRange]

    @classmethod
    def of(cls, job: SynchJob | None) -> "Sharing | None":
        """As it stands now; None where the job is not, or no longer, shared."""
        ranges = KeyRange.objects.filter(job=job)
        total = ranges.count()
        if job is None or not total:
            return None
        left = ranges.exclude(position=END)
        begun = left.exclude(position="", lease_owner="").order_by("number")
        return cls(job, total, total - left.count(), list(begun))
