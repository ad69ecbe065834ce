"""Steps 3 and 4, decide and write: every open case of a page is judged, then written in bulk with one outcome each.

CRM writes go first and outside any transaction, because they are final once sent; ERP writes happen in the journal's
transaction, together with their couplings (I1).
"""

import secrets
import time
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from connection.dataverse.errors import DuplicateKey, OutcomeUnknown, ServerFault, VersionMismatch
from connection.errors import CRMBridgeError, FixRecord, Recovery
from coupling.errors import AmbiguousMatch, RecordChanged
from coupling.lookups import Lookups
from coupling.models import Coupling, CouplingState
from coupling.tables.table import Record, Write, Written
from coupling.transfer import resolve_lookups
from sync.engine.case import Case, Counter, Pass
from sync.engine.decision import Decision, decide, new_crm_row, new_erp_record
from sync.engine.inserting import insert

ROUNDS = 3
"""How often a row that changes under our hands is read and judged again within one page (I2)."""


def claim_matches(run: Pass, cases: Sequence[Case]) -> None:
    """Commit the couplings of what was matched before anything is written, so that each half has one partner only.

    Where a person or another run was faster with one of the halves, the record is left to a person (I6).

    Raises:
        LeaseLost: another process runs this mapping now; nothing is coupled.
    """
    claims = [(case, case.coupling) for case in cases if case.is_open and case.is_new_coupling and case.coupling]
    if not claims:
        return
    # In one order: two runs that claim the same rows do not wait for each other.
    claims.sort(key=lambda claim: claim[1].crm_id)
    with transaction.atomic():
        run.lease.renew()
        Coupling.objects.bulk_create([coupling for _, coupling in claims], ignore_conflicts=True)
        stored = Coupling.objects.filter(mapping=run.mapping, erp_id__in=[coupling.erp_id for _, coupling in claims])
        keys = {(erp_id, crm_id): key for key, erp_id, crm_id in stored.values_list("pk", "erp_id", "crm_id")}
    for case, coupling in claims:
        if key := keys.get((coupling.erp_id, coupling.crm_id)):
            coupling.pk = key
        else:
            case.coupling, case.counterpart, case.is_new_coupling = None, None, False
            case.fail(AmbiguousMatch())


def judge_and_write_crm(run: Pass, cases: Sequence[Case]) -> None:
    """Judge the open cases and carry out their CRM writes; rows that changed meanwhile are read and judged again.

    Raises:
        CRMBridgeError: nothing more can be written in this run (the CRM is away, or the set-up is wrong); the cases
            that did land are marked, the others stay open.
    """
    judge(run, cases)
    creates = [case for case in cases if case.is_open and case.creates and run.reads_erp]
    stopped = _create_in_crm(run, creates)
    updates = [case for case in cases if case.is_open and not case.creates and case.decision.to_crm]
    for _ in range(ROUNDS):
        if stopped or not updates:
            break
        stopped, updates = _update_in_crm(run, updates)
    for case in updates if not stopped else []:
        case.fail(RecordChanged())
    if stopped:
        raise stopped


def judge(run: Pass, cases: Sequence[Case]) -> None:
    """Decide what each open case needs; one that must wait for another record is set aside (I7)."""
    judged = [case for case in cases if case.is_open]
    sources = [case.record for case in judged if case.record]
    others = [case.counterpart for case in judged if case.counterpart]
    erp, crm = (sources, others) if run.reads_erp else (others, sources)
    lookups = resolve_lookups(run.bridge.rules, erp, crm)
    for case in judged:
        try:
            case.decision = _decision(run, case, lookups)
            case.was_judged = True
        except CRMBridgeError as error:
            case.fail(error)
            continue
        if case.creates and case.decision.must_wait:
            case.counter = Counter.SKIPPED


def _decision(run: Pass, case: Case, lookups: Lookups) -> Decision:
    assert case.record is not None
    if case.creates:
        new = new_crm_row if run.reads_erp else new_erp_record
        return new(run.bridge.rules, case.record.values, lookups)
    assert case.coupling is not None
    erp, crm = run.erp_record(case), run.crm_record(case)
    return decide(run.bridge.rules, case.coupling.base, erp.values, crm.values, lookups, run.allowed)


def _create_in_crm(run: Pass, cases: Sequence[Case]) -> CRMBridgeError | None:
    """Create rows under ids that are committed first (I1). Returns the error that stops the run, if one does."""
    if not cases:
        return None
    _reserve(run, cases)
    rows = [Write(case.coupling.crm_id, case.decision.to_crm) for case in cases if case.coupling]
    outcomes = run.bridge.crm.create(rows)
    outcomes = _look_up_the_unknown(run, rows, outcomes)
    return _settle(cases, outcomes, lambda case, written: _created(run, case, written))


def _reserve(run: Pass, cases: Sequence[Case]) -> None:
    """Commit a pending coupling for each create, with what is about to be sent as its base.

    One that was pending already may have been sent before with other values; its base is not trusted again, so that
    whatever the row turns out to hold is judged afresh.

    Raises:
        LeaseLost: another process runs this mapping now; nothing is promised.
    """
    new = [_promise(run, case) for case in cases if case.coupling is None]
    again = [case.coupling for case in cases if case.coupling and case.coupling.pk]
    for coupling in again:
        coupling.base = {}
    with transaction.atomic():
        run.lease.renew()
        Coupling.objects.filter(pk__in=[coupling.pk for coupling in again]).update(base={})
        insert(
            Coupling,
            ("mapping", "erp_id", "crm_id", "state", "base", "created_at"),
            [(each.mapping_id, each.erp_id, each.crm_id, each.state, each.base, each.created_at) for each in new],
        )
    stored = Coupling.objects.filter(mapping=run.mapping, erp_id__in=[coupling.erp_id for coupling in new])
    keys = dict(stored.values_list("erp_id", "pk"))
    for coupling in new:
        coupling.pk = keys[coupling.erp_id]


