"""Solutions: imported at once or in the background, and what they bring (dataverse-web-api.md 12)."""

import base64
import io
import zipfile
from typing import Any

import pytest

from tests.project.processes import wait_until
from tests.sandbox.conftest import create, error_of, new_guid, read
from tests.sandbox_process import SandboxSession

ROLE = "7b5f2a10-3c1d-4e1f-9a52-0d6f3f5b7a01"
SOLUTION = """<ImportExportXml version="9.2"><SolutionManifest>
<UniqueName>crmbridge_core</UniqueName>
<LocalizedNames><LocalizedName description="crmbridge" languagecode="1033" /></LocalizedNames>
<Version>{version}</Version><Managed>1</Managed>
<Publisher><UniqueName>crmbridge</UniqueName><CustomizationPrefix>crmb</CustomizationPrefix></Publisher>
</SolutionManifest></ImportExportXml>"""
CUSTOMIZATIONS = """<ImportExportXml>
<Entities>
 <Entity><Name LocalizedName="Account">Account</Name><EntityInfo><entity Name="Account"><attributes>
  <attribute PhysicalName="crmb_ErpNo"><Type>nvarchar</Type><Name>crmb_erpno</Name><LogicalName>crmb_erpno</LogicalName>
   <RequiredLevel>none</RequiredLevel><MaxLength>20</MaxLength>
   <displaynames><displayname description="ERP No." languagecode="1033" /></displaynames></attribute>
  <attribute PhysicalName="crmb_Kind"><Type>picklist</Type><Name>crmb_kind</Name>
   <optionset Name="account_crmb_kind"><options>
    <option value="1"><labels><label description="Good" languagecode="1033" /></labels></option></options></optionset>
   </attribute>
 </attributes></entity></EntityInfo></Entity>
 <Entity><Name>crmb_Link</Name><EntityInfo><entity Name="crmb_Link"><attributes>
  <attribute PhysicalName="crmb_LinkId"><Type>primarykey</Type><Name>crmb_linkid</Name></attribute>
  <attribute PhysicalName="crmb_Name"><Type>nvarchar</Type><Name>crmb_name</Name><MaxLength>100</MaxLength>
   <DisplayMask>PrimaryName|ValidForForm</DisplayMask></attribute>
 </attributes><EntitySetName>crmb_links</EntitySetName><OwnershipTypeMask>OrgOwned</OwnershipTypeMask>
 <ChangeTrackingEnabled>1</ChangeTrackingEnabled></entity></EntityInfo></Entity>
</Entities>
<Roles><Role id="{ROLE}" name="crmbridge integration"><RolePrivileges>
 <RolePrivilege name="prvReadAccount" level="Global" /><RolePrivilege name="prvReadcrmb_Link" level="Basic" />
</RolePrivileges></Role></Roles>
<EntityRelationships><EntityRelationship Name="crmb_account_link">
 <EntityRelationshipType>OneToMany</EntityRelationshipType><ReferencingEntityName>crmb_Link</ReferencingEntityName>
 <ReferencedEntityName>Account</ReferencedEntityName><CascadeDelete>Cascade</CascadeDelete>
 <ReferencingAttributeName>crmb_AccountId</ReferencingAttributeName></EntityRelationship></EntityRelationships>
</ImportExportXml>""".replace("ROLE", ROLE)


def package(version: str = "1.0.0.0", customizations: str = CUSTOMIZATIONS) -> str:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("solution.xml", SOLUTION.format(version=version))
        archive.writestr("customizations.xml", customizations)
    return base64.b64encode(content.getvalue()).decode()


def body(**changes: Any) -> dict[str, Any]:
    content = {"CustomizationFile": package(), "OverwriteUnmanagedCustomizations": True, "PublishWorkflows": True}
    return {**content, "ImportJobId": new_guid(), **changes}


