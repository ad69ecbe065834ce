"""The preflight finds what would go wrong before anything is written (issue step 7; E14, C25, C37; S35)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from connection.dataverse.client import DataverseClient
from connection.models import CRMConnection
from connection.preflight.finding import Finding, Group, Level, PreflightReport
from connection.solution.content import shipped
from coupling.defaults.install import install_defaults
from coupling.models import FieldMapping, TableMapping
from coupling.options import couple_options
from coupling.preflight.check import preflight
from financials.models import CompanySettings, Currency, Customer, PaymentTerms
from tests.sandbox.conftest import create, read
from tests.sandbox_process import SandboxProcess, SandboxSession

NORTHWIND = Path(__file__).parent.parent / "data" / "northwind"
# What the default mappings need, written down from the rules of dataverse-web-api.md 11.
NEEDED = [
    *("prvReadOrganization", "prvReadUser", "prvReadRole", "prvAppendToUser"),
    *(
        f"prv{verb}{table}"
        for table in ("Account", "Contact")
        for verb in ("Create", "Read", "Write", "Append", "Assign")
    ),
    *("prvAppendToAccount", "prvAppendToContact", "prvAppendToTransactionCurrency"),
    *(f"prv{verb}TransactionCurrency" for verb in ("Create", "Read", "Write")),
]
# What the guide gives to the integration user.
ROLES = shipped().integration_roles


@pytest.fixture
def mappings(crm: DataverseClient) -> dict[str, TableMapping]:
    """The default mappings of a company that keeps its books in NOK."""
    CompanySettings.objects.create(company_name="Northwind Traders", lcy_code="NOK")
    install_defaults("NOK", "NOK")
    return {mapping.name: mapping for mapping in TableMapping.objects.all()}


@pytest.fixture
def northwind(mappings: dict[str, TableMapping], crm: DataverseClient) -> None:
    """91 customers, 91 contacts, 9 salespeople; their codes coupled to the CRM's options."""
    call_command("import_northwind", str(NORTHWIND), verbosity=0)
    couple_options(crm)


@pytest.fixture
def api(sandbox: SandboxProcess) -> SandboxSession:
    """A signed-in session of the application, which is an administrator until it is demoted."""
    return sandbox.session()


@pytest.fixture
def nothing_written(sandbox: SandboxProcess) -> Iterator[Any]:
    """Call it before the preflight; the test fails where the preflight wrote anything to the CRM."""
    before: list[int] = []
    yield lambda: before.append(sandbox.calls()["writes"])
    assert before, "the test did not say when it began"
    assert sandbox.calls()["writes"] == before[0]


def add_role(api: SandboxSession, name: str, privileges: list[str], depth: str = "Global") -> str:
    """A new security role with these privileges."""
    unit = read(api, "businessunits?$filter=_parentbusinessunitid_value eq null")["value"][0]["businessunitid"]
    role = create(api, "roles", name=name, **{"businessunitid@odata.bind": f"/businessunits({unit})"})
    known = {row["name"]: row["privilegeid"] for row in read(api, "privileges?$select=name")["value"]}
    granted = [{"PrivilegeId": known[each], "Depth": depth} for each in privileges]
    answer = api("POST", f"roles({role})/Microsoft.Dynamics.CRM.AddPrivilegesRole", {"Privileges": granted})
    assert answer.status_code == 204, answer.text
    return role


def demote(api: SandboxSession, *roles: str) -> None:
    """Give the application these roles in place of System Administrator."""
    me = read(api, "WhoAmI")["UserId"]
    held = read(api, f"systemusers({me})/systemuserroles_association?$select=roleid")["value"]
    for role in roles:
        body = {"@odata.id": f"{api.root}roles({role})"}
        assert api("POST", f"systemusers({me})/systemuserroles_association/$ref", body).status_code == 204
    for row in held:
        assert api("DELETE", f"systemusers({me})/systemuserroles_association({row['roleid']})/$ref").status_code == 204


def texts(report: PreflightReport, level: Level, group: Group | None = None) -> list[str]:
    """What the findings of a level say."""
    return [str(each) for each in report.findings if each.level == level and group in (None, each.group)]


def one(report: PreflightReport, words: str, table: str | None = None) -> Finding:
    """The one finding that says this (of this table)."""
    found = [each for each in report.findings if words in str(each.text) and table in (None, each.table)]
    assert len(found) == 1, f"{words} ({table}): {found}\n{report}"
    return found[0]


