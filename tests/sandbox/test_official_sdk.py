"""Microsoft's own Python SDK, unmodified, over TLS: its synchronous and its asynchronous client (16.1)."""

from typing import Any

import pytest
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.filters import col
from PowerPlatform.Dataverse.models.labels import Label, LocalizedLabel
from PowerPlatform.Dataverse.models.relationship import (
    CascadeConfiguration,
    LookupAttributeMetadata,
    ManyToManyRelationshipMetadata,
    OneToManyRelationshipMetadata,
)
from PowerPlatform.Dataverse.models.upsert import UpsertItem

from tests.sandbox.conftest import BOTH_CLIENTS
from tests.sandbox_process import SandboxProcess

pytestmark = BOTH_CLIENTS


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


def test_relationships_of_both_kinds(sdk: DataverseClient) -> None:
    sdk.tables.create("new_Van", {"new_Plate": "string"})
    lookup = LookupAttributeMetadata("new_DriverId", Label([LocalizedLabel("Driver", 1033)]))
    made = OneToManyRelationshipMetadata(
        "new_contact_van", "contact", "new_van", "contactid", CascadeConfiguration(delete="Restrict")
    )
    sdk.tables.create_one_to_many_relationship(lookup, made)
    found = sdk.tables.get_relationship("new_contact_van")
    assert found is not None
    assert (found.referenced_entity, found.lookup_schema_name) == ("contact", "new_DriverId")
    assert [row["relationship"] for row in sdk.query.odata_expands("new_van") if row["target_table"] == "contact"] == [
        "new_contact_van"
    ]
    tours = ManyToManyRelationshipMetadata("new_van_account", "new_van", "account")
    sdk.tables.create_many_to_many_relationship(tours)
    assert "new_van_account" in {row["SchemaName"] for row in sdk.tables.list_table_relationships("new_van")}
    driver = sdk.records.create("contact", {"lastname": "Berg"})
    sdk.records.create("new_van", {"new_plate": "EL 1", "new_DriverId@odata.bind": f"/contacts({driver})"})
    with pytest.raises(HttpError) as refused:
        sdk.records.delete("contact", driver)
    assert refused.value.details["service_error_code"] == "0x80040227"
    (van,) = sdk.records.list("new_van", select=["new_plate"], expand=["new_DriverId"])
    assert van["new_DriverId"]["lastname"] == "Berg"
    for name in ("new_van_account", "new_contact_van"):
        gone = sdk.tables.get_relationship(name)
        assert gone is not None
        sdk.tables.delete_relationship(gone.relationship_id or "")
    assert sdk.tables.get_relationship("new_contact_van") is None


def test_column_is_changed_and_key_is_taken_away(sdk: DataverseClient) -> None:
    sdk.tables.create("new_Note", {"new_Text": "string"})
    assert sdk.tables.update_columns("new_Note", {"new_text": {"max_length": 300, "display_name": "Remark"}})
    changed = sdk.tables.get_column("new_note", "new_text", typed=True) or {}
    assert changed["MaxLength"] == 300
    sdk.records.create("new_note", {"new_text": "x" * 300})
    sdk.tables.create_alternate_key("new_note", "new_textkey", ["new_text"])
    # What creating a key returns is the id of its table: the SDK takes the first id in OData-EntityId.
    (key,) = sdk.tables.get_alternate_keys("new_note")
    with pytest.raises(HttpError) as refused:
        sdk.tables.remove_columns("new_note", "new_text")
    assert refused.value.details["service_error_code"] == "0x8004F01F"
    sdk.tables.delete_alternate_key("new_note", key.metadata_id)
    assert sdk.tables.remove_columns("new_note", "new_text") == ["new_text"]
    assert sdk.tables.get_column("new_note", "new_text") is None
    sdk.tables.create_alternate_key("new_note", "new_namekey", ["new_name"])
    sdk.tables.delete("new_note")
    sdk.tables.create("new_Note", {})
    assert sdk.tables.get_alternate_keys("new_note") == []


def test_batch_of_everything(sdk: DataverseClient) -> None:
    sdk.tables.create_alternate_key("account", "new_number", ["accountnumber"])
    ids = sdk.records.create("account", [{"name": "A"}, {"name": "B"}])
    batch = sdk.batch.new()
    batch.records.create("account", [{"name": "C"}, {"name": "D"}])
    batch.records.update("account", ids, {"fax": "1"})
    batch.records.upsert("account", [UpsertItem({"accountnumber": "7"}, {"name": "E"})])
    batch.records.retrieve("account", ids[0], select=["name", "fax"])
    batch.records.delete("account", ids[1])
    batch.tables.get("account")
    batch.tables.list()
    batch.tables.add_columns("account", {"new_Depth": "int"})
    batch.tables.get_relationship("contact_customer_accounts")
    batch.query.sql("SELECT name FROM account WHERE fax = '1'")
    result = batch.execute()
    assert not result.has_errors
    assert [response.status_code for response in result.responses][:5] == [200, 204, 204, 200, 204]
    assert (result.responses[3].data or {})["fax"] == "1"
    assert [row["name"] for row in (result.responses[-1].data or {})["value"]] == ["A"]
    left = sdk.records.list("account", select=["name"], orderby=["name"])
    assert [row["name"] for row in left] == ["A", "C", "D", "E"]


def test_pages_and_filters_of_the_query_builder(sdk: DataverseClient) -> None:
    rows = [{"name": f"Kunde {number}", "fax": str(number % 2), "numberofemployees": number} for number in range(6)]
    sdk.records.create("account", rows)
    assert [len(page) for page in sdk.records.list_pages("account", select=["name"], page_size=4)] == [4, 2]
    odd = (col("fax") == "1") & ~col("name").contains("5") | col("numberofemployees").in_([4])
    found: Any = sdk.query.builder("account").select("name").where(odd).order_by("name").execute()
    assert [row["name"] for row in found] == ["Kunde 1", "Kunde 3", "Kunde 4"]
    between = col("numberofemployees").between(2, 3) & col("name").startswith("Kunde") & col("telephone1").is_null()
    found = sdk.query.builder("account").select("name").where(between).order_by("name").top(1).execute()
    assert [row["name"] for row in found] == ["Kunde 2"]
    assert {"name", "fax"} <= {column["name"] for column in sdk.query.sql_columns("account")}
