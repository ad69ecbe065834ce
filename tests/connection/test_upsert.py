"""Rows that are created or updated by an alternate key (dataverse-web-api.md 4.5, 7)."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from connection.dataverse import DataverseClient
from connection.dataverse.errors import MappingFault, RowRefused
from tests.sandbox_process import SandboxProcess

KEYED = {"account": ["accountnumber"], "annotation": ["subject"]}


@pytest.fixture
def client(client_of_sandbox: DataverseClient, sandbox_process: SandboxProcess) -> Iterator[DataverseClient]:
    """A client of a sandbox whose accounts and notes have a key for the length of the test."""
    sandbox_process.reset()
    ask = sandbox_process.session()
    for table, columns in KEYED.items():
        body = {"SchemaName": f"cb_{table}key", "KeyAttributes": columns}
        made = ask("POST", f"EntityDefinitions(LogicalName='{table}')/Keys", body)
        assert made.status_code == 204, made.text
    yield client_of_sandbox
    for table in KEYED:
        ask("DELETE", f"EntityDefinitions(LogicalName='{table}')/Keys(LogicalName='cb_{table}key')")


def numbered(number: str, name: str) -> dict[str, Any]:
    return {"accountnumber": number, "name": name}


def found(client: DataverseClient, numbers: list[str]) -> dict[str, str]:
    rows = client.rows_where_in("account", "accountnumber", numbers, select=["accountnumber", "name"])
    return {row["accountnumber"]: row["name"] for row in rows}


def test_rows_are_created_and_then_updated(client: DataverseClient) -> None:
    numbers = [f"{uuid4()}"[:16] + "'é" for _ in range(3)]
    assert client.definition("account").keys == {"cb_accountkey": ("accountnumber",)}
    assert client.definition("account").bulk_upsert
    for names in (["A", "B"], ["C", "D", "E"]):
        rows = [numbered(number, name) for number, name in zip(numbers, names, strict=False)]
        outcomes = client.upsert_many("account", rows, key=["accountnumber"])
        assert [str(outcome.error) for outcome in outcomes if not outcome.ok] == []
    assert found(client, numbers) == dict(zip(numbers, ["C", "D", "E"], strict=True))


def test_i6_a_refused_row_stops_only_itself(client: DataverseClient) -> None:
    rows = [numbered(f"{uuid4()}"[:18], "x" * 200 if at == 2 else "Fine") for at in range(5)]
    outcomes = client.upsert_many("account", rows, key=["accountnumber"])
    assert [at for at, outcome in enumerate(outcomes) if not outcome.ok] == [2]
    assert isinstance(outcomes[2].error, RowRefused)
    assert len(found(client, [row["accountnumber"] for row in rows])) == 4


@pytest.mark.parametrize("sign", "/<>*%&:\\?+")
def test_a_key_that_no_address_can_hold_refuses_its_row_alone(client: DataverseClient, sign: str) -> None:
    good, bad = f"{uuid4()}"[:18], f"A{sign}B"
    outcomes = client.upsert_many("account", [numbered(bad, "Bad"), numbered(good, "Good")], key=["accountnumber"])
    assert isinstance(outcomes[0].error, RowRefused)
    assert found(client, [good, bad]) == {good: "Good"}


def test_a_table_without_the_message_gets_batches(client: DataverseClient) -> None:
    assert not client.definition("annotation").bulk_upsert
    subject = str(uuid4())
    for text in ("one", "two"):
        outcomes = client.upsert_many("annotation", [{"subject": subject, "notetext": text}], key=["subject"])
        assert outcomes[0].ok, outcomes[0].error
    rows = client.rows_where_in("annotation", "subject", [subject], select=["notetext"])
    assert [row["notetext"] for row in rows] == ["two"]


def test_a_key_that_the_table_does_not_have_is_refused_before_anything_is_sent(client: DataverseClient) -> None:
    before = client.definition("account") and client.requests_sent
    with pytest.raises(MappingFault, match="no alternate key of the columns name"):
        client.upsert_many("account", [{"name": "A"}], key=["name"])
    assert client.requests_sent == before


def test_updates_without_a_version_go_in_bulk(client: DataverseClient) -> None:
    from connection.dataverse import RowUpdate
    from connection.dataverse.errors import RowMissing

    ids = [uuid4() for _ in range(3)]
    client.create_many("account", [{"accountid": str(id), "name": "Before"} for id in ids[:2]])
    outcomes = client.update_many("account", [RowUpdate(id, {"name": "After"}, None) for id in ids])
    assert [type(outcome.error) for outcome in outcomes] == [type(None), type(None), RowMissing]
    rows = client.rows_by_id("account", ids, select=["name"])
    assert [row["name"] for row in rows.values()] == ["After", "After"]
