"""Latency, service protection limits and faults (dataverse-web-api.md 10)."""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from sandbox.conditions.faults import Fault, Faults
from sandbox.conditions.latency import Latency, kind_of
from sandbox.conditions.protection import PRESETS, Limits, Protection
from sandbox.errors import DataverseError
from tests.project.processes import wait_until
from tests.sandbox.conftest import bulk, create, error_of, names, read
from tests.sandbox_process import SandboxProcess, SandboxSession


@pytest.fixture(scope="module")
def stormy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox that may be told to fail."""
    with SandboxProcess(tmp_path_factory.mktemp("stormy"), options=["--faults"]) as process:
        yield process


@pytest.fixture
def api(stormy: SandboxProcess) -> SandboxSession:
    stormy.reset()
    return stormy.session()


# -- latency


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "accounts", "create"),
        ("PATCH", "accounts(1)", "update"),
        ("DELETE", "accounts(1)", "delete"),
        ("GET", "accounts", "list"),
        ("GET", "accounts(1)", "retrieve"),
        ("POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", "CreateMultiple"),
        ("GET", "EntityDefinitions(LogicalName='account')", "metadata"),
        ("POST", "BulkDelete", "other"),
    ],
)
def test_each_request_has_a_kind(method: str, path: str, kind: str) -> None:
    assert kind_of(method, path) == kind


def test_latency_is_fixed_plus_rows() -> None:
    assert Latency.parse("30+2").seconds("CreateMultiple", 100) == pytest.approx(0.230)
    published = Latency.parse("published")
    assert published.seconds("create", 1) == pytest.approx(0.1)  # the sample: 100 creates in 10 s
    assert published.seconds("create", 1, batched=True) == pytest.approx(0.04)  # ExecuteMultiple: 100 in 4 s
    assert published.seconds("UpdateMultiple", 100) == pytest.approx(3)
    assert Latency.parse("none").seconds("create", 1) == 0
    with pytest.raises(ValueError, match="30\\+2"):
        Latency.parse("fast")


# -- protection


class Clock:
    """A clock that stands still until it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(protection: Protection) -> DataverseError:
    with pytest.raises(DataverseError) as refusal, protection.admitted("u"):
        pass
    assert refusal.value.status == 429
    return refusal.value


def test_request_limit_slides_and_retry_after_grows() -> None:
    clock = Clock()
    protection = Protection(Limits(3, 100, 5), clock)
    for clock.now in (0, 10, 20):
        with protection.admitted("u"):
            pass
    error = refused(protection)
    assert error.message == "Number of requests exceeded the limit of 3 over time window of 300 seconds."
    assert (error.code, error.headers["Retry-After"]) == ("0x80072322", "280")
    assert refused(protection).headers["Retry-After"] == "281"
    with protection.admitted("someone else"):
        pass
    clock.now = 300
    with protection.admitted("u"):
        pass
    assert refused(protection).headers["Retry-After"] == "10"


def test_execution_time_and_concurrency() -> None:
    clock = Clock()
    protection = Protection(Limits(100, 1200, 2), clock)
    with protection.admitted("u"), protection.admitted("u"):
        assert refused(protection).code == "0x80072326"
        clock.now = 700
    error = refused(protection)
    assert error.code == "0x80072321"
    assert "exceeded limit of 1,200,000 milliseconds over time window of 300 seconds." in error.message
    headers = protection.headers("u")
    assert headers["x-ms-ratelimit-burst-remaining-xrm-requests"] == "98"
    assert headers["x-ms-ratelimit-time-remaining-xrm-requests"] == "0.000"


def test_published_limits() -> None:
    assert PRESETS["published"] == Limits(6000, 1200, 52, window=300)


def test_limits_over_the_wire(tmp_path: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    options = ["--limits", "tests", "--latency", "100"]
    with SandboxProcess(tmp_path_factory.mktemp("limited"), options=options) as sandbox:
        sessions = [sandbox.session() for _ in range(10)]
        started = time.monotonic()
        assert sessions[0]("GET", "WhoAmI").headers["x-ms-dop-hint"] == "4"
        assert time.monotonic() - started > 0.1
        late: list[requests.Response] = []

        def too_many_come_together() -> bool:
            with ThreadPoolExecutor(10) as pool:
                answers = pool.map(lambda session: session("GET", "accounts"), sessions)
            late.extend(answer for answer in answers if answer.status_code == 429)
            return bool(late)

        wait_until(too_many_come_together)
        assert {error_of(answer) for answer in late} == {(429, "0x80072326")}
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in late)


