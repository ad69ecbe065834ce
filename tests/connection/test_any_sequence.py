"""Any sequence of client calls, in fair weather and foul: what the client believes is what the CRM holds (I1, I2, I6).

A model of two tables (one with bulk messages, one with batches only) is told what each call answered. A row whose
outcome is unknown is settled as the engine does it, by reading: it must be exactly as before or as it should be.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from connection.dataverse import DataverseClient, Outcome, RowUpdate
from connection.dataverse.auth import SignIn
from connection.dataverse.errors import (
    DeltaExpired,
    DuplicateKey,
    OutcomeUnknown,
    RowMissing,
    RowRefused,
    ServerFault,
    ServiceUnavailable,
    Throttled,
    VersionMismatch,
)
from connection.dataverse.http import Http
from connection.dataverse.traffic import Traffic
from tests.connection.conftest import Pauses
from tests.sandbox_process import SandboxProcess


@dataclass(frozen=True)
class Table:
    """A table of the CRM: its columns, and how long the first may be."""

    name: str
    id: str
    title: str
    text: str
    longest: int


ACCOUNT = Table("account", "accountid", "name", "telephone1", 160)
NOTE = Table("annotation", "annotationid", "subject", "notetext", 500)
KEY, PARENT = "accountnumber", "parentaccountid"
# What may meet any request. The CRM did all of it, or nothing, or says that it did nothing.
Fault = dict[str, Any]
WEATHER: list[Fault] = [
    {"kind": "timeout-before", "seconds": 0.02},
    {"kind": "timeout-after", "seconds": 0.02},
    {"kind": "reset"},
    {"kind": "truncated"},
    {"kind": "token-expired"},
    {"kind": "delta-expired"},
    *({"kind": "status", "status": status} for status in (401, 429, 500, 502, 503, 504)),
]
NOT_DONE = (Throttled, ServiceUnavailable, ServerFault)


@dataclass(frozen=True)
class Known:
    """What the model knows of a row: values by column, and how many times it was written."""

    values: dict[str, Any] = field(default_factory=dict)
    version: int = 0

    def changed(self, values: dict[str, Any]) -> "Known":
        return Known(self.values | values, self.version + 1)


tables = st.sampled_from([ACCOUNT, NOTE])
# Two tokens in a row that are not accepted end a call, so one of them at most.
weathers = st.lists(
    st.sampled_from(WEATHER), max_size=3, unique_by=lambda fault: fault.get("status") or fault["kind"]
).filter(lambda faults: sum(fault["kind"] == "token-expired" or fault.get("status") == 401 for fault in faults) < 2)
bads, bools = st.sets(st.integers(0, 29), max_size=3), st.booleans()
# Picks among the rows that there are when it is used.
picks = st.lists(st.integers(0, 200), min_size=1, max_size=30, unique=True)


class AnySequence:
    """The calls of the client, each judged by the model."""

    connect: ClassVar[Callable[[], DataverseClient]]
    sandbox: ClassVar[SandboxProcess]
    settled: ClassVar[list[bool]]

    def __init__(self) -> None:
        # A budget that was lowered by one sequence's complaints would hold back the next.
        self.client = type(self).connect()
        self.rows: dict[Table, dict[UUID, Known]] = {ACCOUNT: {}, NOTE: {}}
        self.gone: dict[Table, list[UUID]] = {ACCOUNT: [], NOTE: []}
        self.etags: dict[UUID, tuple[str, int]] = {}
        self.links: dict[Table, str | None] = {ACCOUNT: None}
        self.mirror: dict[UUID, Any] = {}
        self.number = 0

    def begin(self) -> None:
        self.sandbox.calm()
        self.tag = uuid4().hex[:8]
        *_, last = self.client.changes("account", select=["name"])
        self.links[ACCOUNT] = last.delta_link
        for table in (ACCOUNT, NOTE):
            self.create([], table, 20, set(), again=False)

    def _have(self, weather: list[Fault]) -> None:
        """Have the next requests meet something."""
        self.sandbox.calm()
        for fault in weather:
            self.sandbox.fault(**fault)

    def create(self, weather: list[Fault], table: Table, number: int, bad: set[int], again: bool) -> None:
        """Some rows are too long, one may be there already."""
        new = {uuid4(): self._values(table, too_long=at in bad) for at in range(number)}
        if again and self.rows[table]:
            new[next(iter(self.rows[table]))] = self._values(table)

        def expected(id: UUID) -> type | None:
            if len(new[id][table.title]) > table.longest:
                return RowRefused
            return DuplicateKey if id in self.rows[table] else None

        sent = [{table.id: str(id), **values} for id, values in new.items()]
        self._have(weather)
        self._judge(table, list(new), self.client.create_many(table.name, sent), expected, new.__getitem__)

    def update(
        self, weather: list[Fault], table: Table, chosen: list[int], missing: bool, bad: bool, versioned: bool
    ) -> None:
        """Some against the version that was read last, which may be an old one; some of rows that are gone."""
        ids = self._chosen(table, chosen) + (self.gone[table][-1:] if missing else [])
        new = {id: self._values(table, too_long=bad and at == 0) for at, id in enumerate(ids)}
        known = {id: self.etags[id] for id in ids if versioned and id in self.etags}

        def expected(id: UUID) -> type | None:
            if id not in self.rows[table]:
                return RowMissing
            if id in known and known[id][1] != self.rows[table][id].version:
                return VersionMismatch
            return RowRefused if len(new[id][table.title]) > table.longest else None

        self._have(weather)
        updates = [RowUpdate(id, new[id], known[id][0] if id in known else None) for id in ids]
        self._judge(table, ids, self.client.update_many(table.name, updates), expected, new.__getitem__)

    def associate(self, weather: list[Fault], chosen: list[int], parent: int | None) -> None:
        """Give accounts a parent, or none."""
        ids, parents = self._chosen(ACCOUNT, chosen), self._chosen(ACCOUNT, [parent] if parent is not None else [])
        ids = [id for id in ids if id not in parents]
        bound = parents[0] if parents else None
        values = {f"{PARENT}@odata.bind": f"/accounts({bound})" if bound else None}
        self._have(weather)
        outcomes = self.client.update_many("account", [RowUpdate(id, values, None) for id in ids])
        self._judge(ACCOUNT, ids, outcomes, lambda id: None, lambda id: {PARENT: bound})

    def upsert(self, weather: list[Fault], numbers: list[int], bad: bool) -> None:
        """By alternate key; the CRM chooses the ids of new rows, so they are read."""
        sent = {f"{self.tag}-{each}": self._values(ACCOUNT, too_long=bad and not at) for at, each in enumerate(numbers)}
        before = self._by_key()
        self._have(weather)
        outcomes = self.client.upsert_many("account", [{KEY: key, **new} for key, new in sent.items()], key=[KEY])
        self.sandbox.calm()
        found = {row[KEY]: row for row in self.client.rows_where_in("account", KEY, list(sent), select=self._columns())}
        for (key, new), outcome in zip(sent.items(), outcomes, strict=True):
            too_long = len(new["name"]) > ACCOUNT.longest
            done = key in found and found[key]["name"] == new["name"]
            assert done == outcome.ok or isinstance(outcome.error, OutcomeUnknown), outcome
            assert not (done and too_long)
            assert done or isinstance(outcome.error, (OutcomeUnknown, *NOT_DONE, *([RowRefused] if too_long else [])))
            if done:
                id = UUID(found[key]["accountid"])
                assert before.get(key, id) == id
                self.rows[ACCOUNT][id] = self.rows[ACCOUNT].get(id, Known()).changed({KEY: key, **new})

    def delete(self, weather: list[Fault], table: Table, chosen: list[int], again: bool, versioned: bool) -> None:
        """Some in the version that was read last, some that are gone already."""
        ids = self._chosen(table, chosen)[:4] + (self.gone[table][-1:] if again else [])
        known = {id: self.etags[id] for id in ids if versioned and id in self.etags}

        def expected(id: UUID) -> type | None:
            if id not in self.rows[table]:
                return RowMissing
            return VersionMismatch if id in known and known[id][1] != self.rows[table][id].version else None

        self._have(weather)
        sent = [(id, known[id][0] if id in known else None) for id in ids]
        self._judge(table, ids, self.client.delete_many(table.name, sent), expected, lambda id: None)

    def somebody_edits(self, table: Table, chosen: list[int]) -> None:
        """In the CRM itself, which makes the versions that we know old ones."""
        self.sandbox.calm()
        someone = self.sandbox.session()  # a token expires with all others
        for id in self._chosen(table, chosen)[:3]:
            values = self._values(table)
            entity_set = self.client.definition(table.name).entity_set
            assert someone("PATCH", f"{entity_set}({id})", values).status_code == 204
            self.rows[table][id] = self.rows[table][id].changed(values)

    def read_by_id(self, weather: list[Fault], table: Table, chosen: list[int]) -> None:
        """Rows that are there, and none that are gone."""
        self._have(weather)
        self._read(table, self._chosen(table, chosen))

    def read_pages(self, weather: list[Fault], size: int) -> None:
        """All rows of the model, in order, whatever the size of pages."""
        self._have(weather)
        found = [
            row
            for page in self.client.pages("account", select=["name"], orderby="name,accountid", page_size=size)
            for row in page
        ]
        names = [row["name"] for row in found if UUID(row["accountid"]) in self.rows[ACCOUNT]]
        assert names == sorted(known.values["name"] for known in self.rows[ACCOUNT].values())

    def follow_changes(self, weather: list[Fault], size: int) -> None:
        """What was told of changes, from link to link, adds up to the table."""
        self._have(weather)
        try:
            self._follow(self.links[ACCOUNT], size)
        except DeltaExpired:
            self.mirror = {}
            self._follow(None, size)
        ours = {id: name for id, name in self.mirror.items() if id in self.rows[ACCOUNT]}
        assert ours == {id: known.values["name"] for id, known in self.rows[ACCOUNT].items()}
        assert not set(self.gone[ACCOUNT]) & set(self.mirror)

    def believed_is_held(self) -> None:
        """After every step, with what is left of its weather."""
        for table, rows in self.rows.items():
            assert len(rows) < 2000
            assert self._read(table, [*rows, *self.gone[table][-5:]])

    def end(self) -> None:
        """In fair weather again, still."""
        self.sandbox.calm()
        self.believed_is_held()
        self.follow_changes([], 50)
        for table, rows in self.rows.items():
            self.client.delete_many(table.name, [(id, None) for id in rows])

    def _judge(
        self,
        table: Table,
        ids: list[UUID],
        outcomes: list[Outcome],
        expected: Callable[[UUID], type | None],
        values: Callable[[UUID], dict[str, Any] | None],
    ) -> None:
        """Compare each outcome with what the model expects, and settle the unknown ones by reading."""
        assert len(outcomes) == len(ids)
        unknown: list[UUID] = []
        for id, outcome in zip(ids, outcomes, strict=True):
            wanted = expected(id)
            if outcome.ok:
                assert wanted is None, (wanted, id)
                self._apply(table, id, values(id))
            elif isinstance(outcome.error, OutcomeUnknown):
                unknown += [id] if wanted is None else []
            else:
                assert type(outcome.error) is wanted or isinstance(outcome.error, NOT_DONE), outcome
        if unknown:
            self._settle(table, unknown, values)

    def _settle(self, table: Table, unknown: list[UUID], values: Callable[[UUID], dict[str, Any] | None]) -> None:
        self.sandbox.calm()
        found = self._fetched(table, unknown)
        for id in unknown:
            before, changes = self.rows[table].get(id), values(id)
            after = None if changes is None else self._full((before or Known()).changed(changes).values, table)
            landed = found.get(id) == after
            self.settled.append(landed)
            if landed:
                self._apply(table, id, changes)
            else:
                as_before = self._full(before.values, table) if before else None
                assert found.get(id) == as_before, "neither as before nor as asked for"

    def _apply(self, table: Table, id: UUID, values: dict[str, Any] | None) -> None:
        if values is None:
            del self.rows[table][id]
            self.gone[table].append(id)
            # The CRM clears what pointed to the row (a reference, not a parental relation).
            for child, known in self.rows[table].items():
                if known.values.get(PARENT) == id:
                    self.rows[table][child] = replace(known, values=known.values | {PARENT: None})
        else:
            self.rows[table][id] = self.rows[table].get(id, Known()).changed(values)

    def _fetched(self, table: Table, ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
        """What the CRM holds, as the model would say it."""
        rows = self.client.rows_by_id(table.name, ids, select=self._columns(table))
        self._at_hand = {id: row["@odata.etag"] for id, row in rows.items()}
        return {id: self._said(table, row) for id, row in rows.items()}

    def _read(self, table: Table, ids: list[UUID]) -> bool:
        found = self._fetched(table, ids)
        assert found == {id: self._full(self.rows[table][id].values, table) for id in ids if id in self.rows[table]}
        self.etags |= {id: (etag, self.rows[table][id].version) for id, etag in self._at_hand.items()}
        return True

    def _said(self, table: Table, row: dict[str, Any]) -> dict[str, Any]:
        parent = row.get(f"_{PARENT}_value")
        return {name: row[name] for name in self._columns(table) if name != PARENT} | (
            {PARENT: UUID(parent) if parent else None} if table is ACCOUNT else {}
        )

    def _full(self, values: dict[str, Any], table: Table) -> dict[str, Any]:
        return dict.fromkeys(self._columns(table)) | values

    def _columns(self, table: Table = ACCOUNT) -> list[str]:
        return [table.title, table.text, *([KEY, PARENT] if table is ACCOUNT else [])]

    def _values(self, table: Table, *, too_long: bool = False) -> dict[str, Any]:
        """Values that no row had before."""
        self.number += 1
        title = f"{self.tag} {self.number:05}"
        return {table.title: title.ljust(table.longest + 1, "x") if too_long else title, table.text: str(self.number)}

    def _chosen(self, table: Table, picked: list[int]) -> list[UUID]:
        ids = list(self.rows[table])
        return list(dict.fromkeys(ids[pick % len(ids)] for pick in picked)) if ids else []

    def _by_key(self) -> dict[str, UUID]:
        return {known.values[KEY]: id for id, known in self.rows[ACCOUNT].items() if known.values.get(KEY)}

    def _follow(self, link: str | None, size: int) -> None:
        for page in self.client.changes("account", select=["name"], delta_link=link, page_size=size):
            self.mirror |= {UUID(row["accountid"]): row["name"] for row in page.rows}
            for id in page.deleted:
                self.mirror.pop(id, None)
            self.links[ACCOUNT] = page.delta_link or self.links[ACCOUNT]


def step(name: str, **how: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """A call of the method `name` of AnySequence, with what it is called with."""
    return st.tuples(st.just(name), st.fixed_dictionaries(how))


rows = {"weather": weathers, "table": tables, "chosen": picks}
keys = st.lists(st.integers(0, 8), min_size=1, max_size=6, unique=True)
steps = st.one_of(
    step("create", weather=weathers, table=tables, number=st.integers(1, 30), bad=bads, again=bools),
    step("update", **rows, missing=bools, bad=bools, versioned=bools),
    step("associate", weather=weathers, chosen=picks, parent=st.none() | st.integers(0, 50)),
    step("upsert", weather=weathers, numbers=keys, bad=bools),
    step("delete", **rows, again=bools, versioned=bools),
    step("somebody_edits", table=tables, chosen=picks),
    step("read_by_id", **rows),
    step("read_pages", weather=weathers, size=st.integers(5, 60)),
    step("follow_changes", weather=weathers, size=st.integers(5, 60)),
)


@pytest.fixture(scope="module")
def moody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox that can be told to misbehave, with an alternate key on accounts."""
    with SandboxProcess(tmp_path_factory.mktemp("moody"), options=["--faults"]) as process:
        body = {"SchemaName": "cb_accountkey", "KeyAttributes": [KEY]}
        assert process.session()("POST", "EntityDefinitions(LogicalName='account')/Keys", body).status_code == 204
        yield process


