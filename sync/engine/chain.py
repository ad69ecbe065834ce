"""Runs several mappings in the order of their prerequisites, and comes back for those whose waiting is over (I7)."""

from collections.abc import Iterable

from connection.dataverse.client import DataverseClient
from coupling.models import Direction, TableMapping
from coupling.prerequisites import in_order
from sync.engine.reading import released
from sync.engine.run import Progress, synchronize
from sync.models import JobState, Side, SynchJob

ROUNDS = 5
"""How long a chain of records that wait for each other may be before the rest waits for the next run."""


def synchronize_all(
    mappings: Iterable[TableMapping],
    client: DataverseClient,
    *,
    direction: Direction | None = None,
    full: bool = False,
    progress: Progress | None = None,
) -> list[SynchJob]:
    """Run mappings, parents first; then fill in the references that had to wait, until none is released any more.

    Raises:
        AlreadyRunning: another process runs one of them.
        ValueError: the mappings need each other in a circle.
    """
    order = in_order(mappings)
    jobs: list[SynchJob] = []
    for mapping in order:
        jobs += synchronize(mapping, client, direction=direction, full=full, progress=progress)
    for _ in range(ROUNDS):
        left = [mapping for mapping in order if _has_released(mapping)]
        new = [
            job
            for mapping in left
            for job in synchronize(mapping, client, direction=direction, released_only=True, progress=progress)
        ]
        jobs += new
        if not new or any(job.state == JobState.FAILED for job in new):
            break
    return jobs


def _has_released(mapping: TableMapping) -> bool:
    return any(True for side in Side for _ in released(mapping, side))
