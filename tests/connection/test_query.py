"""OData literals, filters and addresses (dataverse-web-api.md 5), and JSON values (4.7)."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connection.dataverse import payload
from connection.dataverse.errors import NotDataverse
from connection.dataverse.query import both, chunks_of_values, is_in, literal, query

ID = UUID("6f1f3c1e-1d51-4d0a-9b0d-0d0a3f7c0001")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("O'Brien", "'O''Brien'"),
        (ID, str(ID)),
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (Decimal("1.50"), "1.50"),
        (date(2026, 9, 28), "2026-09-28"),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "2026-01-01T00:00:00Z"),
    ],
)
def test_literals(value: Any, expected: str) -> None:
    assert literal(value) == expected


def test_a_list_filter_takes_strings_whatever_the_type() -> None:
    assert is_in("accountid", [ID]) == (
        f"Microsoft.Dynamics.CRM.In(PropertyName='accountid',PropertyValues=[\"{ID}\"])"
    )


def test_filters_are_joined_where_there_are_two() -> None:
    assert both("a eq 1", None) == "a eq 1"
    assert both("a eq 1", "b eq 2 or c eq 3") == "(a eq 1) and (b eq 2 or c eq 3)"
    assert both(None, "") is None


@given(st.text())
def test_any_text_survives_the_address(text: str) -> None:
    address = query("accounts", filter=f"name eq {literal(text)}")
    if encodable(text):
        assert parse_qs(urlsplit(address).query, keep_blank_values=True)["$filter"] == [f"name eq {literal(text)}"]


def encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def test_options_without_a_value_are_left_out() -> None:
    assert query("accounts", select="name", filter=None, orderby="") == "accounts?$select=name"


def test_i9_a_thousand_ids_are_two_lists_in_one_batch() -> None:
    assert [len(chunk) for chunk in chunks_of_values([ID] * 1000)] == [500, 500]


def test_long_values_are_split_within_the_url_limit() -> None:
    chunks = list(chunks_of_values(["å" * 100] * 300))
    assert sum(map(len, chunks)) == 300
    assert all(len(query("accounts", filter=is_in("name", chunk))) < 65_000 for chunk in chunks)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15), max_value=10**15))
def test_decimals_travel_exactly(value: Decimal) -> None:
    assert payload.decode(payload.encode({"revenue": value}))["revenue"] == value


def test_values_are_written_as_the_crm_reads_them() -> None:
    values = {"id": ID, "on": date(2026, 9, 28), "at": datetime(2026, 9, 28, 23, 14, tzinfo=UTC), "name": "Ærø"}
    assert json.loads(payload.encode(values)) == {
        "id": str(ID),
        "on": "2026-09-28",
        "at": "2026-09-28T23:14:00Z",
        "name": "Ærø",
    }


@pytest.mark.parametrize("content", [b"<html></html>", b"[]", b"", b'"text"'])
def test_what_is_no_json_object_is_not_dataverse(content: bytes) -> None:
    with pytest.raises(NotDataverse):
        payload.decode(content)
