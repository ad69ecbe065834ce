"""Certificate and person against the sandbox's login server."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from connection.clients import new_client
from connection.dataverse.errors import SignInRefused
from connection.models import CRMConnection
from connection.person import SignInEnded, begin, finish
from tests.connection.conftest import SandboxDetails, connection_to
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db

ADMINISTRATOR = "admin@fjordkraft.example"
RETURN = "http://localhost:8000/signed-in"


@pytest.fixture
def connection(sandbox: SandboxDetails) -> CRMConnection:
    connection = connection_to(
        sandbox["address"], authority=sandbox["authority"], tenant_id=sandbox["tenant"], client_id=sandbox["client_id"]
    )
    connection.set_secret(sandbox["client_secret"])
    connection.save()
    return connection


def test_the_application_signs_in_with_its_certificate(connection: CRMConnection, sandbox: SandboxDetails) -> None:
    connection.set_certificate(Path(sandbox["client_certificate"]).read_text())
    connection.save()
    by_certificate = new_client(CRMConnection.objects.get()).who_am_i()
    connection.set_secret(sandbox["client_secret"])
    assert new_client(connection).who_am_i() == by_certificate


def test_a_certificate_that_is_not_registered_is_named(connection: CRMConnection) -> None:
    from tests.connection.test_certificate import key_and_certificate

    connection.set_certificate(key_and_certificate())
    with pytest.raises(SignInRefused, match="does not know the certificate"):
        new_client(connection).sign_in()


def signed_in_at(page: str, sandbox: SandboxProcess, login: str) -> dict[str, str]:
    """What the browser of `login` brings back."""
    form = {"login": login, "password": sandbox.people()[login]}
    answer = requests.post(
        page,
        data=form,
        headers={"Origin": sandbox.details["address"]},
        verify=sandbox.details["ca_file"],
        allow_redirects=False,
        timeout=200,
    )
    assert answer.headers["Location"].startswith(RETURN)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def test_an_administrator_acts_as_herself_and_only_once(
    connection: CRMConnection, sandbox_process: SandboxProcess
) -> None:
    application = new_client(connection).who_am_i()
    begun = begin(connection, RETURN)
    answer = signed_in_at(begun.address, sandbox_process, ADMINISTRATOR)
    with finish(connection, begun.sealed, answer) as client:
        person = client.who_am_i()
        assert person.organization_id == application.organization_id
        assert person.user_id != application.user_id
    with pytest.raises(SignInEnded):
        client.who_am_i()
    with pytest.raises(SignInRefused), finish(connection, begun.sealed, answer):
        pass