def settled(api: SandboxSession, operation: str) -> Any:
    address = f"asyncoperations({operation})?$select=statecode,statuscode,friendlymessage"
    wait_until(lambda: read(api, address)["statecode"] == 3)
    return read(api, address)


def test_import_brings_columns_tables_relationships_and_roles(api: SandboxSession) -> None:
    job = body()
    assert api("POST", "ImportSolution", job).status_code == 204
    query = "$select=friendlyname,version,ismanaged&$filter=uniquename eq 'crmbridge_core'"
    found = read(api, f"solutions?{query}")
    row = found["value"][0]
    assert (row["friendlyname"], row["version"], row["ismanaged"]) == ("crmbridge", "1.0.0.0", True)
    account = create(api, "accounts", crmb_erpno="10000", crmb_kind=1)
    create(api, "crmb_links", crmb_name="L", **{"crmb_AccountId@odata.bind": f"/accounts({account})"})
    assert "@odata.deltaLink" in read(api, "crmb_links", "odata.track-changes")
    privileges = read(api, f"roles({ROLE})/roleprivileges_association?$select=name&$orderby=name")["value"]
    assert [row["name"] for row in privileges] == ["prvReadAccount", "prvReadcrmb_Link"]
    progress = read(api, f"importjobs({job['ImportJobId']})?$select=progress,completedon,solutionname,data")
    assert (progress["progress"], progress["solutionname"]) == (100, "crmbridge_core")
    assert 'result="success"' in progress["data"]
    assert api("POST", "ImportSolution", body(CustomizationFile=package("1.1.0.0"))).status_code == 204
    assert read(api, "solutions")["value"][0]["version"] == "1.1.0.0"
    assert read(api, f"accounts({account})")["crmb_erpno"] == "10000"
    api("DELETE", f"accounts({account})")
    assert read(api, "crmb_links")["value"] == []


def imported(api: SandboxSession, message: str = "ImportSolution", **changes: Any) -> Any:
    answer = api("POST", message, body(**changes))
    assert answer.status_code in (200, 204), answer.text
    return answer


def solution_rows(api: SandboxSession) -> list[tuple[str, str]]:
    rows = read(api, "solutions?$select=uniquename,version&$orderby=uniquename")["value"]
    return [(row["uniquename"], row["version"]) for row in rows]


def solution_id(api: SandboxSession) -> str:
    return f"solutions({read(api, 'solutions')['value'][0]['solutionid']})"


# A second version: another kind of account column, no kind any more, a new column in the own table.
SECOND = CUSTOMIZATIONS.replace("crmb_Kind", "crmb_Sort").replace("crmb_kind", "crmb_sort")


def test_an_import_over_an_older_one_keeps_and_an_upgrade_takes_away(api: SandboxSession) -> None:
    imported(api)
    account = create(api, "accounts", crmb_erpno="1", crmb_kind=1)
    before = read(api, f"roles({ROLE})")["versionnumber"]
    imported(api, CustomizationFile=package("1.1.0.0", SECOND))
    assert read(api, f"accounts({account})?$select=crmb_erpno,crmb_kind,crmb_sort")["crmb_kind"] == 1
    assert read(api, f"roles({ROLE})")["versionnumber"] == before
    imported(api, "StageAndUpgrade", CustomizationFile=package("1.2.0.0", SECOND))
    assert solution_rows(api) == [("crmbridge_core", "1.2.0.0")]
    assert error_of(api("GET", f"accounts({account})?$select=crmb_kind")) == (400, "0x80060888")
    assert read(api, f"accounts({account})")["crmb_erpno"] == "1"


