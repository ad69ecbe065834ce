"""One run of a mapping: reads like the five steps of DESIGN §4."""

from collections.abc import Callable, Iterator
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.dataverse.client import DataverseClient
from connection.errors import Bug, CRMBridgeError, Recovery
from connection.texts import in_every_language
from coupling.lookups import Lookups
from coupling.models import Coupling, CouplingState, Direction, TableMapping
from coupling.tables.table import Page
from sync.engine.case import Bridge, Counter, Pass
from sync.engine.journal import record
from sync.engine.pairing import pair
from sync.engine.writing import judge_and_write_crm
from sync.lease import lease
from sync.models import JobState, JobType, Side, SynchError, SynchJob, SynchState, Waiting

PAGE_SIZE = 1000
INTERRUPTED = _("The run was interrupted: its process ended before it was done. The next run goes on from there.")

M = TypeVar("M", bound=Model)
Progress = Callable[[SynchJob], None]
"""Called after every page with the job as it stands."""


def synchronize(
    mapping: TableMapping,
    client: DataverseClient,
    *,
    direction: Direction | None = None,
    full: bool = False,
    released_only: bool = False,
    progress: Progress | None = None,
) -> list[SynchJob]:
    """Run one mapping: to the CRM first, then from it, as far as its direction and the one asked for allow.

    A full run starts from the beginning and gives uncoupled records a partner. `released_only` looks at nothing but
    the records whose waiting is over (I7). A pass that cannot go on ends as a failed job that says why; what was
    settled until then stands.

    Raises:
        AlreadyRunning: another process runs this mapping.
    """
    allowed = _overlap(Direction(mapping.direction), direction or Direction.BOTH)
    jobs: list[SynchJob] = []
    if allowed is None:
        return jobs
    with lease(mapping) as owner:
        _close_interrupted(mapping)
        if full:
            SynchState.objects.filter(mapping=mapping).update(
                **{f"{_side(way)}_cursor": "" for way in _passes(allowed)}
            )
        for way in _passes(allowed):
            job = SynchJob.objects.create(mapping=mapping, direction=way, is_full=full)
            _run_pass(job, client, allowed, owner, released_only, progress or _silent)
            jobs.append(job)
            if job.state == JobState.FAILED:
                break
    return jobs


def couple(mapping: TableMapping, client: DataverseClient, *, progress: Progress | None = None) -> SynchJob:
    """Couple the ERP records whose match keys agree with exactly one uncoupled CRM row; nothing is created or written.

    The pairs are synchronized by the next run.

    Raises:
        AlreadyRunning: another process runs this mapping.
    """
    with lease(mapping) as owner:
        _close_interrupted(mapping)
        job = SynchJob.objects.create(mapping=mapping, direction=Direction.TO_CRM, type=JobType.COUPLING)
        _run_pass(job, client, Direction.TO_CRM, owner, False, progress or _silent)
    return job


def _close_interrupted(mapping: TableMapping) -> None:
    """Jobs that still run although we hold the lease died with their process."""
    died = SynchJob.objects.filter(mapping=mapping, state=JobState.RUNNING)
    died.update(state=JobState.FAILED, finished_at=timezone.now(), message=in_every_language(INTERRUPTED))


def _overlap(own: Direction, wanted: Direction) -> Direction | None:
    if Direction.BOTH in (own, wanted):
        return wanted if own == Direction.BOTH else own
    return own if own == wanted else None


def _passes(allowed: Direction) -> list[Direction]:
    return [Direction.TO_CRM, Direction.FROM_CRM] if allowed == Direction.BOTH else [allowed]


def _run_pass(
    job: SynchJob, client: DataverseClient, allowed: Direction, owner: str, only: bool, progress: Progress
) -> None:
    try:
        run = Pass(Bridge(job.mapping, client), job, allowed, owner)
        for page, closely in _pages(run, released_only=only):
            _settle(run, page, closely=closely)
            progress(job)
        job.state = JobState.FINISHED
    except CRMBridgeError as error:
        job.state = JobState.FAILED
        job.message = _text_and_fix(error)
    except Exception as error:
        job.state = JobState.FAILED
        job.message = _text_and_fix(Bug(technical=repr(error)))
        raise
    finally:
        job.finished_at = timezone.now()
        job.save(update_fields=["state", "finished_at", "message"])
        progress(job)


