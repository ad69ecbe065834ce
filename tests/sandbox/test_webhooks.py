"""Webhooks: registered endpoints are called with the RemoteExecutionContext (dataverse-web-api.md 14)."""

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.project.processes import wait_until
from tests.sandbox.conftest import bulk, create, error_of, names, read
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
        return self.calls.get(timeout=200)


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
    return create(api, "sdkmessageprocessingsteps", **{**body, **bind, **step})


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
    query = "asyncoperations?$filter=statecode eq 3"
    wait_until(lambda: read(api, query)["value"])
    return read(api, query)["value"][0]


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


ABORTED = (400, "0x80040265")


def image(api: SandboxSession, step: str, kind: int, attributes: str = "", **values: Any) -> Any:
    body = {"name": "I", "entityalias": f"image{kind}", "imagetype": kind, "attributes": attributes or None}
    bind = {"sdkmessageprocessingstepid@odata.bind": f"/sdkmessageprocessingsteps({step})"}
    return api("POST", "sdkmessageprocessingstepimages", body | {"messagepropertyname": "Target"} | values | bind)


def shown(context: Any, images: str) -> dict[str, dict[str, Any]]:
    """Return the columns of each image of a context."""
    return {i["key"]: {a["key"]: a["value"] for a in i["value"]["Attributes"]} for i in context[images]}


@pytest.mark.parametrize("stage", [10, 20, 40])
def test_a_synchronous_step_can_refuse(api: SandboxSession, receiver: Receiver, stage: int) -> None:
    kept = create(api, "accounts", name="Kept")
    for message in ("Create", "Update", "Delete"):
        register(api, receiver.url, message, stage=stage, mode=0)
    receiver.statuses = [500, 503, 500, 500, 500, 202, 500]
    assert error_of(api("POST", "accounts", {"name": "A"})) == ABORTED
    context = receiver.next()[2]
    assert (context["Stage"], context["Mode"], context["IsInTransaction"]) == (stage, 0, True)
    assert error_of(api("POST", "accounts", {"name": "A"})) == ABORTED, "not tried again"
    assert error_of(api("PATCH", f"accounts({kept})", {"name": "B"})) == ABORTED
    assert error_of(api("DELETE", f"accounts({kept})")) == ABORTED
    upsert = [{"accountid": kept, "name": "C"}]
    assert error_of(bulk(api, "accounts", "UpsertMultiple", upsert)) == ABORTED
    assert error_of(bulk(api, "accounts", "CreateMultiple", [{"name": "A"}, {"name": "B"}])) == ABORTED
    assert names(api, "accounts") == ["Kept"]
    assert read(api, "asyncoperations")["value"] == [], "the user was told, so no job is kept"
    assert api("PATCH", f"accounts({kept})", {"name": "D"}).status_code == 204
    assert receiver.calls.qsize() == 7


def test_images_of_the_row(api: SandboxSession, receiver: Receiver) -> None:
    account = create(api, "accounts", name="Old", fax="1", revenue=10)
    late = register(api, receiver.url, "Update")
    assert image(api, late, 0, "name,revenue,ownerid").status_code == 204
    assert image(api, late, 1).status_code == 204
    early = register(api, receiver.url, "Update", stage=20, mode=0)
    assert image(api, early, 2).status_code == 400, "the row has not become anything yet"
    assert image(api, early, 0, "fax").status_code == 204
    gone = register(api, receiver.url, "Delete")
    assert image(api, gone, 1).status_code == 400
    assert image(api, gone, 0, "name").status_code == 204
    made = register(api, receiver.url, "Create")
    assert image(api, made, 0, messagepropertyname="Id").status_code == 400
    assert image(api, made, 1).status_code == 400, "of Create the property is Id"
    assert image(api, made, 1, "name", messagepropertyname="Id").status_code == 204
    api("PATCH", f"accounts({account})", {"name": "New"})
    before, after = receiver.next()[2], receiver.next()[2]
    assert (before["Stage"], after["Stage"]) == (20, 40)
    assert shown(before, "PreEntityImages") == {"image0": {"accountid": account, "fax": "1"}}
    assert before["PostEntityImages"] == []
    pre, post = shown(after, "PreEntityImages")["image0"], shown(after, "PostEntityImages")["image1"]
    assert sorted(pre) == ["accountid", "name", "ownerid", "revenue"]
    assert (pre["name"], pre["revenue"]["Value"], pre["ownerid"]["LogicalName"]) == ("Old", 10, "systemuser")
    assert (post["name"], post["fax"], "telephone1" in post) == ("New", "1", False)
    api("DELETE", f"accounts({account})")
    assert shown(receiver.next()[2], "PreEntityImages") == {"image0": {"accountid": account, "name": "New"}}
    other = create(api, "accounts", name="Made", fax="2")
    assert shown(receiver.next()[2], "PostEntityImages") == {"image1": {"accountid": other, "name": "Made"}}
    assert api("DELETE", f"sdkmessageprocessingsteps({late})").status_code == 204
    assert len(read(api, "sdkmessageprocessingstepimages")["value"]) == 3, "images go with their step"


def test_steps_that_could_never_run_are_refused(api: SandboxSession) -> None:
    with pytest.raises(AssertionError, match="asynchronously"):
        register(api, "http://127.0.0.1:9/", "Create", stage=20)
    with pytest.raises(AssertionError, match="before"):
        register(api, "http://127.0.0.1:9/", "Create", stage=30, mode=0)
    step = register(api, "http://127.0.0.1:9/", "Create")
    assert api("PATCH", f"sdkmessageprocessingsteps({step})", {"stage": 10}).status_code == 400
    assert api("PATCH", f"sdkmessageprocessingsteps({step})", {"stage": 10, "mode": 0}).status_code == 204
    assert error_of(api("POST", "accounts", {"name": "A"})) == ABORTED, "nobody answers at this address"


def test_what_runs_with_the_operation_can_be_bypassed(api: SandboxSession) -> None:
    register(api, "http://127.0.0.1:9/", "Create", mode=0)
    header = {"MSCRM.BypassCustomPluginExecution": "true"}
    assert error_of(api("POST", "accounts", {"name": "A"})) == ABORTED
    assert api("POST", "accounts", {"name": "A"}, headers=header).status_code == 204
    unit = read(api, "businessunits")["value"][0]["businessunitid"]
    bind = {"businessunitid@odata.bind": f"/businessunits({unit})", "internalemailaddress": "a@x.example"}
    user = create(api, "systemusers", firstname="A", lastname="B", **bind)
    sales = read(api, "roles?$filter=name eq 'Salesperson'")["value"][0]["roleid"]
    body = {"@odata.id": f"{api.root}roles({sales})"}
    assert api("POST", f"systemusers({user})/systemuserroles_association/$ref", body).status_code == 204
    refused = api("POST", "accounts", {"name": "B"}, headers={**header, "MSCRMCallerID": user})
    assert error_of(refused) == (403, "0x80040220"), "which takes prvBypassCustomPlugins"
