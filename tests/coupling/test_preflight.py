"""The preflight finds, over the API, what would go wrong before anything is written (E14, C25, C37; S35, S51)."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from connection.dataverse.client import DataverseClient
from connection.models import CRMConnection
from connection.preflight.finding import Group
from connection.solution.content import shipped
from coupling.defaults.install import install_defaults
from coupling.models import FieldMapping, TableMapping
from coupling.options import couple_options
from financials.models import CompanySettings, Currency, Customer, PaymentTerms
from tests.sandbox.conftest import create, read
from tests.sandbox_process import SandboxProcess, SandboxSession
from tests.solution.conftest import give_role, user_named

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
# What the guide gives to the synchronization user.
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


Report = dict[str, Any]
Examine = Callable[..., Report]


@pytest.fixture
def examine(client: Client, alice: User) -> Examine:
    """Has everything examined, or one stage, as a program that acts for alice does."""
    client.force_login(alice)

    def examine(stage: str = "") -> Report:
        answer = client.get("/api/v1/preflight/", {"stage": stage})
        assert answer.status_code == 200, answer.content
        report: Report = answer.json()
        return report

    return examine


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


def texts(report: Report, level: str) -> list[str]:
    """What the findings of a level say."""
    return [each["text"] for each in report["findings"] if each["level"] == level]


def one(report: Report, words: str, table: str | None = None) -> dict[str, str]:
    """The one finding that says this (of this table)."""
    found: list[dict[str, str]] = [
        each for each in report["findings"] if words in each["text"] and table in (None, each["table"])
    ]
    assert len(found) == 1, f"{words} ({table}): {found}\n{report}"
    return found[0]


@pytest.mark.usefixtures("northwind")
def test_a_crm_that_is_set_up_well_is_ready(examine: Examine, api: SandboxSession, nothing_written: Any) -> None:
    known = {row["name"] for row in read(api, "privileges?$select=name")["value"]}
    demote(api, *(add_role(api, role.name, sorted(known.intersection(role.privileges))) for role in ROLES))
    nothing_written()
    report = examine()
    assert report["is_ready"], report
    (warning,) = texts(report, "warning")
    assert "The solution is not installed" in warning
    assert {finding["group"] for finding in report["findings"]} == set(Group.values)
    assert "9 in the ERP, " in one(report, "in Dynamics CRM.", "SALESPEOPLE")["text"]
    assert "Power Automate" in one(report, "cannot be known")["text"]
    first = examine()
    Customer.objects.bulk_create(Customer(no=f"X{number:05}", name=f"Customer {number}") for number in range(900))
    assert examine()["requests"] == first["requests"] <= 30  # whatever the number of records (I9)


@pytest.mark.usefixtures("northwind")
def test_every_missing_right_is_named_with_the_role_that_gives_it(
    examine: Examine, api: SandboxSession, nothing_written: Any
) -> None:
    lacking = ["prvCreateAccount", "prvAppendToUser", "prvAssignContact", "prvWriteTransactionCurrency"]
    TableMapping.objects.create(name="TEAM", erp_table="financials.Salesperson", crm_table="team", erp_key="code")
    add_role(api, "Team keeper", ["prvCreateTeam", "prvReadTeam", "prvWriteTeam"])
    kept = [each for each in NEEDED if each not in [*lacking, "prvReadContact"]]
    own = add_role(api, "Integration (own)", [*kept, "prvReadPrivilege", "prvReadTeam"])
    demote(api, own, add_role(api, "Some contacts", ["prvReadContact"], depth="Basic"))
    nothing_written()
    report = examine()
    found = [each for each in report["findings"] if (each["group"], each["level"]) == ("rights", "blocker")]
    named = {name for each in found for name in re.findall(r"“(prv\w+)”", each["text"])}
    assert named == {*lacking, "prvReadContact", "prvCreateTeam", "prvWriteTeam"}
    assert one(report, "“prvReadWorkflow”")["level"] == "notice"
    assert "“crmbridge Integration User”" in one(report, "“prvCreateAccount”")["fix"]
    assert "“Team keeper”" in one(report, "“prvCreateTeam”")["fix"]
    assert "for some rows only" in one(report, "“prvReadContact”")["text"]
    assert one(report, "“prvAppendToUser”")["table"] == "systemuser"
    rights = {(row["table"], verb): cell for row in report["rights"] for verb, cell in row["verbs"].items()}
    blocked = {finding["table"] for finding in found}
    missing = {place for place, cell in rights.items() if cell["needed"] and not cell["held"]}
    assert {place for place in missing if place[0] in blocked} == {
        ("account", "Create"),
        ("systemuser", "AppendTo"),
        ("contact", "Assign"),
        ("contact", "Read"),
        ("transactioncurrency", "Write"),
        ("team", "Create"),
        ("team", "Write"),
    }
    assert rights["account", "Write"]["held"]
    assert not rights["account", "Delete"]["needed"]


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
    examine: Examine, api: SandboxSession, mappings: dict[str, TableMapping], nothing_written: Any
) -> None:
    plant_in_crm(api)
    plant_in_mappings(mappings)
    PaymentTerms.objects.create(code="13D", description="Thirteen days")
    Customer.objects.create(no="D1", name="Doppelt AS", payment_terms_code="13D")
    Customer.objects.create(no="D2", name="DOPPELT as", phone_no="0" * 30)
    Currency.objects.create(code="SEK", description="Swedish krona")
    nothing_written()
    report = examine()
    for level, table, words in [
        ("blocker", "", "System Administrator"),
        ("blocker", "CUSTOMER", "no column “fax_gone”"),
        ("blocker", "CUSTOMER", "“name” holds text and “creditlimit” holds numbers"),
        ("blocker", "CUSTOMER", "“primarycontactid” cannot refer to the table “transactioncurrency”"),
        ("blocker", "CUSTOMER", "names fields that do not exist: no_such_field"),
        ("blocker", "GONE", "no table “crmb_nothing”"),
        ("blocker", "GONE", "“financials.Nothing” is not installed"),
        ("blocker", "UNITS", "Change tracking is switched off"),
        ("warning", "CONTACT", "No field is marked to match on"),
        ("warning", "CUSTOMER", "SALESPEOPLE, which is disabled"),
        ("warning", "CUSTOMER", "1 value of “name” occurs in several ERP records (2 altogether): “doppelt as”"),
        ("warning", "CUSTOMER", "1 value of “name” occurs in several CRM rows (2 altogether): “doppelt as”"),
        ("warning", "CUSTOMER", "2 ERP records would match more than one CRM row"),
        (
            "warning",
            "CUSTOMER",
            "1 text in “address1_line1” is cut, as “address” takes 100 characters only: “Long”",
        ),
        ("warning", "CUSTOMER", "Codes in “payment_terms_code” have no option"),
        ("warning", "transactioncurrency", "1 currency has no exchange rate and cannot be sent: “SEK”"),
        ("warning", "account", "Processes start when these rows change: “Welcome mail”"),
        ("notice", "contact", "Duplicate detection rules look at these rows"),
        ("notice", "", "audit log of every change in"),
        ("notice", "CURRENCY", "one at a time"),
    ]:
        finding = one(report, words, table)
        assert finding["level"] == level, finding
        assert finding["fix"] or level == "notice", finding


def test_s35_who_cannot_be_the_synchronization_user(
    mappings: dict[str, TableMapping],
    connection: CRMConnection,
    examine: Examine,
    api: SandboxSession,
    sandbox: SandboxProcess,
) -> None:
    administrator = one(examine("access"), "has the role System Administrator.")
    assert "The synchronization user" in administrator["text"]
    assert "give it the integration roles" in administrator["fix"]
    connection.client_id = sandbox.details["sync_client_id"]
    connection.set_secret(sandbox.details["sync_client_secret"])
    connection.save()
    without_role = one(examine("access"), "has no security role")
    assert "Synchronization user" in without_role["fix"]
    login = "crmbridge.sync@fjordkraft.example"
    add_role(api, "Integration (own)", [*NEEDED, "prvReadPrivilege"])
    give_role(api, user_named(api, login), "Integration (own)")
    assert texts(examine("access"), "blocker") == []
    api("PATCH", f"systemusers({user_named(api, login)})", {"isdisabled": True})
    disabled = one(examine("access"), "is disabled in Dynamics CRM")
    assert disabled["fix"]
    assert {each["level"] for each in (administrator, without_role, disabled)} == {"blocker"}


def test_s51_another_account_for_the_sales_orders_must_be_able_to_work(
    mappings: dict[str, TableMapping], connection: CRMConnection, examine: Examine, api: SandboxSession
) -> None:
    login = "admin@fjordkraft.example"
    user = f"systemusers({user_named(api, login)})"

    def said(level: str) -> str:
        return " ".join(each for each in texts(examine("access"), level) if each.startswith("The sales order user"))

    CRMConnection.objects.update(is_sales_order_integration_on=True, sales_order_user=connection.client_id)
    assert said("blocker") + said("warning") == ""  # the synchronization user, of whom enough is said
    CRMConnection.objects.update(sales_order_user=login)
    assert "has the role System Administrator." in said("warning")
    assert said("blocker") == ""
    api("PATCH", user, {"islicensed": False})
    assert "has no licence." in said("blocker")
    api("PATCH", user, {"islicensed": True, "isdisabled": True})
    assert "is disabled in Dynamics CRM." in said("blocker")
    for row in read(api, f"{user}/systemuserroles_association?$select=roleid")["value"]:
        api("DELETE", f"{user}/systemuserroles_association({row['roleid']})/$ref")
    assert "has no security role." in said("blocker")
    CRMConnection.objects.update(sales_order_user="nobody@fjordkraft.example")
    assert "Dynamics CRM has no user “nobody@fjordkraft.example”." in texts(examine("access"), "blocker")
    CRMConnection.objects.update(is_sales_order_integration_on=False)
    assert "nobody@" not in " ".join(texts(examine("access"), "blocker"))
