"""The three-way decision, field by field: a pure function over (base, ERP, CRM) (DESIGN §4 step 3, I2, I3).

Each side is compared with what it held itself when both last agreed, so a value that a side stores in its own form
(cut to length, rounded) is not mistaken for a change, and what we wrote ourselves comes back as unchanged (I3).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from connection.errors import FixRecord
from coupling.lookups import Lookups
from coupling.models import Direction
from coupling.tables.table import Values
from coupling.transfer import Carried, FieldRule, Unresolved
from coupling.values import Value

# [ERP value, CRM value], and third, where a one-way column was overwritten, the CRM or ERP value that we overwrote.
Pair = list[Value]
Base = Mapping[str, Pair]


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """The same field changed on both sides, differently."""

    rule: FieldRule
    base: Value
    erp: Value
    crm: Value


@dataclass(slots=True)
class Decision:
    """What a pair of records needs: the values to write to each side, with the base that holds once they are written.

    `agreed` holds in any case. Everything is keyed by CRM column, but `to_erp`, which is keyed by ERP field.
    """

    to_crm: dict[str, Value] = field(default_factory=dict)
    to_erp: dict[str, Value] = field(default_factory=dict)
    agreed: dict[str, Pair] = field(default_factory=dict)
    after_crm: dict[str, Pair] = field(default_factory=dict)
    after_erp: dict[str, Pair] = field(default_factory=dict)
    conflicts: list[FieldConflict] = field(default_factory=list)
    waits: list[tuple[Unresolved, bool]] = field(default_factory=list)
    """References to records that are not coupled yet, and whether each is optional (I7)."""
    is_postponed: bool = False
    """Whether something must flow in a direction in which this run may not write."""

    @property
    def must_wait(self) -> bool:
        """Whether a new record cannot be created yet."""
        return any(not optional for _, optional in self.waits)


def changed(rules: Sequence[FieldRule], base: Base, values: Values, *, is_erp: bool) -> bool:
    """Whether a record of one side differs from the base in a field that it may send, or that it may not change."""
    return any(_moved(rule, base.get(rule.crm.name), values, is_erp) for rule in rules)


def _moved(rule: FieldRule, pair: Pair | None, values: Values, is_erp: bool) -> bool:
    sends = rule.direction.to_crm if is_erp else rule.direction.from_crm
    if pair is None:
        return sends
    return values[rule.erp.name] != pair[0] if is_erp else values[rule.crm.name] != pair[1]


def decide(
    rules: Sequence[FieldRule],
    base: Base,
    erp: Values,
    crm: Values,
    lookups: Lookups,
    allowed: Direction = Direction.BOTH,
) -> Decision:
    """Judge a coupled pair. `allowed` is the direction of the run: what would flow the other way stays as it is.

    Raises:
        FixRecord: a value that must flow cannot be carried over (a code without an option, text for a number).
    """
    decision = Decision()
    for rule in rules:
        _decide_field(rule, base.get(rule.crm.name), erp[rule.erp.name], crm[rule.crm.name], lookups, allowed, decision)
    return decision


def _decide_field(
    rule: FieldRule, pair: Pair | None, e: Value, c: Value, lookups: Lookups, allowed: Direction, decision: Decision
) -> None:
    if pair is not None and e == pair[0] and c == pair[1]:
        return
    flow = _flow(rule, pair, e, c)
    e_in_crm = _carried(rule.to_crm, e, lookups) if rule.direction.to_crm else None
    c_in_erp = _carried(rule.to_erp, c, lookups) if rule.direction.from_crm else None
    if (rule.direction.to_crm and e_in_crm == c) or (rule.direction.from_crm and c_in_erp == e):
        decision.agreed[rule.crm.name] = [e, c]
    elif flow is None:
        decision.conflicts.append(FieldConflict(rule, pair[0] if pair else None, e, c))
    elif flow.to_crm and allowed.to_crm:
        _send_to_crm(rule, pair, e, c, e_in_crm, decision)
    elif flow.from_crm and allowed.from_crm:
        _send_to_erp(rule, pair, e, c, c_in_erp, decision)
    else:
        decision.is_postponed = True


def _carried(carry: Callable[[Value, Lookups], Carried], value: Value, lookups: Lookups) -> Carried | FixRecord:
    """The value as the other side stores it, or what is wrong with it, which matters only if it must flow."""
    try:
        return carry(value, lookups)
    except FixRecord as error:
        return error


def _flow(rule: FieldRule, pair: Pair | None, e: Value, c: Value) -> Direction | None:
    """Which way the field must flow; None where both sides changed it.

    Without a base (the pair was coupled just now), a blank takes the other side's value, and where both hold one the
    ERP's goes first, as both do in a bidirectional run (sync-engine.md F2.1).
    """
    if rule.direction != Direction.BOTH:
        return rule.direction
    if pair is None:
        return Direction.FROM_CRM if e is None else Direction.TO_CRM
    if e != pair[0] and c != pair[1]:
        return None
    return Direction.TO_CRM if e != pair[0] else Direction.FROM_CRM


def _send_to_crm(
    rule: FieldRule, pair: Pair | None, e: Value, c: Value, value: Carried | FixRecord, decision: Decision
) -> None:
    if isinstance(value, FixRecord):
        raise value
    if isinstance(value, Unresolved):
        decision.waits.append((value, rule.clear_on_failed))
    elif not rule.crm.can_update or _keeps_theirs(rule, pair, value) or _is_their_form(pair, e, c, own=0):
        decision.agreed[rule.crm.name] = [e, c]
    else:
        decision.to_crm[rule.crm.name] = value
        decision.after_crm[rule.crm.name] = _after(pair, e, value, overwritten=c, own=0)


def _send_to_erp(
    rule: FieldRule, pair: Pair | None, e: Value, c: Value, value: Carried | FixRecord, decision: Decision
) -> None:
    if isinstance(value, FixRecord):
        raise value
    if isinstance(value, Unresolved):
        decision.waits.append((value, rule.clear_on_failed))
    elif _keeps_theirs(rule, pair, value) or _is_their_form(pair, e, c, own=1):
        decision.agreed[rule.crm.name] = [e, c]
    else:
        decision.to_erp[rule.erp.name] = value
        decision.after_erp[rule.crm.name] = _after(pair, value, c, overwritten=e, own=1)


def _keeps_theirs(rule: FieldRule, pair: Pair | None, value: Value) -> bool:
    """Whether a blank leaves the other value alone: always under *not null*, else on the first synchronization."""
    return value is None and (rule.not_null or pair is None)


def _is_their_form(pair: Pair | None, e: Value, c: Value, *, own: int) -> bool:
    """Whether the other side answers our value with the same value that we overwrote before: its own form of ours.

    Without this, a column that the CRM rewrites (a web address that gains its `https://`) would be written for ever.
    """
    ours, theirs = (e, c) if own == 0 else (c, e)
    return pair is not None and len(pair) > 2 and ours == pair[own] and theirs == pair[2]


def _after(pair: Pair | None, e: Value, c: Value, *, overwritten: Value, own: int) -> Pair:
    unchanged_at_source = pair is not None and (e, c)[own] == pair[own]
    return [e, c, overwritten] if unchanged_at_source else [e, c]


def new_crm_row(rules: Sequence[FieldRule], erp: Values, lookups: Lookups) -> Decision:
    """What a new CRM row for an ERP record holds.

    Raises:
        FixRecord: a value cannot be carried over.
    """
    decision = Decision()
    for rule in rules:
        if rule.direction.to_crm and rule.crm.can_create:
            value = rule.to_crm(erp[rule.erp.name], lookups)
            if isinstance(value, Unresolved):
                decision.waits.append((value, rule.clear_on_failed))
            elif not (rule.not_null and value is None):
                decision.to_crm[rule.crm.name] = value
                decision.after_crm[rule.crm.name] = [erp[rule.erp.name], value]
    return decision


def new_erp_record(rules: Sequence[FieldRule], crm: Values, lookups: Lookups) -> Decision:
    """What a new ERP record for a CRM row holds.

    Raises:
        FixRecord: a value cannot be carried over.
    """
    decision = Decision()
    for rule in rules:
        if rule.direction.from_crm:
            value = rule.to_erp(crm[rule.crm.name], lookups)
            if isinstance(value, Unresolved):
                decision.waits.append((value, rule.clear_on_failed))
            else:
                decision.after_erp[rule.crm.name] = [value, crm[rule.crm.name]]
                if value is not None:
                    decision.to_erp[rule.erp.name] = value
    return decision
