"""Microsoft's own Python SDK, unmodified, over TLS (dataverse-web-api.md 16.1)."""

import pytest
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.filters import col
from PowerPlatform.Dataverse.models.upsert import UpsertItem

from tests.sandbox_process import SandboxProcess


def test_create_retrieve_update_and_delete_one(sdk: DataverseClient) -> None:
    identity = sdk.records.create("account", {"name": "Bergen Båt AS", "telephone1": "+47 55 21 04 00"})
    row = sdk.records.retrieve("account", identity, select=["name"])
    assert row is not None
    assert row["name"] == "Bergen Båt AS"
    sdk.records.update("account", identity, {"telephone1": "1", "paymenttermscode": "Net 45"})
    row = sdk.records.retrieve("account", identity, select=["telephone1", "paymenttermscode"])
    assert row is not None
    assert (row["telephone1"], row["paymenttermscode"]) == ("1", 3)
    sdk.records.delete("account", identity)
    assert sdk.records.retrieve("account", identity) is None


def test_create_update_and_delete_many(sdk: DataverseClient, sandbox: SandboxProcess) -> None:
    ids = sdk.records.create("account", [{"name": f"Kunde {number}"} for number in range(250)])
    assert len(set(ids)) == 250
    sdk.records.update("account", ids, {"address1_city": "Bergen"})
    sdk.records.update("account", ids[:2], [{"fax": "1"}, {"fax": "2"}])
    rows = list(sdk.records.list("account", select=["name", "fax"], filter="address1_city eq 'Bergen'"))
    assert len(rows) == 250
    assert sorted(row["fax"] for row in rows if row["fax"]) == ["1", "2"]
    assert sdk.records.delete("account", ids[:200])
    assert len(list(sdk.records.list("account", select=["name"]))) == 50
    sdk.records.delete("account", ids[200:], use_bulk_delete=False)
    assert list(sdk.records.list("account", select=["name"])) == []
    assert sandbox.calls()["deleted"] == 250


def test_upsert_one_and_many(sdk: DataverseClient) -> None:
    sdk.tables.create_alternate_key("account", "new_number", ["accountnumber"])
    assert [key.key_attributes for key in sdk.tables.get_alternate_keys("account")] == [["accountnumber"]]
    sdk.records.upsert("account", [UpsertItem({"accountnumber": "O'K 1"}, {"name": "one"})])
    items = [UpsertItem({"accountnumber": number}, {"name": name}) for number, name in (("O'K 1", "uno"), ("2", "two"))]
    sdk.records.upsert("account", [*items])
    rows = sdk.records.list("account", select=["name", "accountnumber"], orderby=["name"])
    assert [(row["name"], row["accountnumber"]) for row in rows] == [("two", "2"), ("uno", "O'K 1")]


def test_query_in_pages_with_filter_order_and_count(sdk: DataverseClient) -> None:
    sdk.records.create("account", [{"name": f"Kunde {number:02}", "numberofemployees": number} for number in range(10)])
    query = sdk.query.builder("account").select("name", "numberofemployees").where(col("numberofemployees") >= 3)
    found = list(query.order_by("name", descending=True).page_size(3).count().execute_pages())
    assert [len(page) for page in found] == [3, 3, 1]
    assert [row["name"] for page in found for row in page][:2] == ["Kunde 09", "Kunde 08"]
    first = sdk.records.list("account", select=["name"], orderby=["name asc"], top=2)
    assert [row["name"] for row in first] == ["Kunde 00", "Kunde 01"]


def test_lookup_and_formatted_value(sdk: DataverseClient) -> None:
    account = sdk.records.create("account", {"name": "Nordvik"})
    sdk.records.create("contact", {"lastname": "Berg", "parentcustomerid_account@odata.bind": f"/accounts({account})"})
    (row,) = sdk.records.list("contact", select=["lastname", "_parentcustomerid_value"], include_annotations="*")
    assert row["_parentcustomerid_value@OData.Community.Display.V1.FormattedValue"] == "Nordvik"


def test_batch_with_a_changeset(sdk: DataverseClient) -> None:
    batch = sdk.batch.new()
    with batch.changeset() as changeset:
        account = changeset.records.create("account", {"name": "Nordvik"})
        contact = {"lastname": "Berg", "parentcustomerid_account@odata.bind": account}
        changeset.records.create("contact", contact)
        changeset.records.update("account", account, {"telephone1": "5"})
    batch.records.list("account", select=["name", "telephone1"], filter="name eq 'Nordvik'")
    result = batch.execute()
    assert not result.has_errors
    (found,) = (result.responses[-1].data or {})["value"]
    assert found["telephone1"] == "5"
    (row,) = sdk.records.list("contact", select=["_parentcustomerid_value"])
    assert row["_parentcustomerid_value"] == found["accountid"]


def test_refused_row_takes_its_changeset_back(sdk: DataverseClient) -> None:
    batch = sdk.batch.new()
    with batch.changeset() as changeset:
        changeset.records.create("account", {"name": "A"})
        changeset.records.create("account", {"name": "x" * 161})
    batch.records.create("account", {"name": "after"})
    result = batch.execute(continue_on_error=True)
    assert result.has_errors
    assert [row["name"] for row in sdk.records.list("account", select=["name"])] == ["after"]


def test_metadata(sdk: DataverseClient) -> None:
    table = sdk.tables.get("account")
    assert table is not None
    assert (table.entity_set_name, table.primary_id_attribute) == ("accounts", "accountid")
    assert {"account", "contact"} <= {row["LogicalName"] for row in sdk.tables.list()}
    columns = {column["LogicalName"]: column for column in sdk.tables.list_columns("account", typed=True)}
    assert columns["name"]["MaxLength"] == 160
    assert (sdk.tables.get_column("account", "revenue", typed=True) or {})["Precision"] == 2
    names = {row["SchemaName"] for row in sdk.tables.list_table_relationships("contact")}
    assert "contact_customer_accounts" in names
    assert sdk.tables.get_relationship("contact_customer_accounts") is not None


def test_refusals_carry_code_and_status(sdk: DataverseClient) -> None:
    with pytest.raises(HttpError) as refused:
        sdk.records.create("account", {"name": "x" * 161})
    assert (refused.value.status_code, refused.value.details["service_error_code"]) == (400, "0x80044331")
    with pytest.raises(HttpError) as missing:
        sdk.records.update("account", "00000000-0000-0000-0000-000000000001", {"name": "A"})
    assert missing.value.status_code == 404
