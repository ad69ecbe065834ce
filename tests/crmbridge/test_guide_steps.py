"""The guide's steps in the CRM: solution, synchronization user, options; and finishing (S21 to S51)."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from connection.check import ConnectionReport, check_connection
from connection.models import CRMConnection
from coupling.models import FieldMapping, TableMapping
from crmbridge.models import GuideDraft
from financials.models import CompanySettings, WebServiceKey
from sync.models import FullSynchronization, FullSynchState, SynchJob
from tests.conftest import PASSWORD
from tests.crmbridge.test_guide import GUIDE, seen_in, send, settings_of, text
from tests.sandbox_process import SandboxProcess
from tests.solution.conftest import Browser, give_role
from tests.turns import Turns

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def visitor(sandbox: SandboxProcess, settings: Settings, alice: User, turns: Turns) -> Browser:
    """Alice in the guide, which has come to the step of the solution; the application has no role yet."""
    settings.SANDBOX_FILE = sandbox.folder / "sandbox.json"
    CompanySettings.objects.create(company_name="Fjordkraft", lcy_code="NOK")
    client = Client(SERVER_NAME="localhost")
    client.force_login(alice)
    send(client, f"{GUIDE}start/", consent="on")
    send(client, f"{GUIDE}address/", use_sandbox="1")
    assert send(client, f"{GUIDE}data/", tables=["CURRENCY", "SALESPEOPLE"])["Location"] == f"{GUIDE}solution/"
    return Browser(client, sandbox, turns)


def user_of(sandbox: SandboxProcess) -> str:
    """The id of the synchronization user."""
    query = f"systemusers?$select=systemuserid&$filter=applicationid eq {sandbox.details['sync_client_id']}"
    return str(sandbox.session()("GET", query).json()["value"][0]["systemuserid"])


def with_solution(visitor: Browser) -> Client:
    desk = visitor.client
    visitor.errand("import")
    assert visitor.imported()["state"] == "succeeded"
    assert send(desk, f"{GUIDE}solution/", imports_solution="True")["Location"] == f"{GUIDE}user/"
    return desk


def at_options(visitor: Browser) -> Client:
    desk = with_solution(visitor)
    visitor.errand("roles")
    assert send(desk, f"{GUIDE}user/")["Location"] == f"{GUIDE}options/"
    return desk


def at_finish(visitor: Browser) -> Client:
    desk = at_options(visitor)
    address = send(desk, f"{GUIDE}options/")["Location"]
    while not address.endswith("finish/"):
        address = send(desk, address)["Location"]
    return desk


def test_s22_s33_choosing_the_import_makes_the_administrator_mandatory(visitor: Browser) -> None:
    desk = visitor.client
    page = text(desk.get(f"{GUIDE}solution/"))
    assert "System Customizer (also called Solution Customizer)" in page
    # S33: the step leads on to help on the CRM's users and roles, and on users and permissions here.
    assert "Create users and assign security roles" in page
    assert "Users and permissions" in page
    refused = text(send(desk, f"{GUIDE}solution/", imports_solution="True"))
    assert "Let an administrator sign in and import it, or choose to go on without it." in refused
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}solution/"
    assert "Choose one of the two." in text(send(desk, f"{GUIDE}solution/"))
    CRMConnection.objects.update(solution_version="0.9.0.0")
    assert "the older version 0.9.0.0" in text(send(desk, f"{GUIDE}solution/", imports_solution="True"))
    CRMConnection.objects.update(solution_version="")
    visitor.errand("import")
    page = text(send(desk, f"{GUIDE}solution/", imports_solution="True"))
    assert "is being imported already" in page
    assert 'class="btn btn-main" type="submit"><svg' in page
    part = "/connection/solution/?was_running"
    assert f'hx-get="{part}"' in page
    assert "HX-Trigger" not in desk.get(part)
    assert visitor.imported()["state"] == "succeeded"
    # The page hears that it is over, and has nothing else as its main button than Next.
    assert desk.get(part)["HX-Trigger"] == "import-over"
    assert 'class="btn btn-main" type="submit"><svg' not in text(desk.get(f"{GUIDE}solution/"))
    assert send(desk, f"{GUIDE}solution/", imports_solution="True")["Location"] == f"{GUIDE}user/"


def test_s23_s24_the_guide_is_finished_without_importing_and_without_synchronizing(
    visitor: Browser, sandbox: SandboxProcess
) -> None:
    desk = visitor.client
    assert send(desk, f"{GUIDE}solution/", imports_solution="False")["Location"] == f"{GUIDE}user/"
    assert "has no security role yet" in text(send(desk, f"{GUIDE}user/"))
    give_role(sandbox.session(), user_of(sandbox), "System Customizer")
    assert send(desk, f"{GUIDE}user/")["Location"] == f"{GUIDE}options/"
    page = text(desk.get("/connection/parts/roles/"))
    assert "does not have the role" in page
    send(desk, f"{GUIDE}options/")
    # The preflight names what the role lacks, and lets go on where nothing needs it.
    assert "lacks the privilege “prvCreateTransactionCurrency”" in text(send(desk, f"{GUIDE}check/"))
    send(desk, f"{GUIDE}data/", tables=["SALESPEOPLE"])
    assert send(desk, f"{GUIDE}check/")["Location"] == f"{GUIDE}finish/"
    # What is switched beside the guide is checked too before it can be finished.
    currency = f"/connection/mappings/{TableMapping.objects.get(name='CURRENCY').pk}/switch/"
    desk.post(currency, {"to": "on"})
    assert send(desk, f"{GUIDE}start/", consent="on")["Location"] == f"{GUIDE}address/"
    assert desk.get(f"{GUIDE}finish/")["Location"] == f"{GUIDE}check/"
    desk.post(currency, {"to": "off"})
    assert send(desk, f"{GUIDE}check/")["Location"] == f"{GUIDE}finish/"
    answer: Any = send(desk, f"{GUIDE}finish/", runs_full_synchronization="False")
    assert answer["Location"] == "/connection/"
    assert CRMConnection.objects.get().is_enabled
    assert not SynchJob.objects.exists()


def test_s36_a_user_that_is_disabled_keeps_the_guide_there(visitor: Browser, sandbox: SandboxProcess) -> None:
    desk = visitor.client
    send(desk, f"{GUIDE}solution/", imports_solution="False")
    sandbox.session()("PATCH", f"systemusers({user_of(sandbox)})", {"isdisabled": True})
    assert "is disabled in Dynamics CRM" in text(send(desk, f"{GUIDE}user/"))
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}user/"
    # An application that the CRM does not know as a user; it is made there, not by us.
    sandbox.session()("PATCH", f"systemusers({user_of(sandbox)})", {"isdisabled": False, "applicationid": str(uuid4())})
    page = text(send(desk, f"{GUIDE}user/"))
    assert "is not a user" in page
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}user/"


def test_s35_an_administrator_is_refused_as_the_synchronization_user(visitor: Browser) -> None:
    desk = visitor.client
    send(desk, f"{GUIDE}solution/", imports_solution="False")
    send(desk, f"{GUIDE}address/", **settings_of(visitor.sandbox))
    page = text(send(desk, f"{GUIDE}user/"))
    assert "is not an administrator" in page
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}user/"
    assert "has the security role System Administrator" in text(desk.get("/connection/parts/roles/"))


def test_s37_s38_s41_the_account_gets_its_roles_and_the_page_tells_them(visitor: Browser) -> None:
    desk = with_solution(visitor)
    # S41: the step leads on to help on users and roles of the CRM.
    assert "Create users and assign security roles" in text(desk.get(f"{GUIDE}user/"))
    assert "has no security role yet" in text(desk.get("/connection/parts/roles/"))
    assert "Roles given to" in visitor.errand("roles")
    page = text(desk.get("/connection/parts/roles/"))
    assert "It has the role" in page
    assert "does not have the role" not in page
    assert "had already" in visitor.errand("roles")
    assert CRMConnection.objects.get().sync_user_name in page
    assert send(desk, f"{GUIDE}user/")["Location"] == f"{GUIDE}options/"
    send(desk, "/connection/set-up/address/", **settings_of(visitor.sandbox))
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}user/"  # another application is another user


def test_s39_s40_s45_s48_s50_the_options_ask_for_their_accounts_and_are_not_enabled_without(
    visitor: Browser, alice: User
) -> None:
    desk = at_options(visitor)
    account = CRMConnection.objects.get().sync_user_name
    page = text(desk.get(f"{GUIDE}options/"))
    # S48: both steps with their state, since neither works alone.
    assert "Change Web Service Key on the user's page." in page
    assert "Name the OData web service user." in page
    assert page.count(">Missing<") == 2
    # S45: without a key the option stays off.
    availability = {"is_item_availability_on": "on", "odata_user": alice.pk}
    assert "has no web services access key" in text(send(desk, f"{GUIDE}options/", **availability))
    assert not CRMConnection.objects.get().is_item_availability_on
    named = availability | {"odata_user": ""}
    assert "Name the OData web service user first." in text(send(desk, f"{GUIDE}options/", **named))
    # S50: so does the other one without a user, or with one that the CRM does not know.
    orders = {"is_sales_order_integration_on": "on", "sales_order_user": ""}
    assert "Name the user who handles" in text(send(desk, f"{GUIDE}options/", **orders))
    assert not CRMConnection.objects.get().is_sales_order_integration_on
    # S40: every place is filled in with what is known.
    WebServiceKey.change(alice, by="alice")
    page = text(desk.get(f"{GUIDE}options/"))
    assert f'name="sales_order_user" value="{account}"' in page
    assert f'<option value="{alice.pk}" selected>' in page
    # A key alone, without the user named, does not do either.
    assert "Name the OData web service user first." in text(send(desk, f"{GUIDE}options/", **named))
    orders["sales_order_user"] = account
    assert send(desk, f"{GUIDE}options/", **availability, **orders)["Location"] == f"{GUIDE}check/"
    stored = CRMConnection.objects.get()
    assert (stored.is_item_availability_on, stored.odata_user) == (True, alice)
    assert (stored.is_sales_order_integration_on, stored.sales_order_user) == (True, account)
    page = text(desk.get("/connection/set-up/options/"))
    assert page.count(">Done<") == 2
    # S39: with everything on, there are three places, each with its account.
    window = text(desk.get("/connection/"))
    assert account in window.partition("Item availability")[0]
    assert f"Item availability: on (alice) · Sales order integration: on ({account})" in window


def test_s16_s20_s25_s26_two_finish_at_once_and_only_what_works_is_enabled(
    visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = at_finish(visitor)
    # What is changed past the guide is checked too before it is enabled.
    currency = TableMapping.objects.filter(name="CURRENCY")
    currency.update(crm_table="transactioncurrencyy")
    page = text(
        desk.post(
            f"{GUIDE}finish/",
            {"seen": seen_in(desk.get(f"{GUIDE}finish/")), "runs_full_synchronization": "True"},
            follow=True,
        )
    )
    assert "Something stands in the way." in page
    assert "Preflight check" in page
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}check/"
    assert not CRMConnection.objects.get().is_enabled
    currency.update(crm_table="transactioncurrency")
    assert send(desk, f"{GUIDE}check/")["Location"] == f"{GUIDE}finish/"

    tenant = CRMConnection.objects.get().tenant_id
    CRMConnection.objects.update(tenant_id="99999999-0000-4000-8000-000000000000")
    page = text(send(desk, f"{GUIDE}finish/", runs_full_synchronization="True"))
    assert "The connection does not work yet." in page
    assert not CRMConnection.objects.get().is_enabled
    assert not GuideDraft.objects.get().is_finished
    CRMConnection.objects.update(tenant_id=tenant)

    dagny = Client(SERVER_NAME="localhost")
    dagny.force_login(User.objects.create_superuser("dagny", password=PASSWORD))
    choice = {"seen": seen_in(dagny.get(f"{GUIDE}finish/")), "runs_full_synchronization": "True"}
    answers: list[Any] = []

    def while_dagny_finishes(connection: CRMConnection) -> ConnectionReport:
        report = check_connection(connection)
        if not answers:
            answers.append(None)
            answers[0] = dagny.post(f"{GUIDE}finish/", choice)
        return report

    monkeypatch.setattr("connection.check.check_connection", while_dagny_finishes)
    late: Any = desk.post(f"{GUIDE}finish/", choice, follow=True)
    # S25, S71: the review is prepared once, and nothing starts before Start is chosen there.
    assert answers[0]["Location"] == "/full-synchronization/"
    assert "dagny has finished the guide a moment ago. Nothing was done twice." in text(late)
    full = FullSynchronization.objects.get()
    assert full.state == FullSynchState.PREPARED
    assert not SynchJob.objects.exists()
    # S20: only what was chosen is active, and has a job.
    assert {line.name for line in full.lines.all()} == {"CURRENCY", "SALESPEOPLE"}
    assert set(TableMapping.objects.filter(is_enabled=True).values_list("name", flat=True)) == {
        "CURRENCY",
        "SALESPEOPLE",
    }
    # Who comes after both is told as well.
    assert "dagny finished the guide" in text(desk.post(f"{GUIDE}finish/", choice, follow=True))
    assert CRMConnection.enabled().base_currency_code == "NOK"
    assert FieldMapping.objects.get(crm_column="exchangerate").is_enabled
    draft = GuideDraft.objects.get()
    assert (draft.is_finished, str(draft.finished_by)) == (True, "dagny")
