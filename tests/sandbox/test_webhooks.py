"""Webhooks: registered endpoints are called with the RemoteExecutionContext (dataverse-web-api.md 14)."""

import json
import queue
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.sandbox.conftest import bulk, create, read
from tests.sandbox_process import SandboxSession

SETTINGS = '<settings><setting name="X-Key" value="k" /></settings>'


class Receiver:
    """An HTTP server that keeps what it is sent, and answers with the statuses it was given."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, dict[str, str], Any]] = queue.Queue()
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.calls.put((self.path, headers, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def next(self) -> tuple[str, dict[str, str], Any]:
        return self.calls.get(timeout=20)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def register(api: SandboxSession, url: str, message: str, **step: Any) -> str:
    endpoint = {"name": "hook", "url": url, "contract": 8, "authtype": 5, "authvalue": SETTINGS, "messageformat": 2}
    endpoint |= step.pop("endpoint", {})
    handler = create(api, "serviceendpoints", **endpoint)
    known = read(api, f"sdkmessages?$select=sdkmessageid&$filter=name eq '{message}'")["value"][0]["sdkmessageid"]
    query = f"sdkmessagefilters?$filter=primaryobjecttypecode eq 'account' and _sdkmessageid_value eq {known}"
    meant = read(api, query)["value"][0]["sdkmessagefilterid"]
    bind = {
        "eventhandler_serviceendpoint@odata.bind": f"/serviceendpoints({handler})",
        "sdkmessageid@odata.bind": f"/sdkmessages({known})",
        "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({meant})",
    }
    body = {"name": f"hook: {message}", "stage": 40, "mode": 1, "rank": 1, "asyncautodelete": True}
    return create(api, "sdkmessageprocessingsteps", **body, **bind, **step)


def test_create_update_and_delete_are_told(api: SandboxSession, receiver: Receiver) -> None:
    register(api, receiver.url, "Create")
    register(api, receiver.url, "Update", filteringattributes="fax,telephone1")
    register(api, receiver.url, "Delete")
    account = create(api, "accounts", name="A", revenue=12.5, paymenttermscode=1)
    path, headers, body = receiver.next()
    assert (path, headers["x-key"], headers["x-ms-dynamics-request-name"]) == ("/hook", "k", "Create")
    assert headers["x-ms-dynamics-entity-name"] == "account"
    assert (body["MessageName"], body["PrimaryEntityName"], body["PrimaryEntityId"]) == ("Create", "account", account)
    target = body["InputParameters"][0]["value"]
    assert target["__type"] == "Entity:http://schemas.microsoft.com/xrm/2011/Contracts"
    values = {item["key"]: item["value"] for item in target["Attributes"]}
    assert values["name"] == "A"
    assert values["revenue"]["Value"] == 12.5
    assert values["paymenttermscode"]["Value"] == 1
    assert values["ownerid"]["LogicalName"] == "systemuser"
    assert values["modifiedon"].startswith("/Date(")
    api("PATCH", f"accounts({account})", {"name": "B"})
    api("PATCH", f"accounts({account})", {"fax": "1"})
    changed = receiver.next()[2]
    assert [changed["MessageName"], "fax" in json.dumps(changed)] == ["Update", True]
    api("DELETE", f"accounts({account})")
    gone = receiver.next()[2]
    assert gone["InputParameters"][0]["value"]["__type"].startswith("EntityReference:")
    assert read(api, "asyncoperations")["value"] == []


def test_bulk_tells_each_row_and_a_refused_one_none(api: SandboxSession, receiver: Receiver) -> None:
    register(api, receiver.url, "Create", endpoint={"authtype": 4, "authvalue": "secret"})
    bulk(api, "accounts", "CreateMultiple", [{"name": "A"}, {"name": "x" * 161}])
    bulk(api, "accounts", "CreateMultiple", [{"name": "A"}, {"name": "B"}])
    names = []
    for _ in range(2):
        path, _, body = receiver.next()
        assert path == "/hook?code=secret"
        names.append(next(i["value"] for i in body["InputParameters"][0]["value"]["Attributes"] if i["key"] == "name"))
    assert names == ["A", "B"]


@pytest.mark.parametrize(
    ("statuses", "calls", "job"), [([503, 202], 2, False), ([503, 503], 2, True), ([500], 1, True)]
)
def test_one_retry_and_a_failed_job(
    api: SandboxSession, receiver: Receiver, statuses: list[int], calls: int, job: bool
) -> None:
    step = register(api, receiver.url, "Create")
    receiver.statuses = list(statuses)
    create(api, "accounts", name="A")
    for _ in range(calls):
        receiver.next()
    if job:
        row = failed(api)
        assert (row["statuscode"], row["_owningextensionid_value"]) == (31, step)
    else:
        create(api, "accounts", name="B")
        receiver.next()
        assert read(api, "asyncoperations")["value"] == []


def failed(api: SandboxSession) -> Any:
    for _ in range(400):
        rows = read(api, "asyncoperations?$filter=statecode eq 3")["value"]
        if rows:
            return rows[0]
        time.sleep(0.02)  # another process writes it; there is nothing to wait on
    raise AssertionError("no job")


@pytest.mark.parametrize(
    ("url", "endpoint", "text"),
    [
        ("https://elsewhere.example/", {}, "this machine only"),
        ("http://127.0.0.1:9/", {"authvalue": "<settings"}, "0x80050203"),
    ],
)
def test_what_cannot_be_delivered(api: SandboxSession, url: str, endpoint: dict[str, Any], text: str) -> None:
    register(api, url, "Create", endpoint=endpoint)
    create(api, "accounts", name="A")
    assert text in failed(api)["friendlymessage"]


def test_the_authvalue_is_never_read(api: SandboxSession) -> None:
    register(api, "http://127.0.0.1:9/", "Create")
    for query in ("serviceendpoints", "serviceendpoints?$select=authvalue"):
        assert "X-Key" not in api("GET", query).text
