"""Values on their way: canonical forms, what each side stores, options, filters."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupling.errors import OptionUnmapped, ValueUnfit
from coupling.filters import Filter
from coupling.lookups import Lookups
from coupling.models import Direction, FieldKind
from coupling.tables.table import Column
from coupling.transfer import FieldRule
from coupling.values import canonical


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("", None),
        ("México", "México"),
        (Decimal("1500.50"), "1500.5"),
        (Decimal("-0.00"), "0"),
        (Decimal("1E+3"), "1000"),
        (1.5, "1.5"),
        (True, True),
        (3, 3),
        (date(2026, 11, 22), "2026-11-22"),
        (datetime(2026, 11, 22, 8, 30, tzinfo=UTC), "2026-11-22T08:30:00Z"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_canonical_forms(raw: object, value: object) -> None:
    assert canonical(raw) == value


def test_other_kinds_of_value_are_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        canonical(b"x")


def test_each_side_stores_in_its_own_way() -> None:
    assert Column("code", "code", 5).as_stored(" ab cdef") == "AB CD"
    assert Column("name", "text", 5).as_stored("abcdefg") == "abcde"
    assert Column("amount", "decimal", decimals=2).as_stored("1.005") == "1.01"
    assert Column("name").as_stored("") is None
    assert Column("head count", "integer").as_stored("12.5") == 13


@pytest.mark.parametrize("value", ["a dozen", "NaN", "Infinity", "1e999999"])
@pytest.mark.parametrize("kind", ["integer", "decimal"])
def test_i6_what_is_no_number_is_an_error_of_its_record(kind: str, value: str) -> None:
    with pytest.raises(ValueUnfit) as raised:
        Column("head count", kind, decimals=2).as_stored(value)
    assert "head count" in str(raised.value.text)


@given(st.text(max_size=30))
def test_storing_twice_is_storing_once(text: str) -> None:
    for column in (Column("t", "text", 10), Column("c", "code", 10), Column("free")):
        once = column.as_stored(text or None)
        assert column.as_stored(once) == once


def test_options_translate_both_ways_and_unknown_ones_are_named() -> None:
    rule = FieldRule(
        1, Column("terms"), Column("paymenttermscode", "integer"), Direction.BOTH, FieldKind.OPTION, options={"30D": 1}
    )
    assert rule.to_crm("30D", Lookups()) == 1
    assert rule.to_erp(1, Lookups()) == "30D"
    assert (rule.to_crm(None, Lookups()), rule.to_erp(None, Lookups())) == (None, None)
    with pytest.raises(OptionUnmapped) as unknown:
        rule.to_crm("60D", Lookups())
    assert "60D" in str(unknown.value.text)
    with pytest.raises(OptionUnmapped):
        rule.to_erp(9, Lookups())


def test_filters_hold_all_conditions() -> None:
    inside = Filter.parse([["statecode", "eq", 0], ["parent", "filled"], ["type", "in", [1, 3]]])
    assert inside.accepts({"statecode": 0, "parent": "x", "type": 3})
    assert not inside.accepts({"statecode": 0, "parent": None, "type": 3})
    assert not inside.accepts({"statecode": 1, "parent": "x", "type": 3})
    with pytest.raises(ValueError, match="like"):
        Filter.parse([["name", "like", "x"]])
