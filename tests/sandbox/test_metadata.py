"""Metadata (dataverse-web-api.md 1.1, 3)."""

from xml.etree import ElementTree as Xml

import pytest

from tests.sandbox.conftest import error_of, read
from tests.sandbox_process import SandboxSession

ACCOUNT = "EntityDefinitions(LogicalName='account')"


def test_service_document(api: SandboxSession) -> None:
    document = read(api, "")
    assert document["@odata.context"] == f"{api.root}$metadata"
    assert {"name": "transactioncurrencies", "kind": "EntitySet", "url": "transactioncurrencies"} in document["value"]


def test_csdl_is_whole(api: SandboxSession) -> None:
    answer = api("GET", "$metadata")
    assert answer.headers["Content-Type"] == "application/xml"
    edm = "{http://docs.oasis-open.org/odata/ns/edm}"
    root = Xml.fromstring(answer.content)
    types = {entity.get("Name"): entity for entity in root.iter(f"{edm}EntityType")}
    sets = {entity_set.get("Name") for entity_set in root.iter(f"{edm}EntitySet")}
    assert {"account", "contact", "systemuser", "transactioncurrency", "businessunit", "organization"} <= types.keys()
    assert {row["name"] for row in read(api, "")["value"]} == sets
    for navigation in root.iter(f"{edm}NavigationProperty"):
        kind = str(navigation.get("Type")).removeprefix("Collection(").removesuffix(")").removeprefix("mscrm.")
        assert kind in types
    constraint = next(types["account"].iter(f"{edm}ReferentialConstraint"))
    assert constraint.get("Property", "").startswith("_")


def test_version(api: SandboxSession) -> None:
    assert read(api, "RetrieveVersion()")["Version"].startswith("9.2.")


def test_table_by_name_and_by_id(api: SandboxSession) -> None:
    table = read(api, f"{ACCOUNT}?$select=LogicalName,EntitySetName,PrimaryIdAttribute,ChangeTrackingEnabled")
    assert (table["EntitySetName"], table["PrimaryIdAttribute"], table["ChangeTrackingEnabled"]) == (
        "accounts",
        "accountid",
        True,
    )
    assert read(api, f"EntityDefinitions({table['MetadataId']})")["LogicalName"] == "account"
    assert error_of(api("GET", "EntityDefinitions(LogicalName='nonsense')")) == (404, "0x80040217")
    assert error_of(api("PATCH", ACCOUNT, {}))[0] == 405


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("LogicalName eq 'account'", {"account"}),
        ("LogicalName eq 'account' or LogicalName eq 'contact'", {"account", "contact"}),
        ("IsPrivate eq false and startswith(LogicalName,'con')", {"contact"}),
        (
            "OwnershipType eq Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned' and startswith(LogicalName,'acc')",
            {"account"},
        ),
        ("CanChangeTrackingBeEnabled/Value eq false and startswith(LogicalName,'org')", {"organization"}),
        ("ObjectTypeCode lt 3", {"account", "contact"}),
    ],
)
def test_tables_by_filter(api: SandboxSession, condition: str, expected: set[str]) -> None:
    rows = read(api, f"EntityDefinitions?$select=LogicalName&$filter={condition}")["value"]
    assert {row["LogicalName"] for row in rows} == expected
    assert all(set(row) == {"LogicalName", "MetadataId"} for row in rows)


def test_tables_with_expanded_columns(api: SandboxSession) -> None:
    query = "EntityDefinitions?$select=LogicalName&$filter=LogicalName eq 'account'&$expand=Attributes($select=LogicalName,AttributeType;$filter=LogicalName eq 'name'),Keys"  # noqa: E501
    table = read(api, query)["value"][0]
    assert [(column["LogicalName"], column["AttributeType"]) for column in table["Attributes"]] == [("name", "String")]
    assert table["Keys"] == []


@pytest.mark.parametrize(
    ("cast", "column", "expected"),
    [
        ("String", "name", {"MaxLength": 160}),
        ("Memo", "description", {"MaxLength": 2000}),
        ("Money", "revenue", {"Precision": 2, "PrecisionSource": 2}),
        ("Decimal", "exchangerate", {"Precision": 12}),
        ("Double", "address1_latitude", {"MinValue": -90, "MaxValue": 90}),
        ("Integer", "numberofemployees", {"MinValue": 0}),
        ("BigInt", "versionnumber", {"IsValidForUpdate": False}),
        ("DateTime", "createdon", {"Format": "DateAndTime", "IsValidForCreate": False}),
        ("Lookup", "primarycontactid", {"Targets": ["contact"]}),
        ("UniqueIdentifier", "accountid", {"IsPrimaryId": True, "IsValidForUpdate": False}),
    ],
)
def test_typed_columns(api: SandboxSession, cast: str, column: str, expected: dict[str, object]) -> None:
    kind = f"Microsoft.Dynamics.CRM.{cast}AttributeMetadata"
    one = read(api, f"{ACCOUNT}/Attributes(LogicalName='{column}')/{kind}")
    assert expected.items() <= one.items()
    listed = read(api, f"{ACCOUNT}/Attributes/{kind}?$select=LogicalName")["value"]
    assert column in [row["LogicalName"] for row in listed]
    other = "Boolean" if cast != "Boolean" else "String"
    assert (
        api(
            "GET", f"{ACCOUNT}/Attributes(LogicalName='{column}')/Microsoft.Dynamics.CRM.{other}AttributeMetadata"
        ).status_code
        == 404
    )


