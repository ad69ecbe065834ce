"""Every way in which a connection can be wrong has its own plain words, on the page and on the command line."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from connection.models import CRMConnection
from tests.connection.conftest import SECRET, Serve, connection_to, stored
from tests.connection.tls_server import Asked, Said, Server, certificate, json_said, running

pytestmark = pytest.mark.django_db


def entra_refusal(number: int, text: str) -> Said:
    description = f"AADSTS{number}: {text}"
    return json_said({"error": "invalid_client", "error_description": description, "error_codes": [number]}, 401)


def not_dataverse(asked: Asked) -> Said:
    return json_said({"hello": "world"})


@contextmanager
def wrong_secret(serve: Serve) -> Iterator[str]:
    with serve(not_dataverse) as server:
        server.login = entra_refusal(7000215, "Invalid client secret provided.")
        yield server.address


@contextmanager
def unknown_application(serve: Serve) -> Iterator[str]:
    with serve(not_dataverse) as server:
        server.login = entra_refusal(700016, "Application with identifier 'app' was not found.")
        yield server.address


@contextmanager
def unknown_tenant(serve: Serve) -> Iterator[str]:
    with serve(not_dataverse) as server:
        server.discovery = Said(400, b"AADSTS90002")
        yield server.address


@contextmanager
def login_is_down(serve: Serve) -> Iterator[str]:
    with serve(not_dataverse) as server:
        server.login = Said(0)
        yield server.address


@contextmanager
def not_a_member(serve: Serve) -> Iterator[str]:
    error = {"error": {"code": "0x80072560", "message": "The user is not a member of the organization."}}
    with serve(lambda asked: json_said(error, 403)) as server:
        yield server.address


@contextmanager
def odd_json(serve: Serve) -> Iterator[str]:
    with serve(not_dataverse) as server:
        yield server.address


@contextmanager
def html(serve: Serve) -> Iterator[str]:
    with serve(lambda asked: Said(200, b"<html>Welcome</html>", {"Content-Type": "text/html"})) as server:
        yield server.address


@contextmanager
def unreachable(serve: Serve) -> Iterator[str]:
    with serve(not_dataverse) as server:
        address = server.address
    yield address


@contextmanager
def plain_http(serve: Serve) -> Iterator[str]:
    with serve(not_dataverse) as server:
        yield server.address.replace("https", "http")


@contextmanager
def wrong_address(serve: Serve) -> Iterator[str]:
    yield "https://www.example.com"


@contextmanager
def no_tls(serve: Serve) -> Iterator[str]:
    from threading import Thread

    server = Server(not_dataverse)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    with serve(not_dataverse):
        yield server.address
    server.shutdown()
    server.server_close()


@pytest.fixture
def broken(request: pytest.FixtureRequest, serve: Serve) -> Iterator[CRMConnection]:
    make: AbstractContextManager[str] = request.param(serve)
    with make as address:
        connection = connection_to(address)
        connection.save()
        yield connection


WRONG = pytest.mark.parametrize(
    ("broken", "words"),
    [
        (wrong_address, "This is not the address of a Dynamics CRM environment."),
        (plain_http, "The address begins with http://, which anyone on the way can read."),
        (unreachable, "No server answers at the address of Dynamics CRM."),
        (no_tls, "The server at this address does not speak https."),
        (wrong_secret, "The sign-in was refused: the client secret is wrong."),
        (unknown_application, "The sign-in was refused: the application is unknown in this tenant."),
        (unknown_tenant, "The sign-in was refused: the login server does not know the tenant."),
        (login_is_down, "The login server cannot be reached."),
        (not_a_member, "the application is not a user of this Dynamics CRM environment."),
        (odd_json, "The server at this address answers, but it is not Dynamics CRM."),
        (html, "The server at this address answers, but it is not Dynamics CRM."),
    ],
    indirect=["broken"],
)


def page_after_test(admin_client: Client, connection: CRMConnection) -> str:
    address = reverse("admin:connection_crmconnection_test", args=[connection.pk])
    page = admin_client.post(address)
    assert page.status_code == 200
    return page.content.decode()


def words_on_command_line() -> str:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("check_connection", stdout=out)
    return out.getvalue()


@WRONG
def test_what_is_wrong_is_said_on_the_page(broken: CRMConnection, words: str, admin_client: Client) -> None:
    page = page_after_test(admin_client, broken)
    assert words in page
    assert "The connection does not work yet." in page
    assert SECRET not in page


@WRONG
def test_what_is_wrong_is_said_on_the_command_line(broken: CRMConnection, words: str) -> None:
    said = words_on_command_line()
    assert words in said
    assert SECRET not in said
    broken.refresh_from_db()
    assert words in broken.last_test_result
    assert broken.last_tested_at is not None


@pytest.fixture
def expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[CRMConnection]:
    context, authority = certificate(tmp_path, expired=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    settings.EXTRA_CRM_HOSTS = ["localhost"]
    with running(context, not_dataverse) as server:
        connection = connection_to(server.address)
        connection.save()
        yield connection


def test_an_expired_certificate_is_said_on_page_and_command_line(expired: CRMConnection, admin_client: Client) -> None:
    words = "The certificate of the Dynamics CRM server has expired."
    assert words in page_after_test(admin_client, expired)
    assert words in words_on_command_line()


def test_an_unknown_authority_is_told_from_an_expired_certificate(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, admin_client: Client
) -> None:
    with serve(not_dataverse) as server:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        connection = connection_to(server.address)
        connection.save()
        page = page_after_test(admin_client, connection)
    assert "issued by an authority that this computer does not know" in page
    assert "REQUESTS_CA_BUNDLE" in page


def test_a_connection_that_fails_the_test_is_not_enabled(serve: Serve, admin_client: Client) -> None:
    with odd_json(serve) as address:
        connection = connection_to(address)
        connection.save()
        admin_client.post(reverse("admin:connection_crmconnection_enable", args=[connection.pk]))
    connection.refresh_from_db()
    assert not connection.is_enabled


def test_the_test_is_not_started_by_a_link_or_a_stranger(client: Client, admin_client: Client) -> None:
    connection = connection_to("https://acme.crm4.dynamics.com")
    connection.save()
    address = reverse("admin:connection_crmconnection_test", args=[connection.pk])
    assert admin_client.get(address).status_code == 405
    assert client.post(address).status_code == 302


def test_there_is_nothing_to_check_before_the_set_up() -> None:
    with pytest.raises(CommandError, match="not connected"):
        call_command("check_connection")


def form_data(**changes: str) -> dict[str, str]:
    known = {
        "name": "Dynamics CRM",
        "address": "https://acme.crm4.dynamics.com/main.aspx",
        "authority": "",
        "tenant_id": "acme.example",
        "client_id": "app",
        "new_secret": SECRET,
    }
    return known | changes


def test_the_form_takes_a_secret_and_never_shows_it(admin_client: Client) -> None:
    admin_client.post(reverse("admin:connection_crmconnection_add"), form_data())
    connection = CRMConnection.objects.get()
    assert connection.client_secret.reveal() == SECRET
    assert connection.address == "https://acme.crm4.dynamics.com"
    page = admin_client.get(reverse("admin:connection_crmconnection_change", args=[connection.pk])).content.decode()
    assert SECRET not in page
    assert connection.client_secret.encrypted not in page
    assert "Set on" in page
    assert re.search(r'<input type="password" name="new_secret"[^>]*>', page)


def test_an_empty_secret_keeps_the_stored_one(admin_client: Client) -> None:
    admin_client.post(reverse("admin:connection_crmconnection_add"), form_data())
    connection = CRMConnection.objects.get()
    change = reverse("admin:connection_crmconnection_change", args=[connection.pk])
    admin_client.post(change, form_data(new_secret="", client_id="other"))
    connection.refresh_from_db()
    assert (connection.client_id, connection.client_secret.reveal()) == ("other", SECRET)


def test_the_form_says_what_is_wrong_with_an_address(admin_client: Client) -> None:
    address = reverse("admin:connection_crmconnection_add")
    page = admin_client.post(address, form_data(address="http://acme.crm4.dynamics.com")).content.decode()
    assert "The address begins with http://" in page
    assert not CRMConnection.objects.exists()


def test_f5_25_the_form_changes_nothing_while_the_connection_is_enabled(admin_client: Client) -> None:
    connection = connection_to("https://acme.crm4.dynamics.com")
    connection.is_enabled = True
    connection.save()
    before = stored()
    change = reverse("admin:connection_crmconnection_change", args=[connection.pk])
    page = admin_client.get(change).content.decode()
    assert connection.tenant_id in page
    assert re.findall(r'name="(?:name|address|tenant_id|client_id|new_secret|_save)"', page) == []
    page = admin_client.post(change, form_data(address="https://other.crm4.dynamics.com")).content.decode()
    assert "Disable it before you change its settings." in page
    assert stored() == before
    assert admin_client.post(change.replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_the_api_field_list_has_no_secret() -> None:
    from connection.api import ConnectionSerializer

    connection = connection_to("https://acme.crm4.dynamics.com")
    connection.save()
    shown = ConnectionSerializer(connection).data
    assert shown["address"] == connection.address
    assert not any("secret" in name for name in shown)