@pytest.mark.usefixtures("northwind")
def test_a_crm_that_is_set_up_well_is_ready(
    connection: CRMConnection, api: SandboxSession, sandbox: SandboxProcess, nothing_written: Any
) -> None:
    known = {row["name"] for row in read(api, "privileges?$select=name")["value"]}
    demote(api, *(add_role(api, role.name, sorted(known.intersection(role.privileges))) for role in ROLES))
    nothing_written()
    report = preflight(connection)
    assert report.is_ready, str(report)
    assert len(texts(report, Level.WARNING)) == 1, str(report)
    assert "The solution is not installed" in str(report)
    assert {finding.group for finding in report.findings} == set(Group)
    assert "9 in the ERP, " in str(one(report, "in Dynamics CRM.", "SALESPEOPLE").text)
    assert "Power Automate" in str(one(report, "cannot be known").text)
    first = preflight(connection)
    Customer.objects.bulk_create(Customer(no=f"X{number:05}", name=f"Customer {number}") for number in range(900))
    assert preflight(connection).requests == first.requests <= 30  # whatever the number of records (I9)


@pytest.mark.usefixtures("northwind")
def test_every_missing_right_is_named_with_the_role_that_gives_it(
    connection: CRMConnection, api: SandboxSession, nothing_written: Any
) -> None:
    lacking = ["prvCreateAccount", "prvAppendToUser", "prvAssignContact", "prvWriteTransactionCurrency"]
    TableMapping.objects.create(name="TEAM", erp_table="financials.Salesperson", crm_table="team", erp_key="code")
    add_role(api, "Team keeper", ["prvCreateTeam", "prvReadTeam", "prvWriteTeam"])
    kept = [each for each in NEEDED if each not in [*lacking, "prvReadContact"]]
    own = add_role(api, "Integration (own)", [*kept, "prvReadPrivilege", "prvReadTeam"])
    demote(api, own, add_role(api, "Some contacts", ["prvReadContact"], depth="Basic"))
    nothing_written()
    report = preflight(connection)
    found = [finding for finding in report.blockers if finding.group == Group.RIGHTS]
    assert {finding.technical for finding in found} == {*lacking, "prvReadContact", "prvCreateTeam", "prvWriteTeam"}
    assert one(report, "“prvReadWorkflow”").level == Level.NOTICE
    assert "“crmbridge Integration User”" in str(one(report, "“prvCreateAccount”").fix)
    assert "“Team keeper”" in str(one(report, "“prvCreateTeam”").fix)
    assert "for some rows only" in str(one(report, "“prvReadContact”").text)
    assert one(report, "“prvAppendToUser”").table == "systemuser"
    cells = {(row.table, cell.verb): cell for row in report.rights for cell in row.cells}
    blocked = {finding.table for finding in found}
    assert {key for key, cell in cells.items() if cell.is_missing and key[0] in blocked} == {
        ("account", "Create"),
        ("systemuser", "AppendTo"),
        ("contact", "Assign"),
        ("contact", "Read"),
        ("transactioncurrency", "Write"),
        ("team", "Create"),
        ("team", "Write"),
    }
    assert cells["account", "Write"].is_held
    assert not cells["account", "Delete"].is_needed


def plant_in_crm(api: SandboxSession) -> None:
    """Faults of the CRM's side."""
    for name in ("Doppelt AS", "doppelt as"):
        create(api, "accounts", name=name, customertypecode=3)
    create(api, "accounts", name="Long", customertypecode=3, address1_line1="x" * 150, paymenttermscode=4)
    mail = create(api, "workflows", name="Welcome mail", primaryentity="account", triggeroncreate=True, mode=1)
    assert api("PATCH", f"workflows({mail})", {"statecode": 1, "statuscode": 2}).status_code == 204
    text: dict[str, Any] = {"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Name"}
    thing = {"SchemaName": "new_Thing", "Attributes": [text | {"IsPrimaryName": True}]}
    assert api("POST", "EntityDefinitions", thing).status_code == 204
    condition = {"baseattributename": "emailaddress1", "matchingattributename": "emailaddress1", "operatorcode": 0}
    rule = {"name": "Same e-mail", "baseentityname": "contact", "matchingentityname": "contact"}
    same = create(api, "duplicaterules", **rule, DuplicateRule_DuplicateRuleConditions=[condition])
    assert api("POST", f"duplicaterules({same})/Microsoft.Dynamics.CRM.PublishDuplicateRule", {}).status_code == 200
    organization = read(api, "organizations?$select=name")["value"][0]["organizationid"]
    assert api("PATCH", f"organizations({organization})", {"isauditenabled": True}).status_code == 204