def _promise(run: Pass, case: Case) -> Coupling:
    case.coupling = Coupling(
        mapping_id=run.mapping.pk,
        erp_id=case.id,
        crm_id=new_id(),
        state=CouplingState.PENDING,
        base=case.decision.after_crm,
        created_at=timezone.now(),
    )
    return case.coupling


def new_id() -> UUID:
    """An id for a new row: random, but rising with time, which is kinder to the CRM's index."""
    stamp = time.time_ns() // 1_000_000
    return UUID(int=stamp << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62))


def _look_up_the_unknown(run: Pass, rows: Sequence[Write], outcomes: Sequence[Written]) -> list[Written]:
    """Where the answer was lost, the row itself tells whether the create landed (I1)."""
    lost = [row.id for row, written in zip(rows, outcomes, strict=True) if isinstance(written.error, OutcomeUnknown)]
    landed = _fetch_if_possible(run, lost)
    return [Written() if row.id in landed else written for row, written in zip(rows, outcomes, strict=True)]


def _fetch_if_possible(run: Pass, ids: Sequence[UUID]) -> dict[UUID, Record]:
    """The rows, or none where the CRM does not answer: what is not known stays promised."""
    try:
        return run.bridge.crm.fetch(ids) if ids else {}
    except CRMBridgeError:
        return {}


def _created(run: Pass, case: Case, written: Written) -> None:
    assert case.coupling is not None
    if written.error is None:
        case.crm_written = True
        case.counter = Counter.INSERTED
    elif isinstance(written.error, DuplicateKey) and (row := run.bridge.crm.fetch([case.coupling.crm_id])):
        # An earlier send of this create landed after all, perhaps with older values: judge the row as it is.
        case.coupling.base = {}
        case.counterpart = row[case.coupling.crm_id]
        case.creates = False
        judge(run, [case])
    else:
        case.fail(written.error)
        case.is_withdrawn = isinstance(written.error, FixRecord)


def _update_in_crm(run: Pass, cases: Sequence[Case]) -> tuple[CRMBridgeError | None, list[Case]]:
    """Update rows at the version judged; returns what stops the run, and the cases to write once more."""
    writes = [Write(run.crm_record(case).id, case.decision.to_crm, run.crm_record(case).version) for case in cases]
    stopped = _settle(cases, run.bridge.crm.update(writes), _updated)
    again = [case for case in cases if isinstance(case.error, VersionMismatch)]
    return stopped, _judge_again(run, again) if again and not stopped else []


def _updated(case: Case, written: Written) -> None:
    if written.error is None:
        case.crm_written = True
    else:
        case.fail(written.error)


def _judge_again(run: Pass, cases: Sequence[Case]) -> list[Case]:
    rows = run.bridge.crm.fetch([run.crm_record(case).id for case in cases])
    for case in cases:
        row = rows.get(run.crm_record(case).id)
        if row:
            case.error = case.counter = None
            case.counterpart, case.record = (row, case.record) if run.reads_erp else (case.counterpart, row)
    judge(run, cases)
    return [case for case in cases if case.is_open and case.decision.to_crm]


def _settle(
    cases: Sequence[Case], outcomes: Sequence[Written], settle: Callable[[Case, Written], None]
) -> CRMBridgeError | None:
    stopped = next((each.error for each in outcomes if each.error and _stops(each.error, outcomes)), None)
    for case, written in zip(cases, outcomes, strict=True):
        if written.error is None or not _stops(written.error, outcomes):
            settle(case, written)
    return stopped


def _stops(error: CRMBridgeError, outcomes: Sequence[Written]) -> bool:
    """Whether an error is about the whole run rather than about one record."""
    if error.kind == Recovery.FIX_RECORD or isinstance(error, ServerFault | RecordChanged):
        return False
    return error.kind == Recovery.RETRY_LATER or not any(each.error is None for each in outcomes)


def write_erp(run: Pass, cases: Sequence[Case]) -> None:
    """Carry out the ERP writes; must run in the journal's transaction (I1)."""
    creates = [case for case in cases if case.is_open and case.creates and not run.reads_erp]
    for case, written in zip(
        creates, run.bridge.erp.create([Write(uuid4(), case.decision.to_erp) for case in creates]), strict=True
    ):
        _erp_created(run, case, written)
    updates = [case for case in cases if case.is_open and not case.creates and case.decision.to_erp]
    writes = [Write(run.erp_record(case).id, case.decision.to_erp, run.erp_record(case).version) for case in updates]
    for case, written in zip(updates, run.bridge.erp.update(writes) if writes else [], strict=True):
        _erp_updated(run, case, written)


def _erp_created(run: Pass, case: Case, written: Written) -> None:
    if written.record is None:
        case.fail(written.error or RecordChanged())
        return
    case.counterpart = written.record
    case.erp_written = True
    case.counter = Counter.INSERTED
    case.coupling = Coupling(mapping=run.mapping, erp_id=written.record.id, crm_id=case.id)
    case.is_new_coupling = True
    _as_saved(run, case, written)


def _erp_updated(run: Pass, case: Case, written: Written) -> None:
    if written.record is None:
        case.fail(written.error or RecordChanged())
    else:
        case.erp_written = True
        _as_saved(run, case, written)


def _as_saved(run: Pass, case: Case, written: Written) -> None:
    """The base takes the ERP's values as its business rules saved them, not as we sent them."""
    assert written.record is not None
    for rule in run.bridge.rules:
        if pair := case.decision.after_erp.get(rule.crm.name):
            pair[0] = written.record.values[rule.erp.name]
