"""A trusted local https server, and connections to it."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from connection.clients import new_client
from connection.dataverse import DataverseClient
from connection.dataverse.auth import SignIn
from connection.dataverse.http import Http
from connection.dataverse.traffic import Clock
from connection.models import CRMConnection
from tests.connection.tls_server import TENANT, Asked, Said, Server, certificate, running
from tests.planted import Watch
from tests.sandbox_process import SandboxProcess

SECRET = "s3cr3t~Of-The-Application"

SandboxDetails = dict[str, str]
Serve = Callable[[Callable[[Asked], Said]], AbstractContextManager[Server]]


@pytest.fixture(scope="session", autouse=True)
def _planted(watch: Watch) -> None:
    watch.plant("the client secret", SECRET)


@pytest.fixture(scope="session")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return certificate(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def serve(trusted: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Serve:
    """Start a trusted server that answers with the function given."""
    context, authority = trusted
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    settings.EXTRA_CRM_HOSTS = ["localhost"]
    return lambda answer: running(context, answer)


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory, watch: Watch) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as process:
        watch.plant_those_of(process)
        yield process


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> SandboxDetails:
    """What any client needs to reach the sandbox, which all tests of the room share."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", sandbox_process.details["ca_file"])
    settings.EXTRA_CRM_HOSTS = ["localhost"]
    return sandbox_process.details


@pytest.fixture
def client_of_sandbox(sandbox: SandboxDetails) -> DataverseClient:
    """A client of the sandbox that keeps nothing in the database."""
    sign_in = SignIn(
        sandbox["address"],
        tenant=sandbox["tenant"],
        client_id=sandbox["client_id"],
        client_secret=sandbox["client_secret"],
        authority=sandbox["authority"],
    )
    return DataverseClient(Http(sandbox["address"], sign_in))


def stored() -> dict[str, Any]:
    """All that is stored of the connection, to compare."""
    return {name: getattr(value, "encrypted", value) for name, value in CRMConnection.objects.values().get().items()}


def connection_to(address: str, **changes: str) -> CRMConnection:
    """An unsaved connection to `address`, which is its login server too."""
    known = {"address": address, "authority": address, "tenant_id": TENANT, "client_id": "app"}
    connection = CRMConnection(**(known | changes))
    connection.set_secret(SECRET)
    return connection


class Pauses(list[float], Clock):
    """A clock that notes the pauses and takes none: they pass at once."""

    def now(self) -> float:
        return super().now() + sum(self)

    def sleep(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


def client_to(server: Server, pauses: Pauses) -> DataverseClient:
    """A client of the local server that does not really wait."""
    return new_client(connection_to(server.address), clock=pauses)


@pytest.fixture(autouse=True)
def _no_shared_clients() -> Iterator[None]:
    from connection.clients import _clients

    _clients.clear()
    yield
    _clients.clear()
