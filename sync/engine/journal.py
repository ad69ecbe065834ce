"""Step 5, record: one database transaction a page holds the ERP writes, couplings, history, errors and counters,
and last the cursor (I4).
"""

from collections import Counter as Tally
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from connection.texts import in_every_language
from coupling.models import Coupling, CouplingState
from coupling.tables.table import Values
from sync.engine.case import Case, Counter, Pass
from sync.engine.decision import FieldConflict, Pair
from sync.engine.inserting import insert
from sync.engine.writing import write_erp
from sync.models import Change, Conflict, Side, SynchError, SynchJob, SynchState, Waiting


def record(run: Pass, cases: Sequence[Case], cursor: str | None, position: str | None) -> None:
    """Write down what became of a page; the job, or its key range, goes on at `position`.

    `cursor` None leaves the cursor where it is, and so does `position` None. What is known from before about a record
    that the run did not get to stays as it is; in a key range whoever takes it next reads it, and counts it then.

    Raises:
        LeaseLost: another process runs this mapping now; nothing of the page is written.
    """
    with transaction.atomic():
        run.lease.renew()
        write_erp(run, cases)
        reached = [case for case in cases if not case.was_stopped]
        _count_the_rest(run, reached)
        _save_couplings(run, reached)
        _save_changes(run, reached)
        _save_conflicts(run, reached)
        looked_at = [case for case in reached if _was_looked_at(run, case)]
        _save_errors(run, looked_at)
        _save_waiting(run, looked_at)
        _save_counters(run.job, reached if run.key_range else cases)
        if position is not None:
            _save_position(run, position, len(cases))
        if cursor is not None:
            SynchState.objects.filter(mapping=run.mapping).update(**{f"{run.side}_cursor": cursor})


def _count_the_rest(run: Pass, cases: Sequence[Case]) -> None:
    for case in cases:
        if case.decision.conflicts and case.error is None:
            case.counter = Counter.CONFLICTS
        elif case.counter is None:
            case.counter = _counter(run, case)


def _counter(run: Pass, case: Case) -> Counter:
    if case.is_new_coupling:
        return Counter.COUPLED
    if case.is_pending and run.reads_erp:
        # The promised row is there, and whoever made it did not live to count it.
        return Counter.INSERTED
    return Counter.MODIFIED if case.crm_written or case.erp_written else Counter.UNCHANGED


def _was_looked_at(run: Pass, case: Case) -> bool:
    """A run that only couples says nothing about records that it does not couple."""
    return not run.couples_only or case.is_new_coupling or case.error is not None


def _save_couplings(run: Pass, cases: Sequence[Case]) -> None:
    """Couplings take the base that holds for what was really written; a row that will not be made gives its id back."""
    now = timezone.now()
    kept, kept_promises = [], []
    for case in cases:
        if case.coupling is None:
            continue
        if case.creates and case.crm_written and case.coupling.base:
            kept_promises.append(case.coupling.pk)
        elif _is_settled(run, case):
            case.coupling.base = _base_after(case)
            case.coupling.synchronized_at = now if case.was_judged and not _is_left_open(run, case) else None
            case.coupling.state = CouplingState.COUPLED
            kept.append(case.coupling)
        elif case.coupling.state == CouplingState.BROKEN and case.error:
            kept.append(case.coupling)
    Coupling.objects.bulk_create(
        kept,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["mapping", "erp_id"],
        update_fields=["base", "state", "synchronized_at"],
    )
    promised = Coupling.objects.filter(pk__in=kept_promises)
    promised.update(state=CouplingState.COUPLED, synchronized_at=now)
    withdrawn = [case.coupling.pk for case in cases if case.coupling and case.is_withdrawn]
    Coupling.objects.filter(pk__in=withdrawn, state=CouplingState.PENDING).delete()


def _is_settled(run: Pass, case: Case) -> bool:
    if case.crm_written or case.erp_written:
        return True
    if case.error or case.creates:
        return False
    return case.is_new_coupling or (case.was_judged and _has_news(run, case))


def _has_news(run: Pass, case: Case) -> bool:
    """Whether judging a pair changed what its coupling says, though nothing was written."""
    assert case.coupling is not None
    was_open = case.coupling.synchronized_at is None or case.coupling.state != CouplingState.COUPLED
    return was_open or bool(case.decision.agreed) or _is_left_open(run, case)


def _is_left_open(run: Pass, case: Case) -> bool:
    """Whether a run in one direction left something to the next that may write in the other."""
    return case.decision.is_postponed and run.allowed != run.mapping.direction


def _base_after(case: Case) -> dict[str, Pair]:
    assert case.coupling is not None
    base = dict(case.coupling.base) | case.decision.agreed
    base |= case.decision.after_crm if case.crm_written else {}
    return base | (case.decision.after_erp if case.erp_written else {})


def _save_changes(run: Pass, cases: Sequence[Case]) -> None:
    """History: a row for each write, with what each field held before and after."""
    now = timezone.now()
    written = [(case, Side.CRM, _crm_fields(run, case)) for case in cases if case.crm_written]
    written += [(case, Side.ERP, _erp_fields(run, case)) for case in cases if case.erp_written]
    insert(
        Change,
        ("coupling", "job", "side", "is_insert", "fields", "at"),
        [
            (case.coupling.pk, run.job.pk, side, case.creates, fields, now)
            for case, side, fields in written
            if case.coupling
        ],
    )


def _crm_fields(run: Pass, case: Case) -> dict[str, Pair]:
    return _before_and_after({} if case.creates else run.crm_record(case).values, case.decision.to_crm)


