"""The client against the sandbox, over https and with real tokens: conformance of both ends of the wire."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from connection.dataverse import DataverseClient, Outcome, Row, RowUpdate
from connection.dataverse.errors import (
    DeltaExpired,
    DuplicateKey,
    MappingFault,
    RowMissing,
    RowRefused,
    VersionMismatch,
)
from tests.sandbox_process import SandboxProcess

Values = dict[str, Any]
COLUMNS = ["accountid", "name", "accountnumber", "telephone1"]


def account(name: str, **values: Any) -> Values:
    return {"accountid": str(uuid4()), "name": name, **values}


def created(client: DataverseClient, *rows: Values) -> list[UUID]:
    assert all(outcome.ok for outcome in client.create_many("account", rows))
    return [UUID(row["accountid"]) for row in rows]


def row_of(client: DataverseClient, id: UUID, select: Sequence[str] = COLUMNS) -> Row:
    return client.rows_by_id("account", [id], select=select)[id]


def kinds(outcomes: Sequence[Outcome]) -> list[type | None]:
    return [type(outcome.error) if outcome.error else None for outcome in outcomes]


@pytest.fixture
def client(client_of_sandbox: DataverseClient) -> DataverseClient:
    return client_of_sandbox


@pytest.fixture
def tag() -> str:
    """A text that only the rows of this test carry: the sandbox is shared by all tests."""
    return f"T{uuid4().hex[:10]}"


def test_who_and_where_we_are(client: DataverseClient) -> None:
    me, organization = client.who_am_i(), client.organization()
    assert me.organization_id == organization.id
    assert len(organization.base_currency_code) == 3
    assert client.version().startswith("9.")


def test_a_table_is_described_in_one_request(client: DataverseClient) -> None:
    before = client.requests_sent
    table = client.refresh("account")
    assert client.requests_sent == before + 1
    assert (table.entity_set, table.primary_id, table.primary_name) == ("accounts", "accountid", "name")
    assert table.change_tracking
    assert table.bulk_create
    assert table.columns["name"].max_length == 160
    assert table.columns["name"].required
    assert table.columns["name"].label
    assert table.columns["revenue"].type == "Money"
    assert not table.columns["createdon"].can_create
    assert table.columns["primarycontactid"].read_name == "_primarycontactid_value"
    assert table.columns["primarycontactid"].targets == ("contact",)
    assert table.columns["statecode"].options[0] == "Active"
    assert set(table.columns["creditonhold"].options) == {0, 1}


def test_lookups_know_the_property_that_is_bound(client: DataverseClient) -> None:
    parent = client.definition("contact").columns["parentcustomerid"]
    assert parent.type == "Customer"
    assert parent.navigation == {"account": "parentcustomerid_account", "contact": "parentcustomerid_contact"}
    owner = client.definition("account").columns["ownerid"]
    assert owner.navigation["systemuser"] == "ownerid"


def test_bulk_creation_is_only_used_where_the_table_has_it(client: DataverseClient) -> None:
    assert not client.definition("transactioncurrency").bulk_create


def test_an_unknown_table_is_a_mapping_fault(client: DataverseClient) -> None:
    with pytest.raises(MappingFault, match="nosuchtable"):
        client.definition("nosuchtable")


def test_an_unknown_column_is_a_mapping_fault_and_makes_us_ask_again(client: DataverseClient) -> None:
    client.definition("account")
    with pytest.raises(MappingFault, match="nosuchcolumn"):
        next(client.pages("account", select=["nosuchcolumn"]))
    before = client.requests_sent
    client.definition("account")
    assert client.requests_sent == before + 1


def test_values_come_back_as_they_went(client: DataverseClient) -> None:
    (id,) = created(client, account("Blåbær & Sønner «AS»", revenue=Decimal("1234567.89"), creditonhold=True))
    row = row_of(client, id, ["name", "revenue", "creditonhold", "telephone1"])
    assert row["name"] == "Blåbær & Sønner «AS»"
    assert row["revenue"] == Decimal("1234567.89")
    assert isinstance(row["revenue"], Decimal)
    assert row["creditonhold"] is True
    assert row["telephone1"] is None
    assert row["@odata.etag"].startswith('W/"')


def test_a_polymorphic_lookup_says_which_table_it_means(client: DataverseClient) -> None:
    (parent,) = created(client, account("Parent"))
    child = uuid4()
    row = {"contactid": str(child), "lastname": "Berg", "parentcustomerid_account@odata.bind": f"/accounts({parent})"}
    assert client.create_many("contact", [row])[0].ok
    found = client.rows_by_id("contact", [child], select=["lastname", "parentcustomerid"])[child]
    assert UUID(found["_parentcustomerid_value"]) == parent
    assert found["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"


def test_i6_of_a_thousand_rows_997_land_and_three_say_why(client: DataverseClient, tag: str) -> None:
    rows = [account(f"Customer {number}", accountnumber=tag) for number in range(1000)]
    for bad in (10, 11, 700):
        rows[bad]["name"] = "x" * 200
    outcomes = client.create_many("account", rows)
    assert [at for at, outcome in enumerate(outcomes) if not outcome.ok] == [10, 11, 700]
    assert client.count("account", f"accountnumber eq '{tag}'") == 997
    for bad in (10, 11, 700):
        error = outcomes[bad].error
        assert isinstance(error, RowRefused)
        assert str(error.text) == "The text in “name” is too long: Dynamics CRM accepts at most 160 characters."


def test_i1_creating_again_under_the_same_id_is_told(client: DataverseClient) -> None:
    row = account("Once")
    created(client, row)
    assert kinds(client.create_many("account", [row, account("New")])) == [DuplicateKey, None]


def test_a_column_that_does_not_exist_is_a_mapping_fault(client: DataverseClient) -> None:
    (outcome,) = client.create_many("account", [account("A", nosuchcolumn="x")])
    assert isinstance(outcome.error, MappingFault)


def test_i9_a_thousand_rows_by_id_cost_one_request(client: DataverseClient, tag: str) -> None:
    ids = created(client, *(account(f"C {number}", accountnumber=tag) for number in range(1000)))
    client.definition("account")
    before = client.requests_sent
    rows = client.rows_by_id("account", [*ids[:999], uuid4()], select=["name"])
    assert client.requests_sent == before + 1
    assert set(rows) == set(ids[:999])


def test_rows_are_found_by_any_column(client: DataverseClient, tag: str) -> None:
    names = [f"{tag} O'Brien & Sons", f'{tag} "50% + 1"', f"{tag} Ærø, Ltd."]
    created(client, *(account(name) for name in names), account(f"{tag} other"))
    rows = client.rows_where_in("account", "name", names, select=["name"])
    assert {row["name"] for row in rows} == set(names)
    assert client.rows_where_in("account", "name", names, select=["name"], filter="statecode eq 1") == []
    assert client.rows_where_in("account", "name", [], select=["name"]) == []


def test_rows_are_found_by_lookup(client: DataverseClient) -> None:
    parent, child = created(client, account("Parent"), account("Child"))
    binding = {"parentaccountid@odata.bind": f"/accounts({parent})"}
    assert client.update_many("account", [RowUpdate(child, binding, None)])[0].ok
    (row,) = client.rows_where_in("account", "parentaccountid", [parent], select=["name", "parentaccountid"])
    assert (row["name"], UUID(row["_parentaccountid_value"])) == ("Child", parent)


def test_pages_are_as_long_as_asked_and_complete(client: DataverseClient, tag: str) -> None:
    created(client, *(account(f"{number:02}", accountnumber=tag) for number in range(25)))
    pages = list(
        client.pages("account", select=["name"], filter=f"accountnumber eq '{tag}'", orderby="name", page_size=10)
    )
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [row["name"] for page in pages for row in page] == [f"{number:02}" for number in range(25)]


def test_i2_an_update_names_the_version_it_was_judged_against(client: DataverseClient) -> None:
    first, second, gone = created(client, account("A"), account("B"), account("C"))
    etag = row_of(client, first)["@odata.etag"]
    assert client.delete_many("account", [(gone, None)])[0].ok
    assert client.update_many("account", [RowUpdate(first, {"telephone1": "1"}, etag)])[0].ok
    outcomes = client.update_many(
        "account",
        [
            RowUpdate(first, {"telephone1": "2"}, etag),
            RowUpdate(second, {"telephone1": "2"}, None),
            RowUpdate(gone, {"telephone1": "2"}, None),
            RowUpdate(second, {"name": "x" * 200}, None),
        ],
    )
    assert kinds(outcomes) == [VersionMismatch, None, RowMissing, RowRefused]
    assert row_of(client, first)["telephone1"] == "1"
    assert client.rows_by_id("account", [gone], select=["name"]) == {}


def test_i2_a_delete_names_the_version_too(client: DataverseClient) -> None:
    (id,) = created(client, account("A"))
    etag = row_of(client, id)["@odata.etag"]
    client.update_many("account", [RowUpdate(id, {"telephone1": "1"}, etag)])
    assert kinds(client.delete_many("account", [(id, etag)])) == [VersionMismatch]
    assert kinds(client.delete_many("account", [(id, None), (id, None)])) == [None, RowMissing]


def test_changes_are_followed_from_link_to_link(client: DataverseClient) -> None:
    kept, gone = created(client, account("Kept"), account("Gone"))
    *_, last = client.changes("account", select=["name"], page_size=500)
    assert last.delta_link
    assert client.update_many("account", [RowUpdate(kept, {"name": "Changed"}, None)])[0].ok
    client.delete_many("account", [(gone, None)])
    (page,) = client.changes("account", select=["name"], delta_link=last.delta_link)
    assert [(UUID(row["accountid"]), row["name"]) for row in page.rows] == [(kept, "Changed")]
    assert page.deleted == [gone]
    before = client.requests_sent
    (idle,) = client.changes("account", select=["name"], delta_link=page.delta_link)
    assert (idle.rows, idle.deleted, client.requests_sent) == ([], [], before + 1)


def test_only_the_last_page_of_changes_has_the_link(client: DataverseClient, tag: str) -> None:
    created(client, *(account(tag) for _ in range(30)))
    pages = list(client.changes("account", select=["name"], page_size=10))
    assert len(pages) >= 3
    assert [page.delta_link is None for page in pages] == [True] * (len(pages) - 1) + [False]


def test_i4_an_expired_link_is_told(client: DataverseClient, sandbox_process: SandboxProcess) -> None:
    *_, last = client.changes("account", select=["name"])
    sandbox_process.expire_changes()
    with pytest.raises(DeltaExpired):
        next(client.changes("account", select=["name"], delta_link=last.delta_link))


def test_a_row_has_an_address_for_people(client: DataverseClient) -> None:
    id = uuid4()
    assert client.row_address("account", id).endswith(f"/main.aspx?etn=account&pagetype=entityrecord&id={id}")