# -- faults


def test_faults_are_off_unless_allowed(sandbox: SandboxProcess) -> None:
    with pytest.raises(requests.HTTPError, match="403"):
        sandbox.fault("status")


def test_nonsense_faults_are_refused(stormy: SandboxProcess) -> None:
    for spec in ({"kind": "earthquake"}, {"kind": "status", "path": "("}, {"kind": "status", "weather": 1}):
        with pytest.raises(requests.HTTPError, match="400"):
            stormy.control("POST", "faults", spec)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_refusals_with_retry_after(stormy: SandboxProcess, api: SandboxSession, status: int) -> None:
    stormy.fault("status", status=status, retry_after=7, method="POST", path="^accounts$", count=2)
    assert api("GET", "accounts").status_code == 200
    for _ in range(2):
        answer = api("POST", "accounts", {"name": "A"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")
    create(api, "accounts", name="A")
    assert [fault["struck"] for fault in stormy.faults()] == [2]
    assert names(api, "accounts") == ["A"]


@pytest.mark.parametrize(("kind", "written"), [("timeout-before", False), ("timeout-after", True), ("reset", True)])
def test_lost_answers(stormy: SandboxProcess, api: SandboxSession, kind: str, written: bool) -> None:
    stormy.fault(kind, method="POST", seconds=0)
    headers = {"Prefer": "return=representation"}
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        api("POST", "accounts", {"name": "A"}, headers=headers)
    assert names(api, "accounts") == (["A"] if written else [])


def test_truncated_json(stormy: SandboxProcess, api: SandboxSession) -> None:
    create(api, "accounts", name="A")
    stormy.fault("truncated", method="GET")
    with pytest.raises(requests.JSONDecodeError):
        api("GET", "accounts").json()


def test_expired_token_needs_a_new_one(stormy: SandboxProcess, api: SandboxSession) -> None:
    stormy.fault("token-expired")
    assert api("GET", "accounts").status_code == 401
    assert api("GET", "accounts").status_code == 401
    assert stormy.session()("GET", "accounts").status_code == 200


def test_expired_delta(stormy: SandboxProcess, api: SandboxSession) -> None:
    link = read(api, "accounts", "odata.track-changes")["@odata.deltaLink"]
    stormy.fault("delta-expired")
    assert read(api, "accounts", "odata.track-changes")["value"] == []
    assert error_of(api("GET", link)) == (400, "0x80044352")
    assert api("GET", link).status_code == 200


def test_slow_page(stormy: SandboxProcess, api: SandboxSession) -> None:
    stormy.fault("slow", seconds=0.2)
    started = time.monotonic()
    read(api, "accounts")
    assert time.monotonic() - started >= 0.2


def test_poisoned_row_fails_the_bulk_call_and_itself(stormy: SandboxProcess, api: SandboxSession) -> None:
    stormy.fault("poisoned-row", text="Poison", count=None)
    rows = [{"name": "A"}, {"name": "Poison"}]
    assert error_of(bulk(api, "accounts", "CreateMultiple", rows)) == (400, "0x80040265")
    create(api, "accounts", name="A")
    assert error_of(api("POST", "accounts", {"name": "Poison"})) == (400, "0x80040265")
    assert names(api, "accounts") == ["A"]


def test_i2_someone_edits_between_read_and_write(stormy: SandboxProcess, api: SandboxSession) -> None:
    address = f"accounts({create(api, 'accounts', name='A')})"
    etag = read(api, address)["@odata.etag"]
    stormy.fault("concurrent-edit", values={"fax": "theirs"})
    answer = api("PATCH", address, {"name": "B"}, headers={"If-Match": etag})
    assert error_of(answer) == (412, "0x80060882")
    row = read(api, address)
    assert (row["name"], row["fax"]) == ("A", "theirs")
    assert row["_modifiedby_value"] != read(api, "WhoAmI")["UserId"]


def test_probability_gives_the_same_weather_for_the_same_seed() -> None:
    def weather(seed: int) -> list[bool]:
        faults = Faults(allowed=True, seed=seed)
        faults.add([Fault.parse({"kind": "status", "probability": 0.5})])
        return [faults.of_request("GET", "accounts", "", b"") is not None for _ in range(40)]

    assert weather(1) == weather(1)
    assert 5 < sum(weather(1)) < 35
    assert len({tuple(weather(seed)) for seed in itertools.islice(itertools.count(), 5)}) > 1
