"""The process: starting, stopping, what it leaves in its folder, and what survives."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.project.processes import free_port
from tests.sandbox.conftest import bulk, create, error_of, names, read
from tests.sandbox_process import SandboxProcess, SandboxSession


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SandboxProcess]:
    """A process that the test may stop."""
    process = SandboxProcess(tmp_path / "data")
    yield process
    process.stop()


def test_details_are_printed_and_kept_private(own: SandboxProcess) -> None:
    own.start()
    details = own.details
    assert set(details) == {
        "address",
        "authority",
        "tenant",
        "client_id",
        "client_secret",
        "sync_client_id",
        "sync_client_secret",
        "ca_file",
        "client_certificate",
    }
    assert details["authority"] == f"{details['address']}/{details['tenant']}"
    assert json.loads((own.folder / "sandbox.log").read_text()) == details
    for name in (
        "sandbox.json",
        "credentials.json",
        "server.key",
        "ca.pem",
        "client.pem",
        "signing.key",
        "sandbox.sqlite3",
    ):
        assert stat.S_IMODE((own.folder / name).stat().st_mode) == 0o600


def test_rows_credentials_tokens_keys_and_deltas_survive_a_restart(own: SandboxProcess) -> None:
    own.port = free_port()
    api = own.start().session()
    create(api, "accounts", name="before")
    api("POST", "EntityDefinitions(LogicalName='account')/Keys", {"SchemaName": "k", "KeyAttributes": ["fax"]})
    link = read(api, "accounts?$select=name", "odata.track-changes")["@odata.deltaLink"]
    version = read(api, "accounts")["value"][0]["versionnumber"]
    first = own.details
    assert own.stop() == 0
    assert own.start().details == first
    assert names(api, "accounts") == ["before"]
    identity = create(api, "accounts", name="after", fax="1")
    assert read(api, f"accounts({identity})")["versionnumber"] > version
    assert [row["name"] for row in read(api, link)["value"]] == ["after"]
    assert error_of(api("POST", "accounts", {"fax": "1"})) == (412, "0x80060892")


def test_acknowledged_rows_survive_a_kill(own: SandboxProcess) -> None:
    api = own.start().session()
    bulk(api, "accounts", "CreateMultiple", [{"name": str(n)} for n in range(500)])
    own.kill()
    assert len(names(own.start().session(), "accounts")) == 500


def test_sales_data_or_nothing(own: SandboxProcess) -> None:
    own.empty = False
    api = own.start().session()
    accounts = read(api, "accounts?$select=name,customertypecode,_primarycontactid_value,_ownerid_value")["value"]
    assert len(accounts) > 10
    assert any("ø" in row["name"] for row in accounts)
    users = read(api, "systemusers?$filter=isdisabled eq false and islicensed eq true and isintegrationuser eq false")
    assert len(users["value"]) > 4
    codes = names(api, "transactioncurrencies?$orderby=isocurrencycode", "isocurrencycode")
    assert codes == ["EUR", "GBP", "NOK", "USD"]
    own.reset()
    assert names(api, "accounts") == names(api, "contacts", "fullname") == []
    assert len(names(api, "organizations")) == len(names(api, "businessunits")) == 1
    own.reset(empty=False)
    assert len(names(api, "accounts")) == len(accounts)


def test_calls_count_requests_and_committed_writes(sandbox: SandboxProcess, api: SandboxSession) -> None:
    assert sandbox.calls() == dict.fromkeys(("requests", "operations", "created", "updated", "deleted", "writes"), 0)
    identity = create(api, "accounts", name="A")
    read(api, "accounts")
    bulk(api, "accounts", "CreateMultiple", [{"name": "B"}, {"name": "C"}])
    api("PATCH", f"accounts({identity})", {"name": "A2"})
    api("POST", "accounts", {"nonsense": 1})
    api("DELETE", f"accounts({identity})")
    numbers = sandbox.calls()
    assert (numbers["requests"], numbers["created"], numbers["updated"], numbers["deleted"]) == (6, 3, 1, 1)
    assert numbers["writes"] == 5


def test_control_needs_the_key(sandbox: SandboxProcess) -> None:
    address, verify = f"{sandbox.details['address']}/sandbox", sandbox.details["ca_file"]
    assert requests.post(f"{address}/reset", verify=verify, timeout=200).status_code == 403
    headers = {"X-Sandbox-Key": sandbox.details["client_secret"]}
    assert requests.post(f"{address}/nonsense", headers=headers, verify=verify, timeout=200).status_code == 404


def test_plain_http_is_not_spoken(sandbox: SandboxProcess) -> None:
    with pytest.raises(requests.exceptions.RequestException):
        requests.get(sandbox.details["address"].replace("https", "http"), timeout=200).raise_for_status()