def test_columns_by_filter(api: SandboxSession) -> None:
    kind = "AttributeType eq Microsoft.Dynamics.CRM.AttributeTypeCode'Customer'"
    rows = read(api, f"EntityDefinitions(LogicalName='contact')/Attributes?$select=LogicalName&$filter={kind}")["value"]
    assert [row["LogicalName"] for row in rows] == ["parentcustomerid"]
    required = "RequiredLevel/Value eq Microsoft.Dynamics.CRM.AttributeRequiredLevel'ApplicationRequired'"
    assert [row["LogicalName"] for row in read(api, f"{ACCOUNT}/Attributes?$filter={required}")["value"]] == ["name"]


def options(api: SandboxSession, column: str, kind: str) -> dict[int, tuple[str, int | None]]:
    """Return value, label and state of a column's options."""
    address = f"{ACCOUNT}/Attributes(LogicalName='{column}')/Microsoft.Dynamics.CRM.{kind}AttributeMetadata"
    found = read(api, f"{address}?$select=LogicalName&$expand=OptionSet,GlobalOptionSet")["OptionSet"]["Options"]
    return {row["Value"]: (row["Label"]["UserLocalizedLabel"]["Label"], row.get("State")) for row in found}


def test_option_sets(api: SandboxSession) -> None:
    assert options(api, "paymenttermscode", "Picklist") == {
        1: ("Net 30", None),
        2: ("2% 10, Net 30", None),
        3: ("Net 45", None),
        4: ("Net 60", None),
    }
    assert options(api, "address1_freighttermscode", "Picklist") == {1: ("FOB", None), 2: ("No Charge", None)}
    assert options(api, "address1_shippingmethodcode", "Picklist")[7] == ("Will Call", None)
    assert options(api, "statecode", "State") == {0: ("Active", None), 1: ("Inactive", None)}
    assert options(api, "statuscode", "Status") == {1: ("Active", 0), 2: ("Inactive", 1)}
    boolean = "Attributes(LogicalName='creditonhold')/Microsoft.Dynamics.CRM.BooleanAttributeMetadata/OptionSet"
    assert read(api, f"{ACCOUNT}/{boolean}")["TrueOption"]["Label"]["UserLocalizedLabel"]["Label"] == "Yes"
    assert error_of(api("GET", f"{ACCOUNT}/Attributes/Microsoft.Dynamics.CRM.EnumAttributeMetadata"))[0] == 400


def test_relationships_name_the_navigation_properties(api: SandboxSession) -> None:
    rows = read(api, "EntityDefinitions(LogicalName='contact')/ManyToOneRelationships")["value"]
    found = {(row["ReferencingAttribute"], row["ReferencedEntity"]): row for row in rows}
    parent = found["parentcustomerid", "account"]
    assert parent["ReferencingEntityNavigationPropertyName"] == "parentcustomerid_account"
    assert parent["ReferencedEntityNavigationPropertyName"] == "contact_customer_accounts"
    rows = read(api, f"{ACCOUNT}/OneToManyRelationships?$select=SchemaName,ReferencingEntity")["value"]
    assert "contact_customer_accounts" in [row["SchemaName"] for row in rows]
    assert read(api, f"{ACCOUNT}/ManyToManyRelationships")["value"] == []


@pytest.mark.parametrize(
    "address",
    [
        "RelationshipDefinitions?$filter=SchemaName eq 'account_primary_contact'",
        "RelationshipDefinitions/Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata?$filter=ReferencedEntity eq 'contact' and ReferencingEntity eq 'account'",  # noqa: E501
    ],
)
def test_relationship_definitions(api: SandboxSession, address: str) -> None:
    (row,) = read(api, address)["value"]
    assert row["@odata.type"] == "#Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata"
    assert (row["SchemaName"], row["ReferencingAttribute"]) == ("account_primary_contact", "primarycontactid")
    assert read(api, f"RelationshipDefinitions({row['MetadataId']})")["SchemaName"] == row["SchemaName"]
    assert read(api, "RelationshipDefinitions(SchemaName='account_primary_contact')")["MetadataId"] == row["MetadataId"]


def test_global_option_sets_are_none(api: SandboxSession) -> None:
    assert read(api, "GlobalOptionSetDefinitions")["value"] == []
