"""Bulk messages (dataverse-web-api.md 7)."""

import pytest

from tests.sandbox.conftest import bulk, create, error_of, names, new_guid, read
from tests.sandbox_process import SandboxProcess, SandboxSession


def test_create_multiple_returns_ids_in_order_and_takes_chosen_ones(api: SandboxSession) -> None:
    chosen = new_guid()
    answer = bulk(
        api,
        "accounts",
        "CreateMultiple",
        [{"name": "A"}, {"accountid": chosen, "name": "B", "fax": "1"}, {"name": "C"}],
    )
    assert answer.status_code == 200
    assert answer.json()["@odata.context"].endswith("#Microsoft.Dynamics.CRM.CreateMultipleResponse")
    ids = answer.json()["Ids"]
    assert ids[1] == chosen
    assert [read(api, f"accounts({identity})")["name"] for identity in ids] == ["A", "B", "C"]


def test_one_bad_row_refuses_all(api: SandboxSession, sandbox: SandboxProcess) -> None:
    taken = create(api, "accounts", name="taken")
    for bad, expected in (
        ({"name": "x" * 161}, (400, "0x80044331")),
        ({"accountid": taken}, (412, "0x80040237")),
        ({"primarycontactid@odata.bind": f"/contacts({new_guid()})"}, (404, "0x80040217")),
    ):
        assert error_of(bulk(api, "accounts", "CreateMultiple", [{"name": "A"}, bad, {"name": "C"}])) == expected
    assert names(api, "accounts") == ["taken"]
    assert sandbox.calls()["writes"] == 1


def test_update_multiple_applies_the_first_target_of_a_row(api: SandboxSession) -> None:
    first, second = create(api, "accounts", name="A"), create(api, "accounts", name="B")
    targets = [
        {"accountid": first, "name": "A2"},
        {"accountid": first, "name": "A3"},
        {"@odata.id": f"accounts({second})", "fax": "5"},
    ]
    answer = bulk(api, "accounts", "UpdateMultiple", targets)
    assert (answer.status_code, answer.content) == (204, b"")
    rows = read(api, "accounts?$select=name,fax&$orderby=name")["value"]
    assert [(row["name"], row["fax"]) for row in rows] == [("A2", None), ("B", "5")]


def test_update_multiple_never_creates(api: SandboxSession) -> None:
    first = create(api, "accounts", name="A")
    targets = [{"accountid": first, "name": "A2"}, {"accountid": new_guid(), "name": "B"}]
    assert error_of(bulk(api, "accounts", "UpdateMultiple", targets)) == (404, "0x80040217")
    assert names(api, "accounts") == ["A"]


def test_upsert_multiple_by_key_and_by_id(api: SandboxSession) -> None:
    create(api, "accounts", name="old", accountnumber="1")
    chosen = new_guid()
    targets = [
        {"@odata.id": "accounts(accountnumber='1')", "name": "new"},
        {"@odata.id": "accounts(accountnumber='2')", "name": "made"},
        {"accountid": chosen, "name": "chosen"},
    ]
    assert bulk(api, "accounts", "UpsertMultiple", targets).status_code == 204
    rows = read(api, "accounts?$select=name,accountnumber&$orderby=name")["value"]
    assert [(row["name"], row["accountnumber"]) for row in rows] == [("chosen", None), ("made", "2"), ("new", "1")]
    assert read(api, f"accounts({chosen})")["name"] == "chosen"
    assert error_of(bulk(api, "accounts", "UpsertMultiple", [targets[0], targets[0]]))[0] == 412


def test_targets_must_say_their_type(api: SandboxSession) -> None:
    answer = api("POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", {"Targets": [{"name": "A"}]})
    assert error_of(answer)[0] == 400
    assert error_of(bulk(api, "accounts", "CreateMultiple", [{"name": "A"}], table="contact"))[0] == 400
    assert error_of(bulk(api, "accounts", "CreateMultiple", []))[0] == 400


@pytest.mark.parametrize(
    ("table", "entity_set", "offered"),
    [
        ("account", "accounts", True),
        ("contact", "contacts", True),
        ("transactioncurrency", "transactioncurrencies", False),
    ],
)
@pytest.mark.parametrize("message", ["CreateMultiple", "UpdateMultiple", "UpsertMultiple"])
def test_offered_messages_are_those_that_work(
    api: SandboxSession, table: str, entity_set: str, message: str, offered: bool
) -> None:
    query = (
        "sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid/name eq @m and primaryobjecttypecode eq @t"
        f"&@m='{message}'&@t='{table}'"
    )
    assert bool(read(api, query)["value"]) is offered
    answer = bulk(api, entity_set, message, [{"importsequencenumber": 1}], table)
    assert (answer.status_code == 404) is not offered


def test_keys_that_are_created_keep_rows_apart(api: SandboxSession) -> None:
    keys = "EntityDefinitions(LogicalName='account')/Keys"
    body = {"SchemaName": "new_Number", "KeyAttributes": ["accountnumber"], "DisplayName": {"LocalizedLabels": []}}
    answer = api("POST", keys, body)
    assert answer.status_code == 204
    assert (
        read(api, f"{keys}?$select=KeyAttributes,EntityKeyIndexStatus")["value"][0]["EntityKeyIndexStatus"] == "Active"
    )
    assert error_of(api("POST", keys, body)) == (400, "0x80060893")
    assert error_of(api("POST", keys, {**body, "SchemaName": "new_Other"})) == (400, "0x80060894")
    create(api, "accounts", accountnumber="1")
    assert error_of(api("POST", "accounts", {"accountnumber": "1"})) == (412, "0x80060892")
    for _ in range(2):
        create(api, "accounts", name="no number")
    assert bulk(api, "accounts", "UpdateMultiple", [{"accountnumber": "1", "name": "by key"}]).status_code == 204
    assert read(api, "accounts(accountnumber='1')")["name"] == "by key"
    assert api("DELETE", answer.headers["OData-EntityId"]).status_code == 204
    create(api, "accounts", accountnumber="1")
    assert error_of(api("POST", keys, body))[0] == 400


def test_reset_takes_created_keys_back(api: SandboxSession, sandbox: SandboxProcess) -> None:
    keys = "EntityDefinitions(LogicalName='account')/Keys"
    api("POST", keys, {"SchemaName": "new_Number", "KeyAttributes": ["accountnumber"]})
    sandbox.reset()
    assert read(api, keys)["value"] == []
    for _ in range(2):
        create(api, "accounts", accountnumber="1")
