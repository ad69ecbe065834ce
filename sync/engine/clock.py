"""What a clock that was put back does to reading: changes may bear stamps that have been read past (I4)."""

import logging
from collections.abc import Iterator
from datetime import datetime

from coupling.tables.position import Position
from sync.engine.fingerprint import DISTRUSTED
from sync.engine.reading import RANGES
from sync.models import JobState, SynchJob, SynchState

log = logging.getLogger(__name__)


def distrust_cursors(latest: datetime) -> None:
    """Have the ERP read from its beginning once more where it has been read beyond this moment."""
    ahead = [mapping for mapping, cursor in _cursors() if (at := Position.parse(cursor)) and at.modified > latest]
    states = SynchState.objects.filter(mapping__in=ahead).exclude(setup__in=("", DISTRUSTED))
    if states.update(setup=DISTRUSTED):
        log.warning("The clock was put back, or differs from machine to machine; the ERP is read again.")


def _cursors() -> Iterator[tuple[int, str]]:
    """Those that hold, and those that will when the key ranges of a job are done; by mapping."""
    yield from SynchState.objects.values_list("mapping", "erp_cursor")
    divided = SynchJob.objects.filter(position__startswith=RANGES).exclude(state=JobState.FINISHED)
    for mapping, position in divided.values_list("mapping", "position"):
        yield mapping, position.removeprefix(RANGES)
