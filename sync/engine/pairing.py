"""Step 2, pair: each record of a page meets its coupling and, where needed, its counterpart (DESIGN §4)."""

from collections.abc import Sequence
from uuid import UUID

from coupling.errors import AmbiguousMatch, PartnerMissing
from coupling.matching import match
from coupling.models import Coupling, CouplingState
from coupling.tables.table import Page
from sync.engine.case import Case, Counter, Pass
from sync.engine.decision import changed
from sync.models import Conflict, SynchError, Waiting


def pair(run: Pass, page: Page, *, closely: bool) -> list[Case]:
    """The page's records with their couplings and counterparts; those that need nothing more have their counter.

    `closely` looks at the counterpart also where nothing has changed on the side that is read. Costs one query for the
    couplings, one request for the counterparts of changed records and one for the matches of uncoupled ones, however
    many records there are (I9).
    """
    cases = [Case(record.id, record) for record in page.records] + [Case(id_) for id_ in page.deleted]
    _find_couplings(run, cases)
    _set_aside_uncoupled(run, [case for case in cases if case.coupling is None])
    _set_aside_coupled(run, [case for case in cases if case.coupling], closely=closely or run.job.is_full)
    _fetch_counterparts(run, [case for case in cases if case.is_open and case.coupling])
    _match(run, [case for case in cases if case.is_open and not case.coupling])
    return cases


def _find_couplings(run: Pass, cases: Sequence[Case]) -> None:
    column = "erp_id" if run.reads_erp else "crm_id"
    couplings = Coupling.objects.filter(mapping=run.mapping, **{f"{column}__in": [case.id for case in cases]})
    by_id = {getattr(coupling, column): coupling for coupling in couplings}
    for case in cases:
        case.coupling = by_id.get(case.id)


def _set_aside_uncoupled(run: Pass, cases: Sequence[Case]) -> None:
    gets_all = run.creates or run.couples_only
    begun = set() if gets_all else _begun(run, [case.id for case in cases])
    for case in cases:
        wanted = case.record and run.source.accepts(case.record) and (gets_all or case.id in begun)
        case.counter = None if wanted else Counter.SKIPPED


def _begun(run: Pass, ids: Sequence[UUID]) -> set[UUID]:
    """Records that an earlier run was to give a partner and could not: they get it as soon as it is possible (I7)."""
    if not ids:
        return set()
    about = {"mapping": run.mapping, "side": run.side, "record_id__in": ids}
    failed = SynchError.objects.filter(resolved_at__isnull=True, **about).values_list("record_id", flat=True)
    waiting = Waiting.objects.filter(**about).values_list("record_id", flat=True)
    return {*failed, *waiting}


def _set_aside_coupled(run: Pass, cases: Sequence[Case], *, closely: bool) -> None:
    """What needs no look at its counterpart. A promise is settled whatever else holds for its record (I1)."""
    suspects = {case.id for case in cases} if closely else _troubled(run, cases)
    for case in cases:
        assert case.coupling is not None
        if run.couples_only:
            case.counter = Counter.UNCHANGED
        elif not case.is_pending and _is_out(run, case):
            case.counter = Counter.SKIPPED
        elif case.id not in suspects and case.coupling.state == CouplingState.COUPLED and not _has_changed(run, case):
            case.counter = Counter.UNCHANGED


def _troubled(run: Pass, cases: Sequence[Case]) -> set[UUID]:
    """Records with an open error or conflict on either half, which an edit may have ended without differing from the
    base: a value set back in a conflict lets the other side's value pass."""
    by_coupling = {case.coupling.pk: case.id for case in cases if case.coupling}
    by_half = {
        half: case.id for case in cases if case.coupling for half in (case.coupling.erp_id, case.coupling.crm_id)
    }
    conflicts = Conflict.objects.filter(coupling_id__in=by_coupling, resolved_at__isnull=True)
    errors = SynchError.objects.filter(mapping=run.mapping, record_id__in=by_half, resolved_at__isnull=True)
    found = {by_coupling[pk] for pk in conflicts.values_list("coupling_id", flat=True)}
    return found | {by_half[half] for half in errors.values_list("record_id", flat=True)}


def _is_out(run: Pass, case: Case) -> bool:
    """Whether the record has left the filter, or is known to be gone."""
    assert case.coupling is not None
    if case.record is None:
        return case.coupling.state == CouplingState.BROKEN
    return not run.source.accepts(case.record)


def _has_changed(run: Pass, case: Case) -> bool:
    assert case.coupling is not None
    return case.record is None or changed(
        run.bridge.rules, case.coupling.base, case.record.values, is_erp=run.reads_erp
    )


def _fetch_counterparts(run: Pass, cases: Sequence[Case]) -> None:
    """Read the other halves. A coupling that lacks one is broken, and whole again once it is restored."""
    ids = [case.coupling.crm_id if run.reads_erp else case.coupling.erp_id for case in cases if case.coupling]
    found = run.target.fetch(ids) if ids else {}
    for case, id_ in zip(cases, ids, strict=True):
        assert case.coupling is not None
        case.counterpart = found.get(id_)
        if case.counterpart is None and case.is_pending and run.reads_erp:
            _take_up_promise(run, case)
        elif case.counterpart is None or case.record is None:
            case.coupling.state = CouplingState.BROKEN
            case.fail(PartnerMissing())


def _take_up_promise(run: Pass, case: Case) -> None:
    """A promised row that is not there is created under its id (I1), or given up where its record is out by now."""
    if case.record and run.source.accepts(case.record):
        case.creates = True
    else:
        case.is_withdrawn = True
        case.counter = Counter.SKIPPED


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