# Calls run in parallel, so a sequence that failed need not fail again while it is made shorter.
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(steps, min_size=8, max_size=14))
def walk(sequence: list[tuple[str, dict[str, Any]]]) -> None:
    crm = AnySequence()
    crm.begin()
    for name, how in sequence:
        getattr(crm, name)(**how)
        crm.believed_is_held()
    crm.end()


@pytest.mark.any_database
def test_what_the_client_believes_is_what_the_crm_holds(
    moody: SandboxProcess, monkeypatch: pytest.MonkeyPatch, settings_of_django: Settings
) -> None:
    details = moody.details
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", details["ca_file"])
    settings_of_django.EXTRA_CRM_HOSTS = ["localhost"]
    sign_in = SignIn(
        details["address"],
        tenant=details["tenant"],
        client_id=details["client_id"],
        client_secret=details["client_secret"],
        authority=details["authority"],
    )

    def connect() -> DataverseClient:
        client = DataverseClient(Http(details["address"], sign_in, traffic=Traffic(clock=Pauses())))
        for table in (ACCOUNT, NOTE):
            for sort in ("create", "update", "upsert", "delete"):
                client._size(table.name, sort).rows = 12  # so that a call has several chunks
        return client

    assert connect().definition("account").bulk_upsert
    assert not connect().definition("annotation").bulk_create
    AnySequence.connect, AnySequence.sandbox = staticmethod(connect), moody
    AnySequence.settled = []
    walk()
    assert {True, False} <= set(AnySequence.settled), "no lost answer was met on both sides of the commit"


@pytest.fixture
def settings_of_django(request: pytest.FixtureRequest) -> Settings:
    """Django's settings, whose usual name is hypothesis' here."""
    found: Settings = request.getfixturevalue("settings")
    return found
