"""The synchronization user and its roles (S34 to S40), over HTTP against the sandbox."""

from typing import Any

import pytest
from django.contrib.messages import get_messages

from connection import errands
from connection.dataverse.administration import User
from connection.dataverse.client import DataverseClient
from connection.models import CRMConnection, SolutionImport
from connection.solution import shipped
from connection.users import RolesReport, give_roles
from tests.sandbox_process import SandboxProcess, SandboxSession
from tests.solution.conftest import ADMINISTRATOR, Browser, give_role, user_named

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

SYNC_USER = "crmbridge.sync@fjordkraft.example"
ROLES = ("crmbridge Integration Administrator", "crmbridge Integration User")


def roles_of(api: SandboxSession, login: str = SYNC_USER) -> set[str]:
    path = f"systemusers({user_named(api, login)})/systemuserroles_association?$select=name"
    return {row["name"] for row in api("GET", path).json()["value"]}


def test_s37_s38_the_user_gets_its_roles_and_the_report_says_which(
    ready: Browser, connection: CRMConnection, api: SandboxSession, sandbox: SandboxProcess
) -> None:
    assert roles_of(api) == set()
    roles = f"/api/v1/connection/{connection.pk}/roles/"
    unknown = ready.client.get(roles).json()
    assert unknown["error"]
    said = ready.errand("roles")
    assert f"Roles given to {SYNC_USER}: {', '.join(ROLES)}." in said
    assert roles_of(api) == set(ROLES)
    state = ready.client.get(roles).json()
    assert state == {"present": list(ROLES), "missing": [], "is_administrator": False, "error": None}
    connection.refresh_from_db()
    assert connection.sync_user_name == SYNC_USER
    assert str(connection.user_id) == user_named(api, SYNC_USER)

    writes = sandbox.calls()["writes"]
    said = ready.errand("roles", sync_user=SYNC_USER)  # by name as well, and without harm
    assert f"Roles that {SYNC_USER} had already: {', '.join(ROLES)}." in said
    assert "given" not in said
    assert sandbox.calls()["writes"] == writes

    link = f"systemusers({user_named(api, SYNC_USER)})/systemuserroles_association({shipped().roles[1].id})/$ref"
    assert api("DELETE", link).status_code == 204
    assert ready.client.get(roles).json()["missing"] == [ROLES[1]]
    said = ready.errand("roles")
    assert f"Roles given to {SYNC_USER}: {ROLES[1]}." in said
    assert f"had already: {ROLES[0]}." in said


def test_f5_25_nothing_is_changed_in_the_crm_while_the_connection_is_enabled(
    ready: Browser, connection: CRMConnection, api: SandboxSession, sandbox: SandboxProcess
) -> None:
    brought = ready.at_login(ready.begin("roles"), ADMINISTRATOR)
    CRMConnection.objects.update(is_enabled=True)  # by a colleague, while the administrator types a password
    said = "The connection is enabled. Disable it before you change its settings."
    assert said in ready.come_back(brought)
    writes = sandbox.calls()["writes"]
    for task in ("import", "roles"):
        answer: Any = ready.client.post("/connection/sign-in/", {"task": task})
        assert answer["Location"] == "/connection/"
        assert said in [message.message for message in get_messages(answer.wsgi_request)]
    assert roles_of(api) == set()
    assert sandbox.calls()["writes"] == writes
    assert SolutionImport.objects.count() == 1


def test_the_user_of_other_settings_is_not_remembered(
    ready: Browser, connection: CRMConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def while_another_application_is_saved(client: DataverseClient, user: User) -> RolesReport:
        CRMConnection.objects.update(client_id="another application")
        return give_roles(client, user)

    monkeypatch.setattr(errands, "give_roles", while_another_application_is_saved)
    assert "The settings were changed by somebody else meanwhile." in ready.errand("roles")
    stored = CRMConnection.objects.get()
    assert (stored.client_id, stored.sync_user_name, stored.user_id) == ("another application", "", None)


def test_s35_an_administrator_is_refused_in_this_place(
    ready: Browser, connection: CRMConnection, api: SandboxSession
) -> None:
    before = roles_of(api, ADMINISTRATOR)
    assert "is the administrator who signed in" in ready.errand("roles", sync_user=ADMINISTRATOR)
    assert "has the security role System Administrator" in ready.errand(
        "roles", sync_user="crmbridge@fjordkraft.example"
    )
    assert roles_of(api, ADMINISTRATOR) == before
    give_role(api, user_named(api, SYNC_USER), "System Administrator")
    said = ready.errand("roles")
    assert f"{SYNC_USER} has the security role System Administrator" in said
    assert "dedicated" in said
    connection.refresh_from_db()
    assert connection.sync_user_name == ""


def test_s36_the_user_must_exist_and_be_enabled_and_is_not_created(ready: Browser, api: SandboxSession) -> None:
    people = len(api("GET", "systemusers?$select=systemuserid").json()["value"])
    for unknown in ("nobody@fjordkraft.example", "0e0c5a4e-0000-4000-8000-00000000000f"):
        said = ready.errand("roles", sync_user=unknown)
        assert f"has no user “{unknown}”" in said
        assert "does not create users" in said
    assert len(api("GET", "systemusers?$select=systemuserid").json()["value"]) == people
    api("PATCH", f"systemusers({user_named(api, SYNC_USER)})", {"isdisabled": True})
    assert f"{SYNC_USER} is disabled" in ready.errand("roles")


def test_s34_no_other_user_than_the_one_that_the_connection_signs_in_as(ready: Browser, api: SandboxSession) -> None:
    unit = api("GET", "businessunits?$select=businessunitid").json()["value"][0]["businessunitid"]
    made = {"firstname": "Kari", "lastname": "Nordmann", "domainname": "kari@fjordkraft.example", "islicensed": True}
    made |= {"internalemailaddress": "kari@fjordkraft.example", "businessunitid@odata.bind": f"/businessunits({unit})"}
    assert api("POST", "systemusers", made).status_code == 204
    assert "does not sign in as kari" in ready.errand("roles", sync_user="kari@fjordkraft.example")
    assert roles_of(api, "kari@fjordkraft.example") == set()


def test_another_application_or_environment_starts_anew(ready: Browser, connection: CRMConnection) -> None:
    ready.errand("roles")
    names = ("name", "address", "authority", "tenant_id", "client_id")
    admin = f"/admin/connection/crmconnection/{connection.pk}/change/"
    fields = {name: getattr(connection, name) for name in names}
    ready.client.post(admin, {**fields, "name": "CRM"})
    connection.refresh_from_db()
    assert (connection.sync_user_name, connection.solution_version) == (SYNC_USER, shipped().version)
    ready.client.post(admin, {**fields, "client_id": "0e0c5a4e-0000-4000-8000-00000000000f"})
    connection.refresh_from_db()
    assert (connection.sync_user_name, connection.solution_version) == ("", shipped().version)
    ready.client.post(admin, {**fields, "address": "https://localhost:1"})
    connection.refresh_from_db()
    assert connection.solution_version == ""


def test_without_the_solution_there_are_no_roles_to_give(visitor: Browser, api: SandboxSession) -> None:
    said = visitor.errand("roles")
    assert "The integration roles do not exist" in said
    assert "Import the Dynamics CRM solution first" in said
    assert roles_of(api) == set()


def test_who_gives_roles_is_an_administrator_too(ready: Browser, api: SandboxSession) -> None:
    assert "is not a user of this" in ready.errand("roles", "outsider@fjordkraft.example")
    assert roles_of(api) == set()
