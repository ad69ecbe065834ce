"""The three-way decision (I2, I3), by example and by property."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coupling.lookups import Lookups
from coupling.models import Direction, FieldKind
from coupling.tables.table import Column
from coupling.transfer import FieldRule, Unresolved
from coupling.values import Value
from sync.engine.decision import Decision, changed, decide, new_crm_row, new_erp_record

BOTH, TO_CRM, FROM_CRM = Direction.BOTH, Direction.TO_CRM, Direction.FROM_CRM
NOTHING = Lookups()


def rule(name: str, direction: Direction = BOTH, **how: Any) -> FieldRule:
    return FieldRule(hash(name), Column(name, max_length=10), Column(f"crm_{name}", max_length=20), direction, **how)


def apply(decision: Decision, base: Mapping[str, list[Value]], erp: dict[str, Value], crm: dict[str, Value]) -> Any:
    erp, crm = erp | decision.to_erp, crm | decision.to_crm
    return {**base, **decision.agreed, **decision.after_crm, **decision.after_erp}, erp, crm


def test_i2_changes_to_different_fields_both_survive() -> None:
    rules = [rule("phone"), rule("fax")]
    base: Any = {"crm_phone": ["1", "1"], "crm_fax": ["2", "2"]}
    decision = decide(rules, base, {"phone": "11", "fax": "2"}, {"crm_phone": "1", "crm_fax": "22"}, NOTHING)
    assert decision.to_crm == {"crm_phone": "11"}
    assert decision.to_erp == {"fax": "22"}
    assert decision.conflicts == []


def test_i2_a_field_changed_on_both_sides_is_a_conflict_and_left_alone() -> None:
    decision = decide([rule("phone")], {"crm_phone": ["1", "1"]}, {"phone": "2"}, {"crm_phone": "3"}, NOTHING)
    assert (decision.to_crm, decision.to_erp, decision.agreed) == ({}, {}, {})
    assert [(each.base, each.erp, each.crm) for each in decision.conflicts] == [("1", "2", "3")]


def test_the_same_change_on_both_sides_is_agreement() -> None:
    decision = decide([rule("phone")], {"crm_phone": ["1", "1"]}, {"phone": "2"}, {"crm_phone": "2"}, NOTHING)
    assert decision == Decision(agreed={"crm_phone": ["2", "2"]})


def test_i3_what_we_wrote_comes_back_as_unchanged() -> None:
    rules = [rule("name")]
    long = "a name too long for the ERP"
    decision = decide(rules, {"crm_name": ["a", "a"]}, {"name": "a"}, {"crm_name": long[:20]}, NOTHING)
    base, erp, crm = apply(decision, {"crm_name": ["a", "a"]}, {"name": "a"}, {"crm_name": long[:20]})
    assert erp["name"] == "a name too"
    assert not changed(rules, base, erp, is_erp=True)
    assert not changed(rules, base, crm, is_erp=False)


def test_first_synchronization_fills_blanks_and_prefers_the_erp() -> None:
    rules = [rule("phone"), rule("fax"), rule("city")]
    erp = {"phone": "1", "fax": None, "city": "Oslo"}
    crm = {"crm_phone": None, "crm_fax": "2", "crm_city": "Bergen"}
    decision = decide(rules, {}, erp, crm, NOTHING)
    assert decision.to_crm == {"crm_phone": "1", "crm_city": "Oslo"}
    assert decision.to_erp == {"fax": "2"}


def test_on_the_first_synchronization_a_blank_overwrites_nothing() -> None:
    rules = [rule("symbol", TO_CRM), rule("mail", FROM_CRM)]
    decision = decide(rules, {}, {"symbol": None, "mail": "a"}, {"crm_symbol": "kr", "crm_mail": None}, NOTHING)
    assert (decision.to_crm, decision.to_erp) == ({}, {})
    later = decide(
        rules,
        {"crm_symbol": ["x", "kr"]},
        {"symbol": None, "mail": "a"},
        {"crm_symbol": "kr", "crm_mail": None},
        NOTHING,
    )
    assert later.to_crm == {"crm_symbol": None}


def test_a_one_way_column_is_restored_but_not_for_ever() -> None:
    """The CRM stores `x` as `X` each time: after one more try its own form is accepted."""
    rules = [rule("code", TO_CRM)]
    base: Any = {"crm_code": ["x", "x"]}
    writes = 0
    for _ in range(4):
        decision = decide(rules, base, {"code": "x"}, {"crm_code": "X"}, NOTHING)
        writes += len(decision.to_crm)
        base, _, _ = apply(decision, base, {"code": "x"}, {"crm_code": "X"})
    assert writes == 1


def test_a_run_in_one_direction_leaves_the_other_for_later() -> None:
    base: Any = {"crm_phone": ["1", "1"]}
    decision = decide([rule("phone")], base, {"phone": "1"}, {"crm_phone": "2"}, NOTHING, TO_CRM)
    assert decision == Decision(is_postponed=True)


def test_columns_the_crm_does_not_update_are_left_alone() -> None:
    fixed = FieldRule(1, Column("code"), Column("isocurrencycode", can_update=False), TO_CRM)
    decision = decide([fixed], {}, {"code": "EUR"}, {"isocurrencycode": "USD"}, NOTHING)
    assert decision.to_crm == {}


def test_not_null_leaves_the_owner_alone_when_there_is_no_salesperson() -> None:
    owner = rule("salesperson", TO_CRM, kind=FieldKind.LOOKUP, lookup_id=1, not_null=True)
    decision = decide([owner], {}, {"salesperson": None}, {"crm_salesperson": "some user"}, NOTHING)
    assert decision.to_crm == {}
    assert new_crm_row([owner], {"salesperson": None}, NOTHING).to_crm == {}


def test_i7_an_optional_reference_waits_and_a_required_one_holds_the_new_record_up() -> None:
    optional = rule("contact", kind=FieldKind.LOOKUP, lookup_id=7, clear_on_failed=True)
    required = rule("parent", kind=FieldKind.LOOKUP, lookup_id=8)
    new = new_crm_row([optional, required], {"contact": "K1", "parent": "C1"}, NOTHING)
    assert new.waits == [(Unresolved(7, "K1", True), True), (Unresolved(8, "C1", True), False)]
    assert new.must_wait
    assert not new_crm_row([optional], {"contact": "K1"}, NOTHING).must_wait
    assert new_erp_record([required], {"crm_parent": "id"}, NOTHING).must_wait


def test_a_blank_reference_stands_for_its_meaning() -> None:
    currency = rule("currency", kind=FieldKind.LOOKUP, lookup_id=3, blank_means="NOK")
    lookups = Lookups(crm_ids={(3, "NOK"): "id-nok"}, erp_keys={(3, "id-nok"): "NOK", (3, "id-eur"): "EUR"})
    assert new_crm_row([currency], {"currency": None}, lookups).to_crm == {"crm_currency": "id-nok"}
    assert currency.to_erp("id-nok", lookups) is None
    assert currency.to_erp("id-eur", lookups) == "EUR"


values = st.one_of(st.none(), st.text("ab", min_size=1, max_size=3))
directions = st.sampled_from(Direction)
fields = st.lists(st.tuples(directions, values, values, values, values, st.booleans()), min_size=1, max_size=6)


def built(drawn: list[Any]) -> Any:
    rules, base, erp, crm = [], {}, {}, {}
    for index, (direction, base_erp, base_crm, e, c, has_base) in enumerate(drawn):
        name = f"f{index}"
        rules.append(rule(name, direction))
        erp[name], crm[f"crm_{name}"] = e, c
        if has_base:
            base[f"crm_{name}"] = [base_erp, base_crm]
    return rules, base, erp, crm


@given(fields)
def test_i3_deciding_twice_changes_nothing_the_second_time(drawn: list[Any]) -> None:
    rules, base, erp, crm = built(drawn)
    base, erp, crm = apply(decide(rules, base, erp, crm, NOTHING), base, erp, crm)
    again = decide(rules, base, erp, crm, NOTHING)
    assert (again.to_crm, again.to_erp) == ({}, {})


@given(fields)
def test_i2_no_value_disappears_without_being_overruled_by_its_fields_owner(drawn: list[Any]) -> None:
    """A value changed on one side only is on both sides afterwards, wherever its direction lets it go."""
    rules, base, erp, crm = built(drawn)
    _, erp_after, crm_after = apply(decide(rules, base, erp, crm, NOTHING), base, erp, crm)
    for each in rules:
        pair = base.get(each.crm.name)
        if pair is None or each.direction != BOTH:
            continue
        e, c = erp[each.erp.name], crm[each.crm.name]
        if e != pair[0] and c == pair[1]:
            assert crm_after[each.crm.name] == e
        if c != pair[1] and e == pair[0]:
            assert erp_after[each.erp.name] == c
        if e != pair[0] and c != pair[1] and e != c:
            assert (erp_after[each.erp.name], crm_after[each.crm.name]) == (e, c)


@given(fields)
def test_both_sides_agree_afterwards_but_for_conflicts(drawn: list[Any]) -> None:
    rules, base, erp, crm = built(drawn)
    decision = decide(rules, base, erp, crm, NOTHING)
    _, erp_after, crm_after = apply(decision, base, erp, crm)
    in_conflict = {each.rule.crm.name for each in decision.conflicts}
    for each in rules:
        pair = base.get(each.crm.name)
        untouched = pair == [erp[each.erp.name], crm[each.crm.name]]
        source = erp[each.erp.name] if each.direction == TO_CRM else crm[each.crm.name]
        blank = pair is None and each.direction != BOTH and source is None
        if each.crm.name not in in_conflict and not untouched and not blank:
            assert erp_after[each.erp.name] == crm_after[each.crm.name]