def _settle(run: Pass, page: Page, *, closely: bool) -> None:
    """Steps 2 to 5 for one page. What the CRM did take stays recorded even where the run cannot go on (I4)."""
    cases = pair(run, page, closely=closely)
    if run.couples_only:
        record(run, cases, cursor=None)
        return
    try:
        judge_and_write_crm(run, cases)
    except CRMBridgeError:
        for case in cases:
            if case.is_open and not case.crm_written:
                case.counter = Counter.FAILED
        record(run, cases, cursor=None)
        raise
    record(run, cases, page.cursor)


def _pages(run: Pass, *, released_only: bool) -> Iterator[tuple[Page, bool]]:
    """Step 1: first what an earlier run left open, to be looked at closely, then what has changed since the cursor."""
    if run.couples_only:
        yield from ((page, False) for page in run.source.changes("", PAGE_SIZE))
        return
    for ids in released(run.mapping, run.side) if released_only else _left_open(run):
        found = run.source.fetch(ids)
        yield Page(list(found.values()), deleted=[id_ for id_ in ids if id_ not in found]), True
    if not released_only:
        state = SynchState.objects.get(mapping=run.mapping)
        cursor = state.erp_cursor if run.reads_erp else state.crm_cursor
        yield from ((page, False) for page in run.source.changes(cursor, PAGE_SIZE))


def _left_open(run: Pass) -> Iterator[list[UUID]]:
    """Records to look at whatever the cursor says: ended waits, passing errors, promised creates, unsettled pairs."""
    errors = SynchError.objects.filter(mapping=run.mapping, side=run.side, resolved_at__isnull=True)
    passing = errors.filter(kind=Recovery.RETRY_LATER)
    unsettled = Coupling.objects.filter(mapping=run.mapping, synchronized_at__isnull=True)
    unsettled = unsettled.exclude(state=CouplingState.BROKEN)
    if not run.reads_erp:
        unsettled = unsettled.filter(state=CouplingState.COUPLED)
    yield from released(run.mapping, run.side)
    yield from ([each.record_id for each in slice_] for slice_ in _slices(passing))
    yield from ([each.erp_id if run.reads_erp else each.crm_id for each in slice_] for slice_ in _slices(unsettled))


def released(mapping: TableMapping, side: Side) -> Iterator[list[UUID]]:
    """The records of one side whose awaited partner is coupled now (I7), some at a time."""
    for waiting in _slices(Waiting.objects.filter(mapping=mapping, side=side)):
        references = {(each.waits_for_id, each.waits_for_key) for each in waiting}
        found = Lookups.resolve(references, []) if side == Side.ERP else Lookups.resolve([], references)
        known = found.crm_ids if side == Side.ERP else found.erp_keys
        ids = {each.record_id: None for each in waiting if (each.waits_for_id, each.waits_for_key) in known}
        if ids:
            yield list(ids)


def _slices(rows: QuerySet[M]) -> Iterator[list[M]]:
    """The rows by primary key, a page at a time (I9), so that those which stay what they are are not met twice."""
    last = 0
    while found := list(rows.filter(pk__gt=last).order_by("pk")[:PAGE_SIZE]):
        yield found
        last = found[-1].pk


def _text_and_fix(error: CRMBridgeError) -> dict[str, str]:
    texts, fixes = in_every_language(error.text), in_every_language(error.fix)
    return {code: f"{text} {fixes[code]}" for code, text in texts.items()}


def _side(way: Direction) -> Side:
    return Side.ERP if way == Direction.TO_CRM else Side.CRM


def _silent(job: SynchJob) -> None:
    return None
