"""An administrator's way through the sign-in of the sandbox, over HTTP, as a browser goes it."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client

from connection.dataverse.session import GuardedSession
from connection.models import CRMConnection
from tests.sandbox_process import SandboxProcess, SandboxSession
from tests.sync.wire import Wire
from tests.turns import Turns

ADMINISTRATOR = "admin@fjordkraft.example"


@pytest.fixture
def connection(connection: CRMConnection, sandbox: SandboxProcess) -> CRMConnection:
    """The connection as the guide begins it: disabled, its application a user without any role."""
    connection.client_id = sandbox.details["sync_client_id"]
    connection.set_secret(sandbox.details["sync_client_secret"])
    connection.is_enabled = False
    connection.save()
    return connection


@pytest.fixture
def api(sandbox: SandboxProcess) -> SandboxSession:
    """Somebody who may do everything in the CRM, to arrange and to look."""
    return sandbox.session()


def at_login(sandbox: SandboxProcess, page: str, login: str, **pressed: str) -> dict[str, str]:
    """Fill in the login server's page; return what it sends back with the browser."""
    answer = requests.post(
        page,
        data={"login": login, "password": sandbox.people().get(login, ""), **pressed},
        headers={"Origin": sandbox.details["address"]},
        verify=sandbox.details["ca_file"],
        allow_redirects=False,
        timeout=200,
    )
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


class Browser:
    """A person of crmbridge at a browser, who signs in to the CRM as whoever is named."""

    def __init__(self, client: Client, sandbox: SandboxProcess, turns: Turns) -> None:
        self.client = client
        self.sandbox = sandbox
        self.turns = turns

    def begin(self, task: str, sync_user: str = "", back: str = "/connection/") -> str:
        """Press the button; return the address of the login server's page."""
        answer = self.client.post("/connection/sign-in/", {"task": task, "next": back, "sync_user": sync_user})
        assert answer.status_code == 200, answer.content
        return str(answer["Refresh"]).partition("url=")[2]

    def at_login(self, page: str, login: str, **pressed: str) -> dict[str, str]:
        """Fill in the login server's page; return what it sends back with the browser."""
        return at_login(self.sandbox, page, login, **pressed)

    def come_back(self, brought: dict[str, str]) -> str:
        """Return from the login server; return where to and what the message says."""
        answer: Any = self.client.get("/connection/signed-in/", brought)
        assert answer.status_code == 302, answer.content
        return " ".join([answer["Location"], *(message.message for message in get_messages(answer.wsgi_request))])

    def errand(self, task: str, login: str = ADMINISTRATOR, sync_user: str = "") -> str:
        """The whole way; return where it led to and what the message says."""
        return self.come_back(self.at_login(self.begin(task, sync_user), login))

    def imported(self) -> dict[str, Any]:
        """The latest import, once it is over."""
        self.turns.over_to_imports()
        latest: dict[str, Any] = self.client.get("/api/v1/solution-imports/").json()["results"][0]
        return latest


@pytest.fixture
def visitor(connection: CRMConnection, sandbox: SandboxProcess, alice: User, turns: Turns) -> Browser:
    """Alice, an administrator of crmbridge. The sandbox sends people back to this machine only."""
    client = Client(SERVER_NAME="localhost")
    client.force_login(alice)
    return Browser(client, sandbox, turns)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """What lies between every client and the CRM."""
    wire, adapter_of = Wire(None), GuardedSession.get_adapter

    def get_adapter(session: GuardedSession, url: str) -> Wire:
        wire.inner = adapter_of(session, url)
        return wire

    monkeypatch.setattr(GuardedSession, "get_adapter", get_adapter)
    return wire


@pytest.fixture
def ready(visitor: Browser) -> Browser:
    """The same after the import."""
    visitor.errand("import")
    assert visitor.imported()["state"] == "succeeded"
    return visitor


def user_named(api: SandboxSession, login: str) -> str:
    """The ID of a user of the CRM."""
    rows = api("GET", f"systemusers?$select=systemuserid&$filter=domainname eq '{login}'").json()["value"]
    return str(rows[0]["systemuserid"])


def role_named(api: SandboxSession, name: str) -> str:
    """The ID of a role of the CRM."""
    return str(api("GET", f"roles?$select=roleid&$filter=name eq '{name}'").json()["value"][0]["roleid"])


def take_role(api: SandboxSession, login: str, role: str) -> None:
    """Take a role from a user."""
    path = f"systemusers({user_named(api, login)})/systemuserroles_association({role_named(api, role)})/$ref"
    assert api("DELETE", path).status_code == 204


def give_role(api: SandboxSession, user: str, role: str) -> None:
    """Give a role to a user."""
    link = {"@odata.id": f"{api.root}roles({role_named(api, role)})"}
    assert api("POST", f"systemusers({user})/systemuserroles_association/$ref", link).status_code == 204
