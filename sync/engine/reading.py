"""Step 1, read: what an earlier run left open, to be looked at closely, then what has changed since the cursor."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.conf import settings
from django.db.models import Model, QuerySet

from connection.errors import Recovery
from coupling.lookups import Lookups
from coupling.models import Coupling, CouplingState, TableMapping
from coupling.tables.table import Page
from sync.engine.case import Pass
from sync.models import END, KeyRange, Side, SynchError, SynchJob, SynchState, Waiting

PAGE_SIZE = 1000
SMALLEST_PAGE = 50
SLOW, QUICK = 30.0, 5.0
"""Seconds: a page that took longer had too many records; where a full one was quick, there is room for more."""
RANGES = "ranges:"
"""Begins the position of a job whose pass is in its key ranges; the cursor follows that holds once all are read."""

M = TypeVar("M", bound=Model)
Slices = Iterator[tuple[list[UUID], int]]
"""Ids of records, some at a time, with the place in their source up to which they go."""


class Reading(NamedTuple):
    """A page, whether it is to be looked at closely, and where the pass goes on once it is settled."""

    page: Page
    closely: bool
    position: str


def read(run: Pass, *, released_only: bool, divided: bool = False) -> Iterator[Reading]:
    """All that a pass is to look at, from the position of its job on; where it is divided, all but its key ranges."""
    if run.job.position == END or is_in_ranges(run.job):
        return
    phases = _phases(run, released_only=released_only)
    if divided:
        del phases["changes"]
    phase, _, place = run.job.position.partition(":")
    names = list(phases)
    for name in names[names.index(phase) if phase in names else 0 :]:
        for page, reached in phases[name](run, place if name == phase else ""):
            yield Reading(page, name != "changes", f"{name}:{reached}" if reached else END)


def _phases(run: Pass, *, released_only: bool) -> dict[str, Callable[[Pass, str], Iterator[tuple[Page, str]]]]:
    """Where records come from, in this order."""
    if run.couples_only:
        return {"changes": _all}
    if released_only:
        return {"released": _released}
    return {"released": _released, "passing": _passing, "unsettled": _unsettled, "changes": _changes}


def is_divided(run: Pass) -> bool:
    """Whether the pass reads its table in key ranges, which several workers take: a full one of the job queue, from an
    ERP table that is worth it."""
    if is_in_ranges(run.job):
        return True
    may_be = run.reads_erp and run.job.is_full and run.job.execution_id is not None
    is_decided = run.job.position == END or run.job.position.startswith("changes")
    return may_be and not is_decided and 0 < 2 * settings.RANGE_SIZE <= run.source.count()


def is_in_ranges(job: SynchJob) -> bool:
    """Whether nothing is left of its pass but its key ranges."""
    return job.position.startswith(RANGES)


def read_range(run: Pass, key_range: KeyRange) -> Iterator[Reading]:
    """The records of a key range, from its position on."""
    after = UUID(key_range.position) if key_range.position else key_range.after
    for page in run.bridge.erp.between(after, key_range.until, _size(run.job)):
        yield Reading(page, False, page.position or END)


def _size(job: SynchJob) -> int:
    return min(job.page_size, PAGE_SIZE)


def learn_from(page: Page, seconds: float, job: SynchJob) -> None:
    """Have the next slice read smaller pages where this one took long, and larger ones again where it was quick."""
    if seconds > SLOW:
        shrink(job)
    elif seconds < QUICK and len(page.records) >= _size(job):
        _resize(job, 2 * _size(job))


def shrink(job: SynchJob) -> None:
    """Have its pages read half as many records from now on."""
    _resize(job, _size(job) // 2)


def _resize(job: SynchJob, wanted: int) -> None:
    size = min(PAGE_SIZE, max(SMALLEST_PAGE, wanted))
    if size != _size(job):
        job.page_size = size
        SynchJob.objects.filter(pk=job.pk).update(page_size=size)


def _all(run: Pass, place: str) -> Iterator[tuple[Page, str]]:
    return ((page, page.position) for page in run.source.changes(place, _size(run.job)))


def _changes(run: Pass, place: str) -> Iterator[tuple[Page, str]]:
    state = SynchState.objects.get(mapping=run.mapping)
    # Whoever overtook a full pass before its first page has moved the cursor.
    known = "" if run.job.is_full else state.erp_cursor if run.reads_erp else state.crm_cursor
    return _all(run, place or known)


def _released(run: Pass, place: str) -> Iterator[tuple[Page, str]]:
    """Records whose waiting is over."""
    return _fetched(run, _released_ids(run.mapping, run.side, int(place or 0), _size(run.job)))


def _passing(run: Pass, place: str) -> Iterator[tuple[Page, str]]:
    """Records whose error may have passed."""
    errors = SynchError.objects.filter(mapping=run.mapping, side=run.side, resolved_at__isnull=True)
    slices = _slices(errors.filter(kind=Recovery.RETRY_LATER), int(place or 0), _size(run.job))
    return _fetched(run, (([each.record_id for each in rows], rows[-1].pk) for rows in slices))


def _unsettled(run: Pass, place: str) -> Iterator[tuple[Page, str]]:
    """Promised creates and pairs that were never synchronized."""
    unsettled = Coupling.objects.filter(mapping=run.mapping, synchronized_at__isnull=True)
    unsettled = unsettled.exclude(state=CouplingState.BROKEN)
    if not run.reads_erp:
        unsettled = unsettled.filter(state=CouplingState.COUPLED)
    slices = _slices(unsettled, int(place or 0), _size(run.job))
    side = "erp_id" if run.reads_erp else "crm_id"
    return _fetched(run, (([getattr(each, side) for each in rows], rows[-1].pk) for rows in slices))


def _fetched(run: Pass, slices: Slices) -> Iterator[tuple[Page, str]]:
    for ids, reached in slices:
        found = run.source.fetch(ids)
        yield Page(list(found.values()), deleted=[id_ for id_ in ids if id_ not in found]), str(reached)


def released(mapping: TableMapping, side: Side) -> Iterator[list[UUID]]:
    """The records of one side whose awaited partner is coupled now (I7), some at a time."""
    return (ids for ids, _ in _released_ids(mapping, side, 0, PAGE_SIZE))


def _released_ids(mapping: TableMapping, side: Side, after: int, size: int) -> Slices:
    for waiting in _slices(Waiting.objects.filter(mapping=mapping, side=side), after, size):
        references = {(each.waits_for_id, each.waits_for_key) for each in waiting}
        found = Lookups.resolve(references, []) if side == Side.ERP else Lookups.resolve([], references)
        known = found.crm_ids if side == Side.ERP else found.erp_keys
        ids = {each.record_id: None for each in waiting if (each.waits_for_id, each.waits_for_key) in known}
        if ids:
            yield list(ids), waiting[-1].pk


def _slices(rows: QuerySet[M], after: int, size: int) -> Iterator[list[M]]:
    """The rows by primary key, a page at a time (I9), so that those which stay what they are are not met twice."""
    while found := list(rows.filter(pk__gt=after).order_by("pk")[:size]):
        yield found
        after = found[-1].pk
