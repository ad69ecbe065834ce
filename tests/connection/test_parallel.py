"""Several calls at a time: how many, how large, who waits for whom (dataverse-web-api.md 10)."""

import json
import re
import time
from threading import Lock
from typing import Any
from uuid import uuid4

import pytest

from connection.dataverse import bulk
from connection.dataverse.budget import Amount, Budget
from connection.dataverse.degree import Degree
from connection.dataverse.errors import RowRefused, Throttled
from connection.dataverse.http import Http
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.sizing import WRITING, BatchSize
from connection.dataverse.traffic import LocalBudget, Traffic
from connection.dataverse.writing import RowUpdate
from tests.connection.conftest import Pauses, Serve
from tests.connection.test_http import BUSY, FINE, Tokens
from tests.connection.tls_server import Asked, Said, json_said, refused

ACCOUNT = TableDefinition(
    "account", "accounts", "accountid", "name", True, "Accounts", True, {}, bulk_update=True, bulk_upsert=True
)


class Busy:
    """Counts how many calls are in it at a time; recommends `hint` of them and takes no more than `limit`."""

    def __init__(self, *, hint: str = "", limit: int = 99) -> None:
        self.hint, self.limit = hint, limit
        self.inside = self.most = self.refused = 0
        self._lock = Lock()

    def __call__(self, asked: Asked) -> Said:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            too_many = self.inside > self.limit
            self.refused += too_many
        time.sleep(0.01)
        with self._lock:
            self.inside -= 1
        if too_many:
            return refused(429, "0x80072326", Retry_After="1")
        return json_said({"Ids": []}, x_ms_dop_hint=self.hint)


def rows(number: int) -> list[dict[str, Any]]:
    return [{"accountid": str(uuid4()), "name": f"Row {at}"} for at in range(number)]


@pytest.mark.parametrize(("hint", "most"), [("", 4), ("7", 7), ("1", 2), ("nonsense", 4)])
def test_as_many_calls_at_a_time_as_the_crm_recommends(serve: Serve, hint: str, most: int) -> None:
    busy = Busy(hint=hint)
    with serve(busy) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        outcomes = bulk.create_many(http, ACCOUNT, rows(600), size=FixedSize(10))
    assert len(outcomes) == 600
    assert all(outcome.ok for outcome in outcomes)
    assert 1 <= busy.most <= most


def test_too_many_at_a_time_become_fewer_and_nothing_is_lost(serve: Serve) -> None:
    busy = Busy(hint="12", limit=3)
    with serve(busy) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        outcomes = bulk.create_many(http, ACCOUNT, rows(1000), size=FixedSize(10))
    assert all(outcome.ok for outcome in outcomes)
    assert busy.most < 12


def test_outcomes_keep_the_order_of_the_rows(serve: Serve) -> None:
    new = rows(500)
    bad = {new[at]["accountid"] for at in (0, 77, 333, 499)}

    def answer(asked: Asked) -> Said:
        if "CreateMultiple" not in asked.path:
            parts = [id in bad for id in re.findall(r'"accountid":"([^"]+)"', asked.body.decode())]
            return batch_said([400 if refuse else 204 for refuse in parts])
        ids = [target["accountid"] for target in json.loads(asked.body)["Targets"]]
        time.sleep(0.02 if ids[0] == new[0]["accountid"] else 0)
        return refused(400, "0x80040203") if bad & set(ids) else json_said({"Ids": ids})

    with serve(answer) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        outcomes = bulk.create_many(http, ACCOUNT, new, size=FixedSize(50))
    assert [at for at, outcome in enumerate(outcomes) if not outcome.ok] == [0, 77, 333, 499]
    assert isinstance(outcomes[0].error, RowRefused)


def batch_said(statuses: list[int]) -> Said:
    part = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {} -\r\nContent-Type: application/json\r\n\r\n{}\r\n"
    error = '{"error":{"code":"0x80040203","message":"No."}}'
    body = "".join(part.format(status, error if status >= 400 else "") for status in statuses) + "--b--"
    return Said(200, body.encode(), {"Content-Type": "multipart/mixed; boundary=b"})