def _erp_fields(run: Pass, case: Case) -> dict[str, Pair]:
    return _before_and_after({} if case.creates else run.erp_record(case).values, case.decision.to_erp)


def _before_and_after(before: Values, after: Values) -> dict[str, Pair]:
    return {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}


def _save_conflicts(run: Pass, cases: Sequence[Case]) -> None:
    """Open conflicts mirror what the judges found: new ones are recorded, those that are gone are resolved."""
    judged = {case.coupling.pk: case for case in cases if case.was_judged and case.coupling and case.coupling.pk}
    if not judged:
        return
    found = [_conflict(run, case, each) for case in judged.values() for each in case.decision.conflicts]
    open_ = Conflict.objects.filter(coupling_id__in=judged, resolved_at__isnull=True)
    known = {(each.coupling_id, each.field_id): each for each in open_}
    for each in found:
        if before := known.pop((each.coupling_id, each.field_id), None):
            each.pk, each.found_at = before.pk, before.found_at
    Conflict.objects.filter(pk__in=[each.pk for each in known.values()]).update(resolved_at=timezone.now())
    Conflict.objects.bulk_create([each for each in found if each.pk is None])
    Conflict.objects.bulk_update([each for each in found if each.pk], ["erp_value", "crm_value", "job"], batch_size=200)


def _conflict(run: Pass, case: Case, conflict: FieldConflict) -> Conflict:
    return Conflict(
        coupling=case.coupling,
        field_id=conflict.rule.field_id,
        record_name=run.erp_record(case).name,
        base=conflict.base,
        erp_value=conflict.erp,
        crm_value=conflict.crm,
        job=run.job,
    )


def _save_errors(run: Pass, cases: Sequence[Case]) -> None:
    """One open error a record: a new failure of the same record is another attempt, success resolves it."""
    now = timezone.now()
    _errors_of(run, [case for case in cases if case.error is None]).update(resolved_at=now)
    failed = {case.id: case for case in cases if case.error}
    known = {
        each.record_id: each
        for each in SynchError.objects.filter(
            mapping=run.mapping, side=run.side, record_id__in=failed, resolved_at__isnull=True
        )
    }
    found = [_error(run, case, known.get(case.id)) for case in failed.values()]
    SynchError.objects.bulk_create([each for each in found if each.pk is None], batch_size=500)
    names = ["kind", "code", "text", "fix", "technical", "job", "attempts", "last_at", "record_name"]
    SynchError.objects.bulk_update([each for each in found if each.pk], names, batch_size=200)


def _errors_of(run: Pass, cases: Sequence[Case]) -> QuerySet[SynchError]:
    """The open errors of settled records."""
    return SynchError.objects.filter(_either_half(run, cases), mapping=run.mapping, resolved_at__isnull=True)


def _either_half(run: Pass, cases: Sequence[Case]) -> Q:
    """What is kept about the records read and, where the pair was looked at, about their counterparts."""
    other = [case.counterpart.id for case in cases if case.counterpart]
    return Q(side=run.side, record_id__in=[case.id for case in cases]) | Q(side=run.other_side, record_id__in=other)


def _error(run: Pass, case: Case, known: SynchError | None) -> SynchError:
    assert case.error is not None
    row = known or SynchError(mapping=run.mapping, side=run.side, record_id=case.id)
    row.attempts = known.attempts + 1 if known else 1
    row.kind, row.code, row.technical = case.error.kind, case.error.code[:40], case.error.technical
    row.text, row.fix = in_every_language(case.error.text), in_every_language(case.error.fix_in_job or case.error.fix)
    row.record_name = case.record.name[:250] if case.record else ""
    row.job, row.last_at = run.job, timezone.now()
    return row


def _save_waiting(run: Pass, cases: Sequence[Case]) -> None:
    """What the records wait for (I7); what they no longer wait for is struck out."""
    key = ("side", "record_id", "waits_for", "waits_for_key")
    wanted = {wait: rest for case in cases for wait, rest in _waits(run, case)}
    rows = Waiting.objects.filter(_either_half(run, cases), mapping=run.mapping).values_list("pk", *key)
    known = {tuple(wait): pk for pk, *wait in rows}
    Waiting.objects.filter(pk__in=[pk for wait, pk in known.items() if wait not in wanted]).delete()
    now = timezone.now()
    new = [(run.mapping.pk, *wait, *rest, now) for wait, rest in wanted.items() if wait not in known]
    insert(Waiting, ("mapping", *key, "record_name", "is_optional", "since"), new)


def _waits(run: Pass, case: Case) -> list[tuple[tuple[str, UUID, int, str], tuple[str, bool]]]:
    """What a case waits for, as key and rest of a row. The half that holds the reference waits, whichever was read."""
    waits = []
    for wait, optional in case.decision.waits:
        record = run.erp_record(case) if wait.is_erp_key else run.crm_record(case)
        side = Side.ERP if wait.is_erp_key else Side.CRM
        waits.append(((side.value, record.id, wait.mapping_id, wait.reference), (record.name[:250], optional)))
    return waits


def _save_counters(job: SynchJob, cases: Sequence[Case]) -> None:
    """Add the page to the job's columns (I12), in the database and in the run's own copy."""
    tally = Tally(str(case.counter) for case in cases) + Tally(read=len(cases))
    SynchJob.objects.filter(pk=job.pk).update(**{name: F(name) + number for name, number in tally.items()})
    for name, number in tally.items():
        setattr(job, name, getattr(job, name) + number)


def _save_position(run: Pass, position: str, read: int) -> None:
    if run.key_range:
        run.lease.rows.update(position=position, read=F("read") + read)
    else:
        run.job.position = position
        run.job.save(update_fields=["position"])
