"""Whatever the client is asked and whatever goes wrong: what it believes is what the CRM holds (I1, I2)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connection.dataverse import DataverseClient, Outcome, RowUpdate
from connection.dataverse.auth import SignIn
from connection.dataverse.errors import DuplicateKey, OutcomeUnknown, RowMissing, VersionMismatch
from connection.dataverse.http import Http
from connection.dataverse.traffic import Traffic
from connection.errors import CRMBridgeError, RetryLater
from tests.connection.conftest import Pauses
from tests.sandbox_process import SandboxProcess

POISON = "poisoned"
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 504},
    {"kind": "status", "status": 429, "retry_after": 1},
    {"kind": "timeout-before", "seconds": 0},
    {"kind": "timeout-after", "seconds": 0},
    {"kind": "reset"},
    {"kind": "truncated"},
    {"kind": "token-expired"},
    {"kind": "poisoned-row", "text": POISON},
    {"kind": "concurrent-edit", "values": {"fax": "theirs"}},
]
ROWS = st.lists(st.integers(0, 7), min_size=1, max_size=6, unique=True)
STEPS = st.one_of(
    st.tuples(st.just("create"), ROWS, st.sampled_from(["Ada", "Bo", POISON])),
    st.tuples(st.just("update"), ROWS, st.sampled_from(["Cy", "Di", POISON])),
    st.tuples(st.just("delete"), ROWS, st.just("")),
)
STORMY = st.tuples(STEPS, st.lists(st.sampled_from(FAULTS), max_size=2))


@pytest.fixture(scope="module")
def stormy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    folder: Path = tmp_path_factory.mktemp("stormy")
    with SandboxProcess(folder, options=["--faults"]) as process:
        yield process


@pytest.fixture
def client(stormy: SandboxProcess, monkeypatch: pytest.MonkeyPatch, settings: Any) -> DataverseClient:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", stormy.details["ca_file"])
    settings.EXTRA_CRM_HOSTS = ["localhost"]
    known = stormy.details
    sign_in = SignIn(
        known["address"],
        tenant=known["tenant"],
        client_id=known["client_id"],
        client_secret=known["client_secret"],
        authority=known["authority"],
    )
    return DataverseClient(Http(known["address"], sign_in, traffic=Traffic(clock=Pauses())))


class Belief:
    """Eight rows as the client knows them: their names, or None where there is none; unsure ones are looked up."""

    def __init__(self, client: DataverseClient) -> None:
        self.client = client
        self.ids = [uuid4() for _ in range(8)]
        self.names: dict[UUID, str | None] = dict.fromkeys(self.ids)
        self.etags: dict[UUID, str] = {}
        self.unsure: set[UUID] = set()
        self.aged: set[UUID] = set()

    def step(self, action: str, which: list[int], name: str) -> None:
        ids = [self.ids[at] for at in which]
        try:
            self.settle()
            written = getattr(self, action)(
                [id for id in ids if (self.names[id] is None) == (action == "create")], name
            )
        except CRMBridgeError:
            return
        for id, outcome in written:
            self.learn(id, outcome, name or None)

    def is_free(self, id: UUID) -> bool:
        return self.names[id] is None

    def create(self, ids: list[UUID], name: str) -> list[tuple[UUID, Outcome]]:
        rows = [{"accountid": str(id), "name": name} for id in ids]
        return list(zip(ids, self.client.create_many("account", rows), strict=True))

    def update(self, ids: list[UUID], name: str) -> list[tuple[UUID, Outcome]]:
        updates = [RowUpdate(id, {"name": name}, self.etags[id]) for id in ids]
        return list(zip(ids, self.client.update_many("account", updates), strict=True))

    def delete(self, ids: list[UUID], name: str) -> list[tuple[UUID, Outcome]]:
        return list(zip(ids, self.client.delete_many("account", [(id, self.etags[id]) for id in ids]), strict=True))

    def learn(self, id: UUID, outcome: Outcome, name: str | None) -> None:
        """What is written is known; what may have been written is looked up; a refusal has changed nothing."""
        if outcome.ok:
            self.names[id] = name
            self.aged.add(id)
        elif isinstance(outcome.error, OutcomeUnknown | DuplicateKey | VersionMismatch | RowMissing):
            self.unsure.add(id)

    def settle(self) -> None:
        """Look up the unsure rows, as the engine does (I1), and the versions of those that we wrote (I2)."""
        wanted = self.unsure | self.aged
        found = self.client.rows_by_id("account", sorted(wanted), select=["name"]) if wanted else {}
        for id in wanted:
            self.names[id] = found[id]["name"] if id in found else None
        self.etags |= {id: row["@odata.etag"] for id, row in found.items()}
        self.unsure.clear()
        self.aged.clear()


def held(stormy: SandboxProcess, ids: list[UUID]) -> dict[UUID, str | None]:
    """What the CRM holds, asked without our client."""
    stormy.calm()
    ask = stormy.session()
    answers = {id: ask("GET", f"accounts({id})?$select=name") for id in ids}
    return {id: answer.json()["name"] if answer.status_code == 200 else None for id, answer in answers.items()}


def quiet(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        derandomize=True,
    )


@quiet(15)
@given(steps=st.lists(STEPS, max_size=12))
def test_in_fair_weather_every_outcome_is_true_at_once(
    client: DataverseClient, stormy: SandboxProcess, steps: list[Any]
) -> None:
    belief = Belief(client)
    for action, which, name in steps:
        belief.step(action, which, name)
    assert belief.names == held(stormy, belief.ids)


@quiet(15)
@given(steps=st.lists(STORMY, max_size=8))
def test_i1_in_a_storm_nothing_is_believed_that_is_not_so(
    client: DataverseClient, stormy: SandboxProcess, steps: list[Any]
) -> None:
    belief = Belief(client)
    for (action, which, name), faults in steps:
        for fault in faults:
            stormy.fault(**fault)
        belief.step(action, which, name)
        sure = {id: name for id, name in belief.names.items() if id not in belief.unsure}
        told = held(stormy, belief.ids)
        assert sure == {id: told[id] for id in sure}
    belief.settle()
    assert belief.names == held(stormy, belief.ids)


def test_a_passing_fault_is_called_passing(client: DataverseClient, stormy: SandboxProcess) -> None:
    client.definition("account")
    for fault in FAULTS[:8]:
        stormy.fault(**fault, method="POST")
        (outcome,) = client.create_many("account", [{"accountid": str(uuid4()), "name": "Ada"}])
        assert outcome.ok or isinstance(outcome.error, RetryLater), fault
        stormy.calm()
