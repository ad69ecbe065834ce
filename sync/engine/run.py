"""One run of a mapping: reads like the five steps of DESIGN §4."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.dataverse.client import DataverseClient
from connection.errors import Bug, CRMBridgeError
from connection.texts import in_every_language
from coupling.models import Direction, TableMapping
from sync.engine.case import Bridge, Counter, Pass
from sync.engine.fingerprint import DISTRUSTED, fingerprint
from sync.engine.journal import record
from sync.engine.pairing import pair
from sync.engine.ranges import OthersAtWork, conclude, divide, start_over
from sync.engine.reading import PAGE_SIZE, Reading, is_divided, is_in_ranges, learn_from, read, read_range, shrink
from sync.engine.writing import claim_matches, judge_and_write_crm
from sync.lease import Lease, LeaseLost, heartbeat, keep, lease, lease_range
from sync.models import END, JobQueueLogEntry, JobState, JobType, KeyRange, LogState, Side, SynchJob, SynchState

PATIENCE = 60.0
"""How long a run that somebody waits for lets a worker finish its slice of the same mapping."""
REST = timedelta(seconds=30)
"""How long a key range that failed waits for its run's own worker, before others take it."""
INTERRUPTED = _("The run was interrupted: its process ended before it was done. The next run goes on from there.")

Progress = Callable[[SynchJob], None]
"""Called after every page with the job as it stands."""
MayGoOn = Callable[[SynchJob], bool]
"""Called after every page with the job as it stands; False ends the slice there."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do.

    A full run starts from the beginning and gives uncoupled records a partner. `released_only` looks at nothing but
    the records whose waiting is over (I7). One that couples only matches; nothing is created or written.
    """

    direction: Direction = Direction.BOTH
    full: bool = False
    released_only: bool = False
    type: JobType = JobType.SYNCHRONIZATION

    def allowed(self, mapping: TableMapping) -> Direction | None:
        """In which directions it may write, as far as the mapping's own direction allows."""
        own = Direction(mapping.direction)
        if self.type == JobType.COUPLING:
            return Direction.TO_CRM
        if Direction.BOTH in (own, self.direction):
            return self.direction if own == Direction.BOTH else own
        return own if own == self.direction else None

    def passes(self, mapping: TableMapping) -> list[Direction]:
        """To the CRM first, then from it."""
        allowed = self.allowed(mapping)
        if allowed == Direction.BOTH:
            return [Direction.TO_CRM, Direction.FROM_CRM]
        return [allowed] if allowed else []


def synchronize(
    mapping: TableMapping,
    client: DataverseClient,
    *,
    direction: Direction | None = None,
    full: bool = False,
    released_only: bool = False,
    progress: Progress | None = None,
) -> list[SynchJob]:
    """Run one mapping to its end, as `Order` says.

    A pass that cannot go on ends as a failed job that says why; what was settled until then stands.

    Raises:
        AlreadyRunning: another process runs this mapping.
        LeaseLost: another process took it over.
    """
    order = Order(direction or Direction.BOTH, full=full, released_only=released_only)
    return _run_to_the_end(mapping, client, order, progress)


def couple(mapping: TableMapping, client: DataverseClient, *, progress: Progress | None = None) -> SynchJob:
    """Couple the ERP records whose match keys agree with exactly one uncoupled CRM row; nothing is created or written.

    The pairs are synchronized by the next run.

    Raises:
        AlreadyRunning: another process runs this mapping.
        LeaseLost: another process took it over.
    """
    (job,) = _run_to_the_end(mapping, client, Order(type=JobType.COUPLING), progress)
    return job


def _run_to_the_end(
    mapping: TableMapping, client: DataverseClient, order: Order, progress: Progress | None
) -> list[SynchJob]:
    def may_go_on(job: SynchJob) -> bool:
        if progress:
            progress(job)
        return True

    client = client.attended(heartbeat())
    jobs: list[SynchJob] = []
    passes = order.passes(mapping)
    if not passes:
        return jobs
    with lease(mapping, patience=PATIENCE) as held:
        _close_interrupted(mapping)
        _notice_new_setup(mapping)
        for way in passes:
            jobs.append(_begin(mapping, way, order))
            try:
                _run_pass(jobs[-1], client, order, held, may_go_on)
            except LeaseLost:
                raise
            except CRMBridgeError:
                break
    return jobs


