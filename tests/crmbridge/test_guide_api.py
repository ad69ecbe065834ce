"""The set-up over the API does what the pages do, by the same rules (S17, S42, S90)."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from connection.models import CRMConnection
from coupling.models import FieldMapping, TableMapping
from crmbridge.guide import progress
from financials.models import CompanySettings, WebServiceKey
from tests.factories import ConnectionFactory
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db


class Program:
    """A program that acts for a user."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        sent = json.dumps({} if body is None else body)
        answer = self.client.generic(method, f"/api/v1/{path}", sent, content_type="application/json")
        return answer.status_code, answer.json()


@pytest.fixture
def api(alice: User) -> Program:
    CompanySettings.objects.create(company_name="Fjordkraft", lcy_code="NOK")
    return Program(alice)


def settings_of(sandbox: SandboxProcess, **changes: str) -> dict[str, str]:
    details = sandbox.details
    return {
        "address": details["address"] + "/main.aspx",
        "authority": details["authority"],
        "tenant_id": details["tenant"],
        "client_id": details["client_id"],
        "client_secret": details["client_secret"],
    } | changes


def test_s17_a_program_sets_the_connection_up_tests_enables_and_disables_it(
    api: Program, sandbox: SandboxProcess
) -> None:
    code, made = api("POST", "connection/", settings_of(sandbox))
    assert (code, made["address"], made["is_enabled"]) == (201, sandbox.details["address"], False)
    assert sandbox.details["client_secret"] not in str(made)
    assert api("POST", "connection/", settings_of(sandbox))[0] == 409
    code, chosen = api("POST", "mappings/choose/", {"tables": ["CONTACT"]})
    assert (code, chosen) == (200, {"tables": ["CONTACT", "CURRENCY", "CUSTOMER"]})
    one = f"connection/{made['id']}/"
    assert api("POST", f"{one}test/")[1]["ok"] is True
    assert api("POST", f"{one}enable/")[1]["ok"] is True
    assert CRMConnection.objects.get().is_enabled
    assert "Dynamics CRM answers" in [point["title"] for point in api("GET", f"{one}health/")[1]]
    assert api("PATCH", one, {"tenant_id": "other"})[0] == 409
    assert api("POST", f"{one}disable/")[1]["disable_reason"] == "Disabled by alice."
    assert "odata_user" in api("PATCH", f"{one}options/", {"is_item_availability_on": True})[1]["fields"]
    WebServiceKey.change(User.objects.get(), by="alice")
    options = {"is_item_availability_on": True, "odata_user": "alice"}
    assert api("PATCH", f"{one}options/", options)[1]["odata_user"] == "alice"
    # What a form leaves out stays.
    form = api.client.patch(f"/api/v1/{one}options/", "odata_user=alice", "application/x-www-form-urlencoded")
    assert form.json()["is_item_availability_on"] is True
    assert api("GET", f"{one}options/")[1]["is_item_availability_on"] is True
    orders = {"is_sales_order_integration_on": True, "sales_order_user": "nobody@fjordkraft.example"}
    assert "sales_order_user" in api("PATCH", f"{one}options/", orders)[1]["fields"]
    FieldMapping.objects.filter(mapping__name="CUSTOMER", crm_column="fax").update(erp_field="phone_no")
    assert len(api("GET", f"{one}default-setup/")[1]) == 1
    assert len(api("POST", f"{one}default-setup/")[1]) == 1
    assert api("GET", f"{one}default-setup/")[1] == []
    code, changed = api("PATCH", one, {"tenant_id": "contoso.com"})
    assert (code, changed["is_enabled"]) == (200, False)
    assert CRMConnection.objects.get().client_secret.reveal() == sandbox.details["client_secret"]
    assert [step["name"] for step in api("GET", "connection/guide/")[1]][:3] == ["start", "address", "data"]


def test_what_the_pages_refuse_the_api_refuses_under_its_own_names(api: Program) -> None:
    wrong = {"address": "http://contoso.crm4.dynamics.com", "tenant_id": "t", "client_id": "c"}
    code, said = api("POST", "connection/", wrong)
    assert (code, said["code"]) == (400, "invalid")
    assert set(said["fields"]) == {"address", "client_secret"}
    assert "https://contoso.crm4.dynamics.com" in said["fields"]["address"][0]
    assert "certificate" in api("POST", "connection/", wrong | {"certificate": "no PEM"})[1]["fields"]
    assert not CRMConnection.objects.exists()


def test_of_two_programs_that_set_up_at_once_one_is_refused(
    api: Program, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = progress.one_at_a_time

    def other_was_faster() -> None:
        wait()
        ConnectionFactory.create(is_enabled=False)

    monkeypatch.setattr("crmbridge.guide.api.one_at_a_time", other_was_faster)
    assert api("POST", "connection/", settings_of(sandbox))[0] == 409
    assert CRMConnection.objects.count() <= 1
    assert api("POST", "connection/", [])[0] == 400


def test_s90_the_default_setup_takes_the_permission_to_change_mappings(sandbox: SandboxProcess, bob: User) -> None:
    made = ConnectionFactory.create(is_enabled=False)
    codes = ("view_crmconnection", "change_crmconnection")
    bob.user_permissions.set(Permission.objects.filter(codename__in=codes))
    program = Program(bob)
    assert program("GET", f"connection/{made.pk}/default-setup/")[0] == 200
    assert program("POST", f"connection/{made.pk}/default-setup/")[0] == 403
    assert program.client.get("/connection/set-up/data/").status_code == 403


def test_s20_mappings_are_switched_with_what_they_need(api: Program) -> None:
    api("POST", "mappings/choose/", {"tables": ["SALESPEOPLE"]})
    assert api("POST", "mappings/CUSTOMER/switch-on/") == (200, {"tables": ["CURRENCY", "CUSTOMER"]})
    assert api("POST", "mappings/CURRENCY/switch-off/")[0] == 409
    assert TableMapping.objects.get(name="CURRENCY").is_enabled
    assert api("POST", "mappings/CUSTOMER/switch-off/") == (200, {"tables": ["CUSTOMER"]})


def test_s90_who_may_only_look_changes_nothing(sandbox: SandboxProcess, bob: User) -> None:
    assert Program(bob)("POST", "connection/", settings_of(sandbox))[0] == 403
    assert Program(bob)("POST", "mappings/choose/", {"tables": []})[0] == 403
