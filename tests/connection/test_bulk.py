"""Bulk writes when the CRM does not behave: refused, throttled, lost (I1, I6)."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from connection.dataverse import bulk
from connection.dataverse.errors import (
    DuplicateKey,
    OutcomeUnknown,
    PrivilegeMissing,
    RowRefused,
    Throttled,
    Unsendable,
)
from connection.dataverse.http import Http
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.sizing import BatchSize
from connection.dataverse.traffic import Traffic
from connection.dataverse.writing import Outcome
from tests.connection.conftest import Pauses, Serve
from tests.connection.test_http import BUSY, Tokens
from tests.connection.tls_server import Asked, Said, json_said, refused

TOO_LONG = "The length of the 'name' attribute of the 'account' entity exceeded the maximum allowed length of '160'."


def table(*, bulk_create: bool = True) -> TableDefinition:
    return TableDefinition("account", "accounts", "accountid", "name", True, "Accounts", bulk_create, {})


def rows(number: int, *bad: int) -> list[dict[str, Any]]:
    return [{"accountid": str(uuid4()), "name": "x" * 200 if at in bad else f"Row {at}"} for at in range(number)]


class Accounts:
    """A table that takes CreateMultiple (all or nothing) and batches of POST, and can be told to misbehave."""

    def __init__(self, *faults: Said | None) -> None:
        self.names: dict[UUID, str] = {}
        self.faults: Iterator[Said | None] = iter(faults)

    def __call__(self, asked: Asked) -> Said:
        if fault := next(self.faults, None):
            return fault
        if asked.path.endswith("CreateMultiple"):
            return self._create_all(json.loads(asked.body)["Targets"])
        bodies = re.findall(rb"^\{.*\}\r?$", asked.body, re.MULTILINE)
        return self._parts([self._create_all([json.loads(body)]) for body in bodies])

    def _create_all(self, targets: list[dict[str, Any]]) -> Said:
        for target in targets:
            if len(target["name"]) > 160:
                return refused(400, "0x80044331", TOO_LONG)
            if UUID(target["accountid"]) in self.names:
                return refused(412, "0x80040237", "A record with matching key values already exists.")
        self.names |= {UUID(target["accountid"]): target["name"] for target in targets}
        return json_said({"Ids": [target["accountid"] for target in targets]})

    def _parts(self, answers: list[Said]) -> Said:
        head = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {} -\r\nContent-Type: application/json\r\n\r\n"
        body = b"".join(head.format(said.status).encode() + said.body + b"\r\n" for said in answers) + b"--b--"
        return Said(200, body, {"Content-Type": "multipart/mixed; boundary=b"})


def create(serve: Serve, accounts: Accounts, new: list[dict[str, Any]], **how: bool) -> tuple[list[Outcome], int]:
    with serve(accounts) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        return bulk.create_many(http, table(**how), new, size=BatchSize()), http.requests_sent


def test_i9_good_rows_cost_a_request_a_chunk(serve: Serve) -> None:
    outcomes, requests = create(serve, accounts := Accounts(), rows(1000))
    assert all(outcome.ok for outcome in outcomes)
    assert (len(accounts.names), requests) == (1000, 4)


def test_i6_of_a_thousand_rows_the_three_bad_ones_are_found(serve: Serve) -> None:
    outcomes, requests = create(serve, accounts := Accounts(), rows(1000, 3, 500, 999))
    assert [at for at, outcome in enumerate(outcomes) if not outcome.ok] == [3, 500, 999]
    assert "at most 160 characters" in str(outcomes[3].error)
    assert isinstance(outcomes[500].error, RowRefused)
    assert len(accounts.names) == 997
    assert requests < 30


def test_a_table_without_bulk_messages_gets_batches(serve: Serve) -> None:
    outcomes, requests = create(serve, accounts := Accounts(), rows(300, 7), bulk_create=False)
    assert [at for at, outcome in enumerate(outcomes) if not outcome.ok] == [7]
    assert (len(accounts.names), requests) == (299, 2)


def test_i1_a_row_whose_id_exists_is_reported_as_such(serve: Serve) -> None:
    new = rows(40)
    accounts = Accounts()
    accounts.names[UUID(new[5]["accountid"])] = "an earlier send"
    outcomes, _ = create(serve, accounts, new)
    assert isinstance(outcomes[5].error, DuplicateKey)
    assert sum(outcome.ok for outcome in outcomes) == 39


@pytest.mark.parametrize("lost", [Said(0), Said(504)])
def test_i1_rows_of_a_lost_call_are_unknown_and_not_sent_again(serve: Serve, lost: Said) -> None:
    outcomes, requests = create(serve, accounts := Accounts(None, lost), rows(600))
    unknown = [at for at, outcome in enumerate(outcomes) if isinstance(outcome.error, OutcomeUnknown)]
    assert unknown in (list(range(250)), list(range(250, 500)))
    assert (len(accounts.names), requests) == (350, 3)


def test_a_throttled_chunk_waits_and_goes_on(serve: Serve) -> None:
    outcomes, requests = create(serve, Accounts(None, BUSY, BUSY), rows(600))
    assert all(outcome.ok for outcome in outcomes)
    assert requests == 5


def test_i11_endless_throttling_leaves_the_rest_for_later(serve: Serve) -> None:
    outcomes, requests = create(serve, Accounts(None, *[BUSY] * 100), rows(1000))
    assert sum(outcome.ok for outcome in outcomes) == 250
    assert all(outcome.ok or isinstance(outcome.error, Throttled) for outcome in outcomes)
    assert requests <= 11  # two calls at a time, five attempts each


def test_a_missing_privilege_is_not_asked_for_row_by_row(serve: Serve) -> None:
    outcomes, requests = create(serve, Accounts(*[refused(403, "0x80040220")] * 9), rows(2000))
    assert all(isinstance(outcome.error, PrivilegeMissing) for outcome in outcomes)
    assert requests <= 2


def test_a_call_that_is_too_large_is_halved(serve: Serve) -> None:
    outcomes, requests = create(serve, Accounts(Said(413)), rows(200))
    assert all(outcome.ok for outcome in outcomes)
    assert requests == 3


def test_a_row_that_makes_the_crm_fail_is_found(serve: Serve) -> None:
    class Fragile(Accounts):
        def _create_all(self, targets: list[dict[str, Any]]) -> Said:
            broken = any(len(target["name"]) > 160 for target in targets)
            return refused(500, "0x80040216", "Oops") if broken else super()._create_all(targets)

    outcomes, _ = create(serve, Fragile(), rows(250, 17))
    assert [at for at, outcome in enumerate(outcomes) if not outcome.ok] == [17]


@pytest.mark.parametrize("how", [{}, {"bulk_create": False}], ids=["bulk", "batch"])
@pytest.mark.parametrize(
    "value", ["\ud83d", float("nan"), Decimal("NaN"), object()], ids=lambda value: type(value).__name__
)
def test_i6_a_value_that_no_json_can_hold_fails_its_row_alone(serve: Serve, how: dict[str, bool], value: Any) -> None:
    new = rows(600)
    new[501]["description"] = value
    outcomes, _ = create(serve, accounts := Accounts(), new, **how)
    failed = [at for at, outcome in enumerate(outcomes) if not outcome.ok]
    assert (failed, len(accounts.names)) == ([501], 599)
    assert isinstance(outcomes[501].error, Unsendable)
    assert "\ud83d" not in str(outcomes[501].error.technical)