def test_a_holding_solution_waits_until_it_is_promoted(api: SandboxSession) -> None:
    promotion = {"UniqueName": "crmbridge_core"}
    imported(api)
    assert error_of(api("POST", "DeleteAndPromote", promotion)) == (400, "0x8004853B")
    imported(api, CustomizationFile=package("2.0.0.0", SECOND), HoldingSolution=True)
    assert solution_rows(api) == [("crmbridge_core", "1.0.0.0"), ("crmbridge_core_Upgrade", "2.0.0.0")]
    create(api, "accounts", crmb_kind=1, crmb_sort=1)
    answer = api("POST", "DeleteAndPromote", promotion)
    assert f"solutions({answer.json()['SolutionId']})" == solution_id(api)
    assert solution_rows(api) == [("crmbridge_core", "2.0.0.0")]
    assert error_of(api("POST", "accounts", {"crmb_kind": 1}))[0] == 400


def test_uninstalling_takes_back_what_the_solution_brought(api: SandboxSession) -> None:
    imported(api)
    create(api, "accounts", name="A", crmb_erpno="1")
    assert api("DELETE", solution_id(api)).status_code == 204
    assert error_of(api("GET", "crmb_links"))[0] == 404
    assert error_of(api("GET", f"roles({ROLE})"))[0] == 404
    assert "crmb_erpno" not in read(api, "accounts")["value"][0]
    imported(api)
    assert read(api, "accounts")["value"][0]["crmb_erpno"] is None


def test_uninstalling_is_refused_while_something_depends_on_it(api: SandboxSession) -> None:
    imported(api)
    more = {"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_More", "MaxLength": 10}
    path = "EntityDefinitions(LogicalName='crmb_link')/Attributes"
    assert api("POST", path, more).status_code == 204
    refused = api("DELETE", solution_id(api))
    assert error_of(refused) == (400, "0x8004F01D")
    assert "crmb_link.new_more" in refused.json()["error"]["message"]
    assert api("DELETE", f"{path}(LogicalName='new_more')").status_code == 204
    key = {"SchemaName": "new_ErpKey", "KeyAttributes": ["crmb_erpno"]}
    assert api("POST", "EntityDefinitions(LogicalName='account')/Keys", key).status_code == 204
    assert error_of(api("DELETE", solution_id(api))) == (400, "0x8004F01D")
    path = "EntityDefinitions(LogicalName='account')/Keys(LogicalName='new_erpkey')"
    assert api("DELETE", path).status_code == 204
    assert api("DELETE", solution_id(api)).status_code == 204


def test_import_in_the_background(api: SandboxSession) -> None:
    staged = api("POST", "StageSolution", {"CustomizationFile": package()}).json()["StageSolutionResults"]
    assert staged["SolutionDetails"]["SolutionUniqueName"] == "crmbridge_core"
    parameters = {"StageSolutionUploadId": staged["StageSolutionUploadId"]}
    answer = api("POST", "ImportSolutionAsync", body(CustomizationFile=None, SolutionParameters=parameters)).json()
    assert settled(api, answer["AsyncOperationId"])["statuscode"] == 30
    assert read(api, f"importjobs({answer['ImportJobKey']})")["progress"] == 100
    assert len(read(api, "solutions")["value"]) == 1


def test_a_bad_role_fails_the_import_and_changes_nothing(api: SandboxSession) -> None:
    broken = CUSTOMIZATIONS.replace("prvReadAccount", "prvReadNothing")
    answer = api("POST", "ImportSolutionAsync", body(CustomizationFile=package(customizations=broken))).json()
    row = settled(api, answer["AsyncOperationId"])
    assert row["statuscode"] == 31
    assert "prvReadNothing" in row["friendlymessage"]
    assert error_of(api("GET", "crmb_links"))[0] == 404
    assert read(api, "solutions")["value"] == []


@pytest.mark.parametrize(
    "content",
    ["", "not base64!", base64.b64encode(b"no zip").decode(), package(customizations="<!DOCTYPE a><a/>")],
    ids=["empty", "not base64", "no zip", "with a document type"],
)
def test_nonsense_is_refused(api: SandboxSession, content: str) -> None:
    assert error_of(api("POST", "ImportSolution", body(CustomizationFile=content)))[0] == 400
    assert api("POST", "ImportSolution", body()).status_code == 204
