"""Pages follow what they cost, in time and in bytes, and what is read stays the same (dataverse-web-api.md 5.3, I9)."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID, uuid4

import pytest

from connection.dataverse import changes as change_tracking
from connection.dataverse import reading
from connection.dataverse.client import DataverseClient
from connection.dataverse.errors import TimedOut
from connection.dataverse.http import Http
from connection.dataverse.sizing import READING, BatchSize
from connection.dataverse.traffic import Traffic
from tests.connection.conftest import Pauses, Serve
from tests.connection.test_http import ACCOUNT, Tokens
from tests.connection.tls_server import Asked, Said, json_said

ROWS = [{"accountid": str(UUID(int=number)), "name": f"Row {number}"} for number in range(3000)]


class Table:
    """Serves ROWS, going on after the last row's id or, told so, by counting pages as the CRM does at times."""

    def __init__(self, *, by_values: bool = True, wide: int = 0, gone_above: int = 10**9) -> None:
        self.by_values, self.wide, self.gone_above = by_values, wide, gone_above
        self.sizes: list[int] = []

    def __call__(self, asked: Asked) -> Said:
        size = int(re.findall(r"maxpagesize=(\d+)", asked.headers["Prefer"])[0])
        self.sizes.append(size)
        if size > self.gone_above:
            return Said(413)
        token = parse_qs(urlsplit(asked.path).query).get("$skiptoken", ["0"])[0]
        number = int(re.findall(r"\d+", token)[0])
        start = number if self.by_values else number * size
        rows = [row | ({"description": "x" * self.wide} if self.wide else {}) for row in ROWS[start : start + size]]
        return json_said({"value": rows} | self._rest(asked, start + size, number + 1))

    def _rest(self, asked: Asked, end: int, number: int) -> dict[str, str]:
        if end >= len(ROWS):
            return {}
        cookie = f'<cookie pagingcookie="{end}" />' if self.by_values else f'<cookie pagenumber="{number}" />'
        address = f"https://{asked.headers['Host']}{urlsplit(asked.path).path}"
        return {"@odata.nextLink": f"{address}?$skiptoken={quote(cookie, safe='')}"}


def read(http: Http, size: BatchSize, most: int = 5000) -> list[str]:
    found = reading.pages(http, ACCOUNT, select=["name"], size=size, page_size=most)
    return [row["name"] for page in found for row in page]


@pytest.fixture
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the next exchanges take, as far as the client can tell; then nothing."""
    costs: list[float] = []
    exchange = Http._exchange

    def costly(self: Http, *how: Any, **more: Any) -> Any:
        answer = exchange(self, *how, **more)
        object.__setattr__(answer, "seconds", costs.pop(0) if costs else 0.01)
        return answer

    monkeypatch.setattr(Http, "_exchange", costly)
    return costs


NAMES = [row["name"] for row in ROWS]


def test_a_slow_page_makes_the_next_ones_smaller_until_they_are_quick(serve: Serve, slow_clock: list[float]) -> None:
    table, size = Table(), BatchSize(READING)
    slow_clock += [30.0, 60.0, 9.0]
    with serve(table) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        assert read(http, size, most=1000) == NAMES
        assert table.sizes == [1000, 500, 250, 166, 332, 664, 1000]


def test_large_rows_make_pages_smaller(serve: Serve) -> None:
    table, size = Table(wide=30_000), BatchSize(READING)
    with serve(table) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        assert read(http, size, most=1000) == NAMES
    assert table.sizes[0] == 1000
    assert all(200 < rows < 300 for rows in table.sizes[1:])


def test_a_page_that_is_refused_as_too_large_is_asked_for_again(serve: Serve) -> None:
    table, size = Table(gone_above=400), BatchSize(READING)
    with serve(table) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        assert read(http, size) == NAMES
    assert table.sizes[:4] == [5000, 50, 100, 200]


def test_a_page_that_never_comes_is_asked_for_with_fewer_rows(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table()
    tracked = Table()

    def answer(asked: Asked) -> Said:
        chosen = tracked if "track-changes" in asked.headers["Prefer"] else table
        said = chosen(asked)
        return Said(200, said.body, said.headers, pause=5) if chosen.sizes[-1] > 1000 else said

    with serve(answer) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        http._session.timeout = (5, 0.3)
        assert read(http, BatchSize(READING), most=2000) == NAMES
        assert table.sizes[:3] == [2000, 50, 100]
        found = change_tracking.changes(
            http, ACCOUNT, select=["name"], size=BatchSize(READING), delta_link=None, page_size=2000
        )
        assert [row["name"] for page in found for row in page.rows] == NAMES
        assert tracked.sizes[:2] == [2000, 50]


def test_where_the_crm_counts_pages_their_size_stays(serve: Serve, slow_clock: list[float]) -> None:
    table, size = Table(by_values=False), BatchSize(READING)
    slow_clock += [30.0] * 5
    with serve(table) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        assert read(http, size, most=700) == NAMES
        assert table.sizes == [700] * 5
        assert read(http, size, most=700) == NAMES
    assert table.sizes[5] < 700


def test_the_fewest_rows_are_not_asked_for_twice(serve: Serve) -> None:
    def never(asked: Asked) -> Said:
        return Said(200, b"{}", pause=5)

    with serve(never) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=Pauses()))
        http._session.timeout = (5, 0.2)
        with pytest.raises(TimedOut):
            read(http, BatchSize(READING), most=20)
        assert len(server.asked) == 1
        with pytest.raises(TimedOut):
            read(http, BatchSize(READING))
        assert len(server.asked) == 3


def test_rows_by_id_come_in_smaller_requests_where_one_is_too_much(serve: Serve, pauses: Pauses) -> None:
    wide = {"value": [{"accountid": str(uuid4()), "description": "x" * 200_000} for _ in range(20)]}
    parts: list[int] = []

    def answer(asked: Asked) -> Said:
        parts.append(asked.body.count(b"GET "))
        head = b"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
        one = head + json.dumps(wide).encode() + b"\r\n"
        return Said(200, one * parts[-1] + b"--b--", {"Content-Type": "multipart/mixed; boundary=b"})

    with serve(answer) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=pauses))
        ids = [uuid4() for _ in range(6000)]
        size = BatchSize(READING)
        found = list(reading.rows_where_in(http, ACCOUNT, "accountid", ids, select=["description"], size=size))
    assert len(found) == 12 * 20
    assert parts == [10, 2]
    assert size.rows < 1100


def test_the_sandbox_gives_the_same_rows_whatever_the_size(client_of_sandbox: DataverseClient) -> None:
    tag = f"T{uuid4().hex[:10]}"
    rows = [{"accountid": str(uuid4()), "name": f"{number:03}", "accountnumber": tag} for number in range(230)]
    assert all(outcome.ok for outcome in client_of_sandbox.create_many("account", rows))
    size = client_of_sandbox._page_size("account", ["name"])
    size.rows = 60
    found = client_of_sandbox.pages("account", select=["name"], filter=f"accountnumber eq '{tag}'", orderby="name")
    pages = [[row["name"] for row in page] for page in found]
    assert [len(page) for page in pages] == [60, 120, 50]
    assert [name for page in pages for name in page] == [f"{number:03}" for number in range(230)]