def plant_in_mappings(mappings: dict[str, TableMapping]) -> None:
    """Faults of the mappings."""
    customer = mappings["CUSTOMER"]
    customer.erp_template = {"no_such_field": 1}
    customer.save()
    fields = {each.crm_column: each for each in customer.fields.all()}
    fields["fax"].crm_column = "fax_gone"
    fields["fax"].save()
    fields["creditlimit"].erp_field = "name"
    fields["creditlimit"].save()
    FieldMapping.objects.filter(mapping=customer, crm_column="primarycontactid").update(lookup=mappings["CURRENCY"])
    FieldMapping.objects.filter(mapping=mappings["CONTACT"]).update(is_match_key=False)
    TableMapping.objects.create(
        name="UNITS", erp_table="financials.UnitOfMeasure", crm_table="new_thing", erp_key="code"
    )
    TableMapping.objects.create(name="GONE", erp_table="financials.Nothing", crm_table="crmb_nothing")
    mappings["SALESPEOPLE"].is_enabled = False
    mappings["SALESPEOPLE"].save()


@pytest.mark.usefixtures("northwind")
def test_planted_faults_are_all_found_before_anything_is_written(
    connection: CRMConnection, api: SandboxSession, mappings: dict[str, TableMapping], nothing_written: Any
) -> None:
    plant_in_crm(api)
    plant_in_mappings(mappings)
    PaymentTerms.objects.create(code="13D", description="Thirteen days")
    Customer.objects.create(no="D1", name="Doppelt AS", payment_terms_code="13D")
    Customer.objects.create(no="D2", name="DOPPELT as", phone_no="0" * 30)
    Currency.objects.create(code="SEK", description="Swedish krona")
    nothing_written()
    report = preflight(connection)
    for level, table, words in [
        (Level.BLOCKER, "", "System Administrator"),
        (Level.BLOCKER, "CUSTOMER", "no column “fax_gone”"),
        (Level.BLOCKER, "CUSTOMER", "“name” holds text and “creditlimit” holds numbers"),
        (Level.BLOCKER, "CUSTOMER", "“primarycontactid” cannot refer to the table “transactioncurrency”"),
        (Level.BLOCKER, "CUSTOMER", "names fields that do not exist: no_such_field"),
        (Level.BLOCKER, "GONE", "no table “crmb_nothing”"),
        (Level.BLOCKER, "GONE", "“financials.Nothing” is not installed"),
        (Level.BLOCKER, "UNITS", "Change tracking is switched off"),
        (Level.WARNING, "CONTACT", "No field is marked to match on"),
        (Level.WARNING, "CUSTOMER", "SALESPEOPLE, which is disabled"),
        (Level.WARNING, "CUSTOMER", "1 value of “name” occurs in several ERP records (2 altogether): “doppelt as”"),
        (Level.WARNING, "CUSTOMER", "1 value of “name” occurs in several CRM rows (2 altogether): “doppelt as”"),
        (Level.WARNING, "CUSTOMER", "2 ERP records would match more than one CRM row"),
        (
            Level.WARNING,
            "CUSTOMER",
            "1 text in “address1_line1” is cut, as “address” takes 100 characters only: “Long”",
        ),
        (Level.WARNING, "CUSTOMER", "Codes in “payment_terms_code” have no option"),
        (Level.WARNING, "transactioncurrency", "1 currency has no exchange rate and cannot be sent: “SEK”"),
        (Level.WARNING, "account", "Processes start when these rows change: “Welcome mail”"),
        (Level.NOTICE, "contact", "Duplicate detection rules look at these rows"),
        (Level.NOTICE, "", "audit log of every change in"),
        (Level.NOTICE, "CURRENCY", "one at a time"),
    ]:
        finding = one(report, words, table)
        assert finding.level == level, finding
        assert finding.fix or level == Level.NOTICE, finding
