"""Metadata writes: tables, columns, relationships and choices, by SDK and by hand (dataverse-web-api.md 3.6, 16.1)."""

from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from PowerPlatform.Dataverse.client import DataverseClient

from tests.project.processes import free_port
from tests.sandbox.conftest import BOTH_CLIENTS, bulk, create, error_of, names, read
from tests.sandbox_process import SandboxProcess, SandboxSession

ACCOUNT = "EntityDefinitions(LogicalName='account')"


class Colour(IntEnum):
    RED = 1
    BLUE = 2


def label(text: str) -> dict[str, Any]:
    return {"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]}


def column(name: str, kind: str = "String", **more: Any) -> dict[str, Any]:
    return {"@odata.type": f"Microsoft.Dynamics.CRM.{kind}AttributeMetadata", "SchemaName": name, **more}


@BOTH_CLIENTS
def test_sdk_makes_a_table_and_uses_it(sdk: DataverseClient) -> None:
    made = sdk.tables.create("new_Gadget", {"new_Size": "int", "new_Price": "decimal", "new_Colour": Colour})
    assert made["entity_set_name"] == "new_gadgets"
    identity = sdk.records.create("new_gadget", {"new_name": "A", "new_size": 3, "new_colour": "BLUE"})
    row = sdk.records.retrieve("new_gadget", identity, select=["new_name", "new_size", "new_colour"])
    assert row is not None
    assert (row["new_name"], row["new_size"], row["new_colour"]) == ("A", 3, 2)
    assert sdk.tables.add_columns("new_Gadget", {"new_Done": "bool", "new_Note": "memo"}) == ["new_Done", "new_Note"]
    sdk.records.update("new_gadget", identity, {"new_done": True})
    assert sdk.tables.remove_columns("new_Gadget", ["new_Note"]) == ["new_Note"]
    sdk.tables.create_lookup_field("new_gadget", "new_AccountId", "account")
    account = sdk.records.create("account", {"name": "A"})
    sdk.records.update("new_gadget", identity, {"new_AccountId@odata.bind": f"/accounts({account})"})
    found = sdk.records.retrieve("new_gadget", identity, select=["_new_accountid_value"])
    assert found is not None
    assert found["_new_accountid_value"] == account
    sdk.tables.delete("new_Gadget")
    assert sdk.tables.get("new_Gadget") is None


def test_custom_column_on_a_table_of_the_service(api: SandboxSession) -> None:
    answer = api("POST", f"{ACCOUNT}/Attributes", column("crmb_No", MaxLength=20, DisplayName=label("No.")))
    assert answer.status_code == 204
    identity = create(api, "accounts", name="A", crmb_no="10000")
    assert names(api, "accounts?$filter=crmb_no eq '10000'&$select=accountid", "accountid") == [identity]
    assert error_of(api("POST", "accounts", {"crmb_no": "x" * 21})) == (400, "0x80044331")
    found = api("GET", answer.headers["OData-EntityId"]).json()
    assert (found["IsCustomAttribute"], found["SchemaName"], found["MaxLength"]) == (True, "crmb_No", 20)
    longer = {**found, "MaxLength": 40}
    assert (
        api("PUT", answer.headers["OData-EntityId"], longer, headers={"MSCRM.MergeLabels": "true"}).status_code == 204
    )
    create(api, "accounts", crmb_no="x" * 40)
    assert error_of(api("POST", f"{ACCOUNT}/Attributes", column("crmb_No")))[0] == 400
    assert error_of(api("POST", f"{ACCOUNT}/Attributes", column("noprefix")))[0] == 400
    assert error_of(api("POST", f"{ACCOUNT}/Attributes", column("crmb_X", "Teapot")))[0] == 400
    assert api("DELETE", answer.headers["OData-EntityId"]).status_code == 204
    assert error_of(api("GET", "accounts?$select=crmb_no"))[0] == 400
    assert error_of(api("DELETE", f"{ACCOUNT}/Attributes(LogicalName='name')"))[0] == 400


def test_change_tracking_is_switched_on_by_put_and_stays(api: SandboxSession) -> None:
    table = {"SchemaName": "new_Thing", "Attributes": [column("new_Name", IsPrimaryName=True)]}
    address = api("POST", "EntityDefinitions", table).headers["OData-EntityId"]
    refused = api("GET", "new_things", headers={"Prefer": "odata.track-changes"})
    assert error_of(refused) == (400, "0x80072491")
    definition = read(api, address)
    assert definition["CanChangeTrackingBeEnabled"]["Value"] is True
    assert api("PUT", address, {**definition, "ChangeTrackingEnabled": True}).status_code == 204
    assert "@odata.deltaLink" in read(api, "new_things", "odata.track-changes")
    assert error_of(api("PUT", address, {**definition, "ChangeTrackingEnabled": False}))[0] == 400
    assert error_of(api("PATCH", address, {}))[0] == 405
    assert bulk(api, "new_things", "CreateMultiple", [{"new_name": "A"}], "new_thing").status_code == 200
    assert api("POST", "PublishAllXml", {}).status_code == 204
    assert api("POST", "PublishXml", {"ParameterXml": "<importexportxml/>"}).status_code == 204


def test_many_to_many_by_hand(api: SandboxSession) -> None:
    body = {
        "@odata.type": "Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata",
        "SchemaName": "new_account_contact",
        "Entity1LogicalName": "account",
        "Entity2LogicalName": "contact",
        "IntersectEntityName": "new_account_contact",
    }
    relationship = api("POST", "RelationshipDefinitions", body).headers["OData-EntityId"]
    account, contact = create(api, "accounts", name="A"), create(api, "contacts", lastname="B")
    reference = {"@odata.id": f"{api.root}contacts({contact})"}
    assert api("POST", f"accounts({account})/new_account_contact/$ref", reference).status_code == 204
    assert names(api, f"contacts({contact})/new_account_contact") == ["A"]
    assert api("DELETE", relationship).status_code == 204
    assert error_of(api("GET", f"accounts({account})/new_account_contact"))[0] == 404


def test_choices(api: SandboxSession) -> None:
    options = [{"Value": 1, "Label": label("One")}, {"Value": 2, "Label": label("Two")}]
    assert api("POST", "GlobalOptionSetDefinitions", {"Name": "new_number", "Options": options}).status_code == 204
    assert read(api, "GlobalOptionSetDefinitions(Name='new_number')")["Options"][1]["Value"] == 2
    bound = {"GlobalOptionSet@odata.bind": "/GlobalOptionSetDefinitions(Name='new_number')"}
    assert api("POST", f"{ACCOUNT}/Attributes", column("new_Number", "Picklist", **bound)).status_code == 204
    create(api, "accounts", new_number=2)
    assert error_of(api("POST", "accounts", {"new_number": 3})) == (400, "0x8004431A")
    body = {"EntityLogicalName": "account", "AttributeLogicalName": "paymenttermscode", "Label": label("14 days")}
    assert api("POST", "InsertOptionValue", body).json()["NewOptionValue"] == 100_000_000
    create(api, "accounts", paymenttermscode=100_000_000)
    create(api, "accounts", paymenttermscode=1)


def test_customizations_need_the_privilege(api: SandboxSession) -> None:
    unit = read(api, "businessunits")["value"][0]["businessunitid"]
    bind = {"businessunitid@odata.bind": f"/businessunits({unit})", "internalemailaddress": "a@x.example"}
    user = create(api, "systemusers", firstname="A", **bind)
    for path, body in ((f"{ACCOUNT}/Attributes", column("new_A")), ("EntityDefinitions", {}), ("PublishAllXml", {})):
        answer = api("POST", path, body, headers={"MSCRMCallerID": user})
        assert error_of(answer) == (403, "0x80042f09")


def test_customizations_survive_a_restart_and_go_with_a_reset(tmp_path: Path) -> None:
    own = SandboxProcess(tmp_path, port=free_port())
    with own:
        api = own.session()
        api("POST", f"{ACCOUNT}/Attributes", column("new_A", "Money"))
        create(api, "accounts", new_a=12.5)
    with own:
        api = own.session()
        assert names(api, "accounts", "new_a_base") == [12.5]
        own.reset()
        assert error_of(api("GET", "accounts?$select=new_a"))[0] == 400


@pytest.mark.parametrize("body", [{}, {"SchemaName": "new_T"}, {"SchemaName": "new_T", "Attributes": [{}]}])
def test_bad_definitions(api: SandboxSession, body: dict[str, Any]) -> None:
    assert error_of(api("POST", "EntityDefinitions", body))[0] == 400
