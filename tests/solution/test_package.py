"""The solution package: built from files, the same bytes each time, and taken by a CRM (dataverse-web-api.md 12)."""

import base64
import io
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from django.core.management import call_command

from connection.solution import build, shipped
from tests.sandbox_process import SandboxProcess


def test_the_command_writes_the_same_package_every_time(tmp_path: Path) -> None:
    files = [tmp_path / "first.zip", tmp_path / "second.zip"]
    for file in files:
        call_command("build_solution", output=file, verbosity=0)
    assert files[0].read_bytes() == files[1].read_bytes() == build()
    with zipfile.ZipFile(files[0]) as package:
        assert package.namelist() == ["[Content_Types].xml", "customizations.xml", "solution.xml"]


def test_the_manifest_lists_every_component() -> None:
    with zipfile.ZipFile(io.BytesIO(build())) as package:
        manifest = ElementTree.fromstring(package.read("solution.xml"))
        customizations = ElementTree.fromstring(package.read("customizations.xml"))
    assert manifest.findtext("SolutionManifest/Managed") == "1"
    assert manifest.findtext("SolutionManifest/Version") == shipped().version
    listed = {(item.get("type"), item.get("schemaName") or item.get("id")) for item in manifest.iter("RootComponent")}
    entities = {("1", (item.get("Name") or "").lower()) for item in customizations.iter("entity")}
    roles = {("20", item.get("id")) for item in customizations.iter("Role")}
    assert listed == entities | roles
    prefix = shipped().publisher.prefix
    names = [item.get("PhysicalName") or "" for item in customizations.iter("attribute")]
    assert names
    assert all(name.startswith(f"{prefix}_") for name in names)


def test_a_crm_takes_it_and_has_the_tables_columns_keys_and_roles(sandbox: SandboxProcess) -> None:
    api = sandbox.session()
    body = {"CustomizationFile": base64.b64encode(build()).decode(), "PublishWorkflows": True}
    body |= {"OverwriteUnmanagedCustomizations": True, "ImportJobId": "0d2a5c5e-0000-4000-8000-000000000001"}
    answer = api("POST", "ImportSolution", body)
    assert answer.status_code == 204, answer.text

    link = {"crmb_name": "Fjordkraft", "crmb_webclienturl": "https://bridge.example"}
    assert api("PATCH", "crmb_erplinks(crmb_name='Fjordkraft')", link).status_code == 204
    statistics = {"crmb_name": "A", "crmb_customerno": "10000", "crmb_balancelcy": 12.5}
    statistics |= {"crmb_overdueamountsasof": "2026-01-31"}
    made = api("POST", "crmb_accountstatisticses", statistics, headers={"Prefer": "return=representation"}).json()
    account = {"name": "A", "crmb_erpno": "10000", "crmb_iscoupled": True}
    account["crmb_AccountStatisticsId@odata.bind"] = f"/crmb_accountstatisticses({made['crmb_accountstatisticsid']})"
    assert api("POST", "accounts", account).status_code == 204

    known = api("GET", "products?$select=crmb_availability,crmb_availabilityasof,crmb_erpno&$top=1")
    assert known.status_code == 200, known.text
    for role in shipped().roles:
        path = f"roles({role.id})/roleprivileges_association?$select=name"
        held = {row["name"] for row in api("GET", path).json()["value"]}
        assert held == set(role.privileges)