def advance(execution: JobQueueLogEntry, client: DataverseClient, order: Order, may_go_on: MayGoOn) -> bool:
    """Go on with an execution at the position of its jobs, page by page for as long as it may (I5).

    Returns whether every pass is done, all of them with the mapping as it is now. An execution that follows a failed
    one of the same run takes up its passes where that one stopped.

    Raises:
        AlreadyRunning: another process runs this mapping.
        OthersAtWork: nothing is left of a pass but what other workers have in hand.
        LeaseLost: another process took it over.
        CRMBridgeError: a pass cannot go on; its job has failed and says why.
    """
    mapping, client = execution.entry.mapping, client.attended(heartbeat())
    shared = SynchJob.objects.filter(execution=execution, ranges__isnull=False).first()
    with lease(mapping, job=shared) as held:
        _close_interrupted(mapping)
        _notice_new_setup(mapping)
        for way in order.passes(mapping):
            job = _job_of(execution, way, order)
            if job.state == JobState.RUNNING and not _run_pass(job, client, order, held, may_go_on):
                return False
        return not _notice_new_setup(TableMapping.objects.get(pk=mapping.pk))


def assist(execution: JobQueueLogEntry, client: DataverseClient, order: Order, may_go_on: MayGoOn) -> bool:
    """Work on key ranges that nobody has in hand of an execution that another worker runs, for as long as it may.

    Returns whether there was one. The mapping is read anew for each, because its set-up may have changed meanwhile.

    Raises:
        LeaseLost: the pass has started over, or another process took the range over.
        CRMBridgeError: a range cannot be gone on with; it rests for a while, and the others stand.
    """
    has_helped, client = False, client.attended(heartbeat())
    shared = execution.synch_jobs.filter(state=JobState.RUNNING, ranges__isnull=False)
    while (job := shared.select_related("mapping").first()) and (taken := lease_range(job, even_resting=False)):
        has_helped = True
        mapping = TableMapping.objects.get(pk=job.mapping_id)
        allowed = order.allowed(mapping) or Direction(job.direction)
        key_range, held = taken
        if not _work_on(Pass(Bridge(mapping, client), job, allowed, held, key_range), may_go_on):
            break
    return has_helped


def _job_of(execution: JobQueueLogEntry, way: Direction, order: Order) -> SynchJob:
    """The execution's job in this direction; a pass that an earlier attempt of this run finished is not run again.

    One that has lost its position since is: what it found was read elsewhere, or with another set-up.
    """
    if job := execution.synch_jobs.filter(direction=way).select_related("mapping").first():
        if execution.entry.attempts:
            # The last page was too much for its worker.
            shrink(job)
        return _reopened(job)
    runs = execution.entry.log.exclude(pk=execution.pk)
    done = runs.filter(state=LogState.FINISHED).aggregate(last=Max("pk"))["last"] or 0
    earlier = SynchJob.objects.filter(execution__in=runs.filter(pk__gt=done), direction=way)
    before = earlier.select_related("mapping").first()
    if before and before.state == JobState.FINISHED and before.position:
        return before
    return _begin(execution.entry.mapping, way, order, execution, before)


def _reopened(job: SynchJob) -> SynchJob:
    """The job; one that failed goes on: its worker died before it could close the execution as well."""
    if job.state == JobState.FAILED:
        job.state, job.finished_at, job.message = JobState.RUNNING, None, {}
        job.save(update_fields=["state", "finished_at", "message"])
    return job


def _begin(
    mapping: TableMapping,
    way: Direction,
    order: Order,
    execution: JobQueueLogEntry | None = None,
    before: SynchJob | None = None,
) -> SynchJob:
    """A new job, which takes over what is left of the one `before` that failed."""
    position = before.position if before else ""
    if order.full and not position:
        SynchState.objects.filter(mapping=mapping).update(**{f"{_side(way)}_cursor": ""})
    with transaction.atomic():
        job = SynchJob.objects.create(
            mapping=mapping,
            direction=way,
            is_full=order.full,
            type=order.type,
            execution=execution,
            position=position,
            page_size=before.page_size if before else PAGE_SIZE,
        )
        KeyRange.objects.filter(job=before).update(job=job)
    return job


def _close_interrupted(mapping: TableMapping) -> None:
    """Jobs that still run although we hold the lease died with their process, but for those that will be resumed."""
    running = SynchJob.objects.filter(mapping=mapping, state=JobState.RUNNING)
    died = running.exclude(execution__finished_at__isnull=True, execution__isnull=False)
    died.update(state=JobState.FAILED, finished_at=timezone.now(), message=in_every_language(INTERRUPTED))


