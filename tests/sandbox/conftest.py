"""The sandbox's own tests speak plain HTTP to it, so that no client can hide an error."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from azure.identity import ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from PowerPlatform.Dataverse.aio.async_client import AsyncDataverseClient
from PowerPlatform.Dataverse.client import DataverseClient

from tests.sandbox.asynchronous import Driven
from tests.sandbox_process import SandboxProcess, SandboxSession

FORMATTED = "OData.Community.Display.V1.FormattedValue"


@pytest.fixture
def api(sandbox: SandboxProcess) -> SandboxSession:
    """A signed-in session on an empty sandbox."""
    return sandbox.session()


@pytest.fixture
def sdk(request: pytest.FixtureRequest, sandbox: SandboxProcess) -> Iterator[DataverseClient]:
    """The SDK with Microsoft's credential class; both trust the sandbox through REQUESTS_CA_BUNDLE.

    A module that is to pass with the asynchronous client too asks for `BOTH_CLIENTS`.
    """
    open_client = getattr(request, "param", synchronous)
    with open_client(sandbox.details) as client:
        yield client


def credential_of(details: dict[str, str], kind: Any) -> Any:
    """Return a credential of azure-identity for the sandbox's application."""
    return kind(
        details["tenant"],
        details["client_id"],
        details["client_secret"],
        authority=details["address"],
        disable_instance_discovery=True,
    )


@contextmanager
def synchronous(details: dict[str, str]) -> Iterator[DataverseClient]:
    """The SDK's `DataverseClient`."""
    with DataverseClient(details["address"], credential_of(details, ClientSecretCredential)) as client:
        yield client


@contextmanager
def asynchronous(details: dict[str, str]) -> Iterator[Any]:
    """The SDK's `AsyncDataverseClient`, driven call by call."""
    # aiohttp reads the trusted certificates once, when it is imported, and the SDK lets nobody name others.
    aiohttp.connector._SSL_CONTEXT_VERIFIED.load_verify_locations(details["ca_file"])
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        credential = credential_of(details, AsyncClientSecretCredential)
        with Driven(credential, loop), Driven(AsyncDataverseClient(details["address"], credential), loop) as client:
            yield client


BOTH_CLIENTS = pytest.mark.parametrize("sdk", [synchronous, asynchronous], indirect=True)


def new_guid() -> str:
    return str(uuid.uuid4())


def create(api: SandboxSession, entity_set: str, **values: Any) -> str:
    """Create a row and return its id."""
    answer = api("POST", entity_set, values)
    assert answer.status_code == 204, answer.text
    return answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")


def read(api: SandboxSession, path: str, prefer: str = "") -> Any:
    """Return the JSON of a successful GET."""
    answer = api("GET", path, headers={"Prefer": prefer} if prefer else None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(api: SandboxSession, query: str, column: str = "name") -> list[Any]:
    """Return one column of the rows that a query finds."""
    return [row[column] for row in read(api, query)["value"]]


def error_of(answer: Any) -> tuple[int, str]:
    """Return status and code of a refusal."""
    assert answer.status_code >= 400, answer.text
    return answer.status_code, answer.json()["error"]["code"]


def bulk(
    api: SandboxSession, entity_set: str, message: str, targets: list[dict[str, Any]], table: str = "account"
) -> Any:
    """Send a bulk message."""
    typed = [{"@odata.type": f"Microsoft.Dynamics.CRM.{table}", **target} for target in targets]
    return api("POST", f"{entity_set}/Microsoft.Dynamics.CRM.{message}", {"Targets": typed})
