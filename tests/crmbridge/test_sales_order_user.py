"""The user who handles the sales orders: the synchronization user or another account of the CRM (S50, S51)."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connection.models import CRMConnection
from coupling.defaults.install import install_defaults
from financials.models import CompanySettings
from tests.crmbridge.test_guide import send, text
from tests.sandbox_process import SandboxProcess, SandboxSession
from tests.solution.conftest import user_named

pytestmark = pytest.mark.django_db

OPTIONS = "/connection/set-up/options/"
SYNC_USER, ANOTHER = "crmbridge@fjordkraft.example", "admin@fjordkraft.example"


@pytest.fixture
def connection(connection: CRMConnection) -> CRMConnection:
    """A connection that is set up, and not enabled yet."""
    CompanySettings.objects.create(company_name="Fjordkraft", lcy_code="NOK")
    install_defaults("NOK", "NOK")
    connection.is_enabled, connection.sync_user_name = False, SYNC_USER
    connection.save()
    return connection


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    """Alice, the administrator, at her browser."""
    client.force_login(alice)
    return client


@pytest.fixture
def api(sandbox: SandboxProcess) -> SandboxSession:
    """Somebody who may do everything in the CRM."""
    return sandbox.session()


def by_page(desk: Client, connection: CRMConnection, name: str) -> str:
    """Switch the integration on with this user; what is said where it is refused."""
    answer = send(desk, OPTIONS, is_sales_order_integration_on="on", sales_order_user=name)
    return "" if answer.status_code == 302 else text(answer)


def by_program(desk: Client, connection: CRMConnection, name: str) -> str:
    """The same over the API."""
    given = {"is_sales_order_integration_on": True, "sales_order_user": name}
    answer = desk.patch(f"/api/v1/connection/{connection.pk}/options/", given, "application/json")
    return "" if answer.status_code == 200 else str(answer.json()["fields"]["sales_order_user"])


@pytest.mark.parametrize("switch_on", [by_page, by_program])
def test_s50_the_integration_is_on_only_with_a_user_whom_the_crm_knows_and_lets_in(
    desk: Client, connection: CRMConnection, api: SandboxSession, switch_on: Any
) -> None:
    api("PATCH", f"systemusers({user_named(api, ANOTHER)})", {"isdisabled": True})
    for name, why in (
        ("", "Name the user who handles the sales orders."),
        ("nobody@fjordkraft.example", "Dynamics CRM has no user “nobody@fjordkraft.example”."),
        (ANOTHER, f"The user {ANOTHER} is disabled in Dynamics CRM."),
    ):
        assert why in switch_on(desk, connection, name)
    stored = CRMConnection.objects.get()
    assert (stored.is_sales_order_integration_on, stored.sales_order_user) == (False, "")
    assert "Sales order integration: off" in text(desk.get("/connection/"))


@pytest.mark.parametrize("switch_on", [by_page, by_program])
@pytest.mark.parametrize("name", [SYNC_USER, ANOTHER])
def test_s51_the_synchronization_user_and_another_account_are_both_accepted(
    desk: Client, connection: CRMConnection, sandbox: SandboxProcess, switch_on: Any, name: str
) -> None:
    assert switch_on(desk, connection, name) == ""
    stored = CRMConnection.objects.get()
    assert (stored.is_sales_order_integration_on, stored.sales_order_user) == (True, name)
    # Every place shows who it is.
    assert f"Sales order integration: on ({name})" in text(desk.get("/connection/"))
    assert f'name="sales_order_user" value="{name}"' in text(desk.get(OPTIONS))
    assert name in text(desk.get(f"/admin/connection/crmconnection/{connection.pk}/change/"))
    options = desk.get(f"/api/v1/connection/{connection.pk}/options/").json()
    assert (options["is_sales_order_integration_on"], options["sales_order_user"]) == (True, name)
    # The preflight finds him, and what is asked of the CRM is still asked as the application.
    found = desk.get("/api/v1/preflight/", {"stage": "access"}).json()["findings"]
    said = " ".join(each["text"] for each in found if each["level"] == "blocker")
    assert "sales order user" not in said
    assert "has no user" not in said
    assert {caller for caller, _call in sandbox.log()} == {sandbox.details["client_id"]}
    # It can be switched off again.
    assert send(desk, OPTIONS, sales_order_user=name)["Location"] == "/connection/"
    assert "Sales order integration: off" in text(desk.get("/connection/"))