def _notice_new_setup(mapping: TableMapping) -> bool:
    """Where the mapping was edited, what was read before lacks columns: links of the CRM name those they carry.

    The CRM is read from its beginning once more (the ERP, where the clock was put back). Executions that are under way
    start over, and so does what follows a failed one, with the passes too that were done. Returns whether this is so.
    """
    setup = fingerprint(mapping)
    known = SynchState.objects.values_list("setup", flat=True).get(mapping=mapping)
    if known == setup:
        return False
    if known:
        may_be_taken_up = ~Q(state=JobState.FINISHED) | Q(execution__state=LogState.FAILED)
        start_over(SynchJob.objects.filter(may_be_taken_up, mapping=mapping))
        under_way = SynchJob.objects.filter(mapping=mapping, execution__finished_at=None, execution__isnull=False)
        under_way.update(state=JobState.RUNNING, finished_at=None, position="")
    cursor = {"erp_cursor": ""} if known == DISTRUSTED else {"crm_cursor": ""} if known else {}
    SynchState.objects.filter(mapping=mapping).update(setup=setup, **cursor)
    return bool(known)


def _run_pass(job: SynchJob, client: DataverseClient, order: Order, held: Lease, may_go_on: MayGoOn) -> bool:
    """Run a pass from its job's position on. Returns whether it has come to its end.

    Raises:
        OthersAtWork: nothing is left of it but what other workers have in hand.
        CRMBridgeError: it cannot go on; the job says why.
    """
    try:
        allowed = order.allowed(job.mapping) or Direction(job.direction)
        run = Pass(Bridge(job.mapping, client), job, allowed, held)
        divided = is_divided(run)
        if not _go_through(run, read(run, released_only=order.released_only, divided=divided), may_go_on):
            return False
        if divided and not _go_through_ranges(run, may_go_on):
            return False
        _end(job, held, JobState.FINISHED)
    except (OthersAtWork, LeaseLost):
        raise
    except Exception as error:
        _end(job, held, JobState.FAILED, error if isinstance(error, CRMBridgeError) else Bug(technical=repr(error)))
        raise
    finally:
        if job.state != JobState.RUNNING:
            may_go_on(job)
    return True


def _go_through(run: Pass, readings: Iterable[Reading], may_go_on: MayGoOn) -> bool:
    began = time.monotonic()
    for reading in readings:
        _settle(run, reading)
        learn_from(reading.page, time.monotonic() - began, run.job)
        if not may_go_on(run.job):
            return False
        began = time.monotonic()
    return True


def _go_through_ranges(run: Pass, may_go_on: MayGoOn) -> bool:
    """Work on what others leave of the key ranges, and end the pass when all are done; returns whether it has."""

    def may_still_go_on(job: SynchJob) -> bool:
        run.lease.renew()
        return may_go_on(job)

    if not is_in_ranges(run.job):
        divide(run)
    run.lease.renew(lease_job=run.job)
    while taken := lease_range(run.job, even_resting=True):
        key_range, held = taken
        if not _work_on(replace(run, lease=held, key_range=key_range), may_still_go_on):
            return False
    conclude(run)
    return True


def _work_on(run: Pass, may_go_on: MayGoOn) -> bool:
    """Read a key range to its end, as far as it may; returns whether it may go on with another one."""
    assert run.key_range is not None
    with keep(run.lease):
        try:
            if not _go_through(run, read_range(run, run.key_range), may_go_on):
                return False
        except Exception:
            run.lease.release(earliest_start=timezone.now() + REST)
            raise
        run.lease.renew(position=END)
    return True


def _settle(run: Pass, reading: Reading) -> None:
    """Steps 2 to 5 for one page. What the CRM did take stays recorded even where the run cannot go on (I4)."""
    cases = pair(run, reading.page, closely=reading.closely)
    claim_matches(run, cases)
    if run.couples_only:
        record(run, cases, cursor=None, position=reading.position)
        return
    try:
        judge_and_write_crm(run, cases)
    except CRMBridgeError:
        for case in cases:
            if case.is_open and not case.crm_written:
                case.counter = Counter.FAILED
        record(run, cases, cursor=None, position=None)
        raise
    record(run, cases, reading.page.cursor, reading.position)


def _end(job: SynchJob, held: Lease, state: JobState, error: CRMBridgeError | None = None) -> None:
    """Close the job, unless somebody else goes on with it by now."""
    job.state = state
    job.message = text_and_fix(error) if error else {}
    job.finished_at = timezone.now()
    with transaction.atomic():
        held.renew()
        job.save(update_fields=["state", "finished_at", "message"])


def text_and_fix(error: CRMBridgeError) -> dict[str, str]:
    """What an error says that a job met, with what to do, in every language."""
    texts, fixes = in_every_language(error.text), in_every_language(error.fix_in_job or error.fix)
    return {code: f"{text} {fixes[code]}" for code, text in texts.items()}


def _side(way: Direction) -> Side:
    return Side.ERP if way == Direction.TO_CRM else Side.CRM