class FixedSize(BatchSize):
    """Learns nothing."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def learn(self, rows: int, seconds: float, size: int, *, full: bool = True) -> None:
        pass

    def shrink(self, rows: int) -> None:
        pass


def test_degree_halves_once_for_one_pause_and_recovers() -> None:
    clock = Pauses()
    degree = Degree(clock.now)
    degree.heed("8")
    for _ in range(100):
        degree.rise()
    assert degree.current == 8
    degree.fall(5)
    degree.fall(5)
    assert degree.current == 4
    clock.sleep(6)
    degree.fall(5)
    assert degree.current == 2
    for _ in range(9):
        degree.rise()
    assert 4 <= degree.current <= 5
    degree.share(3)
    assert degree.current == 3


def test_batches_follow_time_and_payload() -> None:
    size = BatchSize()
    size.learn(250, 0.1, 50_000)
    assert 250 < size.rows <= 313
    for _ in range(20):
        size.learn(size.rows, 0.1, 50_000)
    assert size.rows == WRITING.most
    size.learn(1000, 10.0, 50_000)
    assert size.rows == 500
    size.learn(500, 2.5, 50_000)
    assert size.rows == 300
    size.learn(300, 0.5, 64 * 1024 * 1024)
    assert size.rows == 37
    for _ in range(9):
        size.shrink(size.rows)
    assert size.rows == WRITING.fewest


def test_a_small_last_batch_says_nothing_about_large_ones() -> None:
    size = BatchSize()
    size.learn(3, 0.001, 300)
    assert size.rows == 250


def test_a_spent_budget_makes_bulk_work_wait_and_people_not(serve: Serve) -> None:
    store = LocalBudget(Budget(limits=Amount(10, 1000), lowered_at=time.time()))
    with serve(lambda asked: FINE) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(store, Pauses()))
        for _ in range(9):
            http.get("accounts")
        with pytest.raises(Throttled) as caught:
            http.get("accounts")
        assert (caught.value.retry_after or 0) > 60
        assert http.interactive().get("accounts").status == 200
        outcomes = bulk.create_many(http, ACCOUNT, rows(900), size=BatchSize())
        assert all(isinstance(outcome.error, Throttled) for outcome in outcomes)
        assert len(server.asked) <= 11


def test_a_429_that_one_worker_sees_holds_back_the_others(serve: Serve) -> None:
    store, answers = LocalBudget(), iter([BUSY, FINE, FINE])
    one, another = Pauses(), Pauses()
    with serve(lambda asked: next(answers)) as server:
        Http(server.address, Tokens(), traffic=Traffic(store, one)).get("accounts")
        Http(server.address, Tokens(), traffic=Traffic(store, another)).get("accounts")
    assert sum(one) >= 7
    # Seven seconds, less what has passed since the first was told.
    assert sum(another) > 3


def test_a_person_is_told_of_a_long_pause_instead_of_kept_waiting(serve: Serve, pauses: Pauses) -> None:
    with serve(lambda asked: BUSY) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).interactive()
        with pytest.raises(Throttled) as caught:
            http.get("accounts")
        assert (caught.value.retry_after, len(server.asked), pauses) == (7, 1, [])


def test_i2_versions_are_never_sent_in_bulk(serve: Serve) -> None:
    def answer(asked: Asked) -> Said:
        return Said(204) if "Multiple" in asked.path else batch_said([204] * asked.body.count(b"PATCH"))

    with serve(answer) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        twin = uuid4()
        for updates in (
            [RowUpdate(uuid4(), {"name": "a"}, None), RowUpdate(uuid4(), {"name": "b"}, None)],
            [RowUpdate(uuid4(), {"name": "a"}, 'W/"1"'), RowUpdate(uuid4(), {"name": "b"}, None)],
            [RowUpdate(twin, {"name": "a"}, None), RowUpdate(twin, {"name": "b"}, None)],
        ):
            assert all(outcome.ok for outcome in bulk.update_many(http, ACCOUNT, updates, size=BatchSize()))
    paths = [asked.path.rsplit("/", 1)[-1] for asked in server.asked]
    assert paths == ["Microsoft.Dynamics.CRM.UpdateMultiple", "$batch", "$batch"]


def test_rows_are_upserted_by_their_key(serve: Serve) -> None:
    def answer(asked: Asked) -> Said:
        return Said(204) if "Multiple" in asked.path else batch_said([204] * asked.body.count(b"PATCH"))

    new = [{"accountnumber": "D'1 2", "name": "A"}, {"accountnumber": "D-2", "name": "B"}]
    single = TableDefinition("post", "posts", "postid", "text", False, "Posts", False, {})
    with serve(answer) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        for table in (ACCOUNT, single):
            assert all(o.ok for o in bulk.upsert_many(http, table, new, ["accountnumber"], size=BatchSize()))
    assert json.loads(server.asked[0].body)["Targets"][0] == {
        "@odata.type": "Microsoft.Dynamics.CRM.account",
        "@odata.id": "accounts(accountnumber='D''1%202')",
        "name": "A",
    }
    assert b"PATCH /api/data/v9.2/posts(accountnumber='D''1%202') HTTP/1.1" in server.asked[1].body
    assert b"If-Match" not in server.asked[1].body
