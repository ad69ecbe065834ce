"""A copied database starts in safe mode: it keeps everything, calls nobody, and asks (users-ask E14, C32)."""

import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from connection.installation import claim
from connection.models import CRMConnection
from crmbridge.environment import installation_id
from sync.models import JobStatus
from sync.queue import enqueue
from sync.working import work_once
from tests.factories import ConnectionFactory, TableMappingFactory
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db


@pytest.fixture
def copied(connection: CRMConnection, sandbox: SandboxProcess, settings: Settings, alice: User) -> CRMConnection:
    """The database of an enabled connection, found in another installation."""
    connection.is_enabled = False
    connection.save()
    administrator = Client()
    administrator.force_login(alice)
    administrator.post("/connection/enable/")
    assert CRMConnection.objects.get().is_enabled
    settings.INSTALLATION = "another installation"
    sandbox.reset(empty=True)
    return CRMConnection.objects.get()


def test_a_copy_makes_no_call_whoever_asks(
    copied: CRMConnection, sandbox: SandboxProcess, client: Client, alice: User
) -> None:
    client.force_login(alice)
    customer = TableMappingFactory.create()
    assert "Safe mode" in client.post("/connection/test/").content.decode()
    assert "Safe mode" in str(client.post(f"/api/v1/connection/{copied.pk}/test/").json()["steps"])
    for where in ("/connection/enable/", f"/admin/connection/crmconnection/{copied.pk}/test/"):
        assert client.post(where).status_code < 500, where
    own = f"/api/v1/connection/{copied.pk}/"
    for where in ("/", "/connection/", "/connection/health/", "/connection/preflight/", own, f"{own}solution/"):
        assert client.get(where).status_code < 500, where
    entry = enqueue(customer)
    assert not work_once()
    entry.refresh_from_db()
    assert (entry.status, entry.message_text) == (JobStatus.READY, "")
    signing_in = client.post("/connection/sign-in/", {"task": "import"}, follow=True)
    assert "Safe mode" in signing_in.content.decode()
    for command in ("check_connection", "synchronize"):
        with pytest.raises(CommandError, match="Safe mode"):
            call_command(command, stdout=StringIO(), stderr=StringIO())
    assert sandbox.log() == []
    copied.refresh_from_db()
    assert (copied.is_enabled, copied.is_copy) == (True, True)


def test_home_and_the_api_ask_and_the_real_one_goes_on(
    copied: CRMConnection, sandbox: SandboxProcess, client: Client, alice: User, bob: User
) -> None:
    client.force_login(bob)
    page = client.get("/").content.decode()
    assert "Safe mode: this database is probably a copy." in page
    assert "This is the real one now" not in page
    assert client.post("/connection/copied/", {"answer": "real"}).status_code == 403
    client.force_login(alice)
    assert "This is the real one now" in client.get("/").content.decode()
    assert client.get("/api/v1/connection/").json()["results"][0]["is_copy"] is True
    entry = enqueue(TableMappingFactory.create())
    assert not work_once()
    assert client.post("/connection/copied/", {"answer": "real"})["Location"] == "/"
    assert work_once()  # what waited goes on
    entry.refresh_from_db()
    assert entry.status != JobStatus.READY
    assert client.post(f"/api/v1/connection/{copied.pk}/test/").json()["ok"]
    assert "Safe mode" not in client.get("/").content.decode()
    assert sandbox.log()


def test_kept_off_it_is_disabled_with_all_set_up_kept(
    copied: CRMConnection, sandbox: SandboxProcess, client: Client, alice: User
) -> None:
    client.force_login(alice)
    answer = client.post(f"/api/v1/connection/{copied.pk}/keep-off/")
    assert (answer.status_code, answer.json()["is_enabled"], answer.json()["is_copy"]) == (200, False, False)
    assert "copy" in answer.json()["disable_reason"]
    again = client.post(f"/api/v1/connection/{copied.pk}/claim/")
    assert (again.status_code, again.json()["code"]) == (409, "no_copy")
    kept = CRMConnection.objects.get()
    assert (kept.address, bool(kept.client_secret)) == (copied.address, True)
    assert sandbox.log() == []


def test_of_two_answers_the_first_counts(client: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    ConnectionFactory.create(installation="there")
    client.force_login(alice)

    def while_another_answers(connection: CRMConnection) -> None:
        client.post("/connection/copied/", {"answer": "off"})
        claim(connection)

    monkeypatch.setattr("crmbridge.safe_mode.claim", while_another_answers)
    page = client.post("/connection/copied/", {"answer": "real"}, follow=True).content.decode()
    assert "This connection is not in safe mode." in page
    assert not CRMConnection.objects.get().is_enabled


def test_a_connection_that_nobody_enabled_is_no_copy(client: Client, alice: User) -> None:
    ConnectionFactory.create(installation="")
    client.force_login(alice)
    assert "Safe mode" not in client.get("/").content.decode()
    assert client.get("/api/v1/connection/").json()["results"][0]["is_copy"] is False


def test_an_installation_is_told_from_another(tmp_path: Path) -> None:
    here = tmp_path / "here"
    first = installation_id("", here)
    assert first == installation_id("", here)
    assert installation_id("", tmp_path / "fresh") != first
    shutil.copytree(here, tmp_path / "copied")
    assert installation_id("", tmp_path / "copied") != first
    machines = {installation_id("https://crm.example.com", tmp_path / name) for name in ("one", "two")}
    assert len(machines) == 1
    assert not (tmp_path / "one").exists()
