"""Step 2, pair: each record of a page meets its coupling and, where needed, its counterpart (DESIGN §4)."""

from collections.abc import Sequence

from coupling.errors import AmbiguousMatch, PartnerMissing
from coupling.matching import match
from coupling.models import Coupling, CouplingState
from coupling.tables.table import Page
from sync.engine.case import Case, Counter, Pass
from sync.engine.decision import changed


def pair(run: Pass, page: Page) -> list[Case]:
    """The page's records with their couplings and counterparts; those that need nothing more have their counter.

    Costs one query for the couplings, one request for the counterparts of changed records and one for the matches of
    uncoupled ones, however many records there are (I9).
    """
    cases = [Case(record.id, record) for record in page.records] + [Case(id_) for id_ in page.deleted]
    _find_couplings(run, cases)
    _set_aside(run, cases)
    _fetch_counterparts(run, [case for case in cases if case.is_open and case.coupling])
    _match(run, [case for case in cases if case.is_open and not case.coupling])
    return cases


def _find_couplings(run: Pass, cases: Sequence[Case]) -> None:
    column = "erp_id" if run.reads_erp else "crm_id"
    couplings = Coupling.objects.filter(mapping=run.mapping, **{f"{column}__in": [case.id for case in cases]})
    by_id = {getattr(coupling, column): coupling for coupling in couplings}
    for case in cases:
        case.coupling = by_id.get(case.id)


def _set_aside(run: Pass, cases: Sequence[Case]) -> None:
    for case in cases:
        if case.coupling and case.coupling.state == CouplingState.BROKEN:
            case.counter = Counter.SKIPPED
        elif case.record is None:
            _deleted(case)
        elif not run.source.accepts(case.record):
            case.counter = Counter.SKIPPED
        elif case.coupling is None:
            case.counter = None if run.creates or run.couples_only else Counter.SKIPPED
        elif run.couples_only:
            case.counter = Counter.UNCHANGED
        elif case.coupling.state == CouplingState.COUPLED and not run.job.is_full:
            case.counter = None if _has_changed(run, case) else Counter.UNCHANGED


def _deleted(case: Case) -> None:
    if case.coupling is None:
        case.counter = Counter.SKIPPED
    else:
        case.coupling.state = CouplingState.BROKEN
        case.fail(PartnerMissing())


def _has_changed(run: Pass, case: Case) -> bool:
    assert case.coupling is not None
    assert case.record is not None
    return changed(run.bridge.rules, case.coupling.base, case.record.values, is_erp=run.reads_erp)


def _fetch_counterparts(run: Pass, cases: Sequence[Case]) -> None:
    """Read the other halves. A pending coupling without its row yet is a create to be sent again under its id (I1)."""
    ids = [case.coupling.crm_id if run.reads_erp else case.coupling.erp_id for case in cases if case.coupling]
    found = run.target.fetch(ids) if ids else {}
    for case, id_ in zip(cases, ids, strict=True):
        assert case.coupling is not None
        case.counterpart = found.get(id_)
        if case.counterpart is None and case.coupling.state == CouplingState.PENDING:
            case.creates = True
        elif case.counterpart is None:
            case.coupling.state = CouplingState.BROKEN
            case.fail(PartnerMissing())


def _match(run: Pass, cases: Sequence[Case]) -> None:
    records = [case.record for case in cases if case.record]
    if not records:
        return
    found = match(run.mapping, run.bridge.match_keys, records, run.target, from_erp=run.reads_erp)
    for case in cases:
        hit = found.get(case.id)
        if hit is None and run.couples_only:
            case.counter = Counter.SKIPPED
        elif hit is None:
            case.creates = True
        elif hit.partner is None:
            case.fail(AmbiguousMatch(technical=f"{hit.candidates} candidates"))
        else:
            case.counterpart = hit.partner
            case.is_new_coupling = True
            case.coupling = Coupling(
                mapping=run.mapping,
                erp_id=case.id if run.reads_erp else hit.partner.id,
                crm_id=hit.partner.id if run.reads_erp else case.id,
            )
