"""Set up, test and enable a connection to the sandbox; what a fresh process remembers."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connection.check import check_connection, disable, enable
from connection.clients import client_for, new_client
from connection.dataverse.administration import Administration
from connection.dataverse.client import DataverseClient, Organization
from connection.models import CRMConnection, NotConnected, SolutionImport, TableMetadata
from connection.signals import connection_enabled
from tests.connection.conftest import SandboxDetails, connection_to, stored

pytestmark = pytest.mark.django_db

Commit = Callable[..., Any]


@pytest.fixture
def connection(sandbox: SandboxDetails) -> CRMConnection:
    connection = connection_to(
        sandbox["address"], authority=sandbox["authority"], tenant_id=sandbox["tenant"], client_id=sandbox["client_id"]
    )
    connection.set_secret(sandbox["client_secret"])
    connection.save()
    return connection


def connect_with(details: dict[str, str], folder: Path) -> str:
    file = folder / "sandbox.json"
    file.write_text(json.dumps(details))
    out = StringIO()
    call_command("connect", from_file=file, stdout=out)
    return out.getvalue()


def test_connect_sets_up_tests_and_enables(sandbox: SandboxDetails, tmp_path: Path) -> None:
    said = connect_with(sandbox, tmp_path)
    assert said.count(": OK") == 5
    assert sandbox["client_secret"] not in said
    connection = CRMConnection.enabled()
    assert connection.organization_id is not None
    assert connection.user_id is not None
    assert len(connection.base_currency_code) == 3
    disable(connection, "Kept off.")
    connect_with(sandbox, tmp_path)
    assert CRMConnection.enabled().pk == connection.pk


def test_connect_leaves_an_enabled_connection_as_it_was_tested(sandbox: SandboxDetails, tmp_path: Path) -> None:
    connect_with(sandbox, tmp_path)
    before = stored()
    with pytest.raises(CommandError, match="Disable it before you change its settings"):
        connect_with({**sandbox, "client_secret": "not-the-secret"}, tmp_path)
    assert stored() == before


def test_connect_refuses_as_the_form_does(sandbox: SandboxDetails, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="This is not the address of a Dynamics CRM environment"):
        connect_with({**sandbox, "address": "https://evil.example"}, tmp_path)
    assert not CRMConnection.objects.exists()


def test_connect_does_not_enable_what_does_not_work(sandbox: SandboxDetails, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="AADSTS7000215"):
        connect_with({**sandbox, "client_secret": "not-the-secret"}, tmp_path)
    with pytest.raises(NotConnected):
        CRMConnection.enabled()


def test_connect_takes_the_secret_from_the_environment(
    sandbox: SandboxDetails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRMBRIDGE_CLIENT_SECRET", sandbox["client_secret"])
    known = {name: sandbox[name] for name in ("address", "authority", "tenant", "client_id")}
    call_command("connect", stdout=StringIO(), **known)
    assert CRMConnection.enabled().client_secret.reveal() == sandbox["client_secret"]


def test_connect_names_what_is_missing() -> None:
    with pytest.raises(CommandError, match="address, tenant, client_id"):
        call_command("connect")


def test_the_page_shows_the_steps_and_enables(connection: CRMConnection, admin_client: Client) -> None:
    page = admin_client.post(reverse("admin:connection_crmconnection_enable", args=[connection.pk])).content.decode()
    assert "The connection works." in page
    assert CRMConnection.objects.get().is_enabled
    admin_client.post(reverse("admin:connection_crmconnection_disable", args=[connection.pk]))
    connection.refresh_from_db()
    assert not connection.is_enabled
    assert "admin" in connection.disable_reason


def test_enabling_is_told_after_the_commit(
    connection: CRMConnection, django_capture_on_commit_callbacks: Commit
) -> None:
    told: list[CRMConnection] = []

    def listen(sender: object, connection: CRMConnection, **rest: object) -> None:
        told.append(connection)

    connection_enabled.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            assert enable(connection).ok
            assert told == []
    finally:
        connection_enabled.disconnect(listen)
    assert told == [connection]


@pytest.mark.parametrize("door", ["test", "enable"])
def test_what_was_learned_of_old_settings_is_not_said_of_new_ones(
    connection: CRMConnection, admin_client: Client, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    other = {
        "address": "https://other.crm4.dynamics.com",
        "user_id": None,
        "sync_user_name": "",
        "solution_version": "",
    }
    ask = DataverseClient.organization

    def while_somebody_saves_other_settings(client: DataverseClient) -> Organization:
        CRMConnection.objects.update(**other)
        return ask(client)

    monkeypatch.setattr(DataverseClient, "organization", while_somebody_saves_other_settings)
    page = admin_client.post(f"/connection/{door}/").content.decode()
    assert "The settings were changed by somebody else meanwhile." in page
    nothing = {"is_enabled": False, "organization_id": None, "last_tested_at": None}
    assert CRMConnection.objects.filter(**other, **nothing).exists(), stored()


def test_the_version_of_the_solution_is_that_of_the_environment(
    connection: CRMConnection, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def while_the_address_is_changed(administration: Administration, unique_name: str) -> str:
        CRMConnection.objects.update(address="https://other.crm4.dynamics.com", solution_version="")
        return "1.2.3.4"

    monkeypatch.setattr(Administration, "solution_version", while_the_address_is_changed)
    assert "1.2.3.4" in admin_client.get("/connection/solution/").content.decode()
    assert CRMConnection.objects.get().solution_version == ""


def test_the_latest_import_is_one_into_this_environment(connection: CRMConnection, admin_client: Client) -> None:
    SolutionImport.objects.create(connection=connection, address=connection.address, version="1.0", state="failed")
    assert "Latest import" in admin_client.get("/connection/solution/").content.decode()
    CRMConnection.objects.update(address="https://localhost:1")
    assert "Latest import" not in admin_client.get("/connection/solution/").content.decode()


def test_the_client_is_shared_until_the_settings_change(connection: CRMConnection) -> None:
    client = connection.client()
    assert CRMConnection.objects.get().client() is client
    connection.set_secret("another secret")
    assert connection.client() is not client


def test_i9_a_fresh_process_asks_for_no_metadata(connection: CRMConnection) -> None:
    described = new_client(connection).definition("account")
    fresh = new_client(connection)
    assert fresh.definition("account") == described
    assert fresh.requests_sent == 0


def test_definitions_are_asked_for_again_after_a_day(connection: CRMConnection) -> None:
    new_client(connection).definition("account")
    TableMetadata.objects.update(read_at=timezone.now() - timedelta(hours=25))
    fresh = new_client(connection)
    fresh.definition("account")
    assert fresh.requests_sent == 1


def test_what_is_known_of_another_environment_is_dropped(connection: CRMConnection) -> None:
    TableMetadata.objects.create(connection=connection, table="old", definition={})
    assert check_connection(connection).ok
    assert not TableMetadata.objects.filter(table="old").exists()
    assert TableMetadata.objects.filter(table="account").exists()
    assert client_for(connection).definition("account").entity_set == "accounts"
