"""Connects as the guide does: with a dedicated account, which the sandbox's administrator gives its roles (S27, S37).

The administrator is played here: what a person does at the login page, over HTTPS to the sandbox of the demo.
"""

import json
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from connection import person
from connection.check import enable
from connection.clients import new_client
from connection.dataverse.client import DataverseClient
from connection.errands import Errand, Order, do
from connection.errors import CRMBridgeError
from connection.models import CRMConnection, SolutionImport
from connection.solution import latest_import, shipped_version, solution_state

ADMINISTRATOR = "admin@fjordkraft.example"
IMPORT_TIMEOUT = 60.0


class SetUpError(CRMBridgeError):
    """The demo's connection could not be set up."""


def set_up(details: Mapping[str, str], return_address: str) -> CRMConnection:
    """The enabled connection to the sandbox. Raises what stands in its way.

    Where an earlier demo has set it up, nothing is imported again.
    """
    connection = CRMConnection.current() or CRMConnection()
    connection.address, connection.authority = details["address"], details["authority"]
    connection.tenant_id, connection.client_id = details["tenant"], details["sync_client_id"]
    connection.set_secret(details["sync_client_secret"])
    connection.is_enabled = False
    connection.save()
    if not solution_state(connection).ok:
        for errand in (Errand.IMPORT, Errand.ROLES):
            _do(errand, connection, details, return_address)
    report = enable(connection)
    if report.error:
        raise report.error
    return connection


def somebody_else(details: Mapping[str, str]) -> DataverseClient:
    """A client of another application, who may do everything: it plays the people who work in the CRM."""
    settings = {"address": details["address"], "authority": details["authority"], "tenant_id": details["tenant"]}
    other = CRMConnection(**settings, client_id=details["client_id"])
    other.set_secret(details["client_secret"])
    return new_client(other)


def _do(errand: Errand, connection: CRMConnection, details: Mapping[str, str], return_address: str) -> None:
    begun = person.begin(connection, return_address)
    do(Order(errand, None), connection, begun.sealed, _at_login(begun.address, details))
    if errand is Errand.IMPORT:
        _wait_for_import(connection)


def _wait_for_import(connection: CRMConnection) -> None:
    deadline = time.monotonic() + IMPORT_TIMEOUT
    while (row := latest_import(connection)) and row.state == SolutionImport.State.RUNNING:
        if time.monotonic() > deadline:
            raise SetUpError(f"The solution {shipped_version()} was not imported within {IMPORT_TIMEOUT:.0f} s.")
        time.sleep(0.05)
    if row is None or row.state != SolutionImport.State.SUCCEEDED:
        raise SetUpError(row.reason if row else "")


def _at_login(page: str, details: Mapping[str, str]) -> dict[str, str]:
    """What the login page sends back with the browser of the sandbox's administrator."""
    parts = urlsplit(page)
    form = urlencode({"login": ADMINISTRATOR, "password": _password(details)})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": details["address"]}
    answer = _asked(details, "POST", f"{parts.path}?{parts.query}", form, headers)
    found = parse_qs(urlsplit(answer.headers["Location"] or "").query)
    return {name: values[0] for name, values in found.items()}


def _password(details: Mapping[str, str]) -> str:
    """The sandbox tells whoever has its key."""
    answer = _asked(details, "GET", "/sandbox/people", "", {"X-Sandbox-Key": details["client_secret"]})
    people = json.loads(answer.read())["people"]
    return str(next(each["password"] for each in people if each["login"] == ADMINISTRATOR))


def _asked(details: Mapping[str, str], method: str, path: str, body: str, headers: Mapping[str, str]) -> Any:
    host = urlsplit(details["address"]).netloc
    context = ssl.create_default_context(cafile=details["ca_file"])
    connection = HTTPSConnection(host, context=context, timeout=30)
    connection.request(method, path, body, dict(headers))
    return connection.getresponse()
