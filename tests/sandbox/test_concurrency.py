"""Many clients at once: no update is lost, no version given twice, and a delta misses nothing (15, 8)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.errors import DataverseError
from sandbox.metadata.loading import load_catalog
from sandbox.store.database import Store
from tests.sandbox.conftest import bulk, create, read
from tests.sandbox_process import SandboxProcess, SandboxSession

CLIENTS = 6


def test_no_update_is_lost_between_clients_that_name_the_version(sandbox: SandboxProcess, api: SandboxSession) -> None:
    address = f"accounts({create(api, 'accounts', name='A', numberofemployees=0)})"

    def count_up(_client: int) -> int:
        session, refused = sandbox.session(), 0
        for _ in range(10):
            while True:
                row = read(session, f"{address}?$select=numberofemployees")
                body = {"numberofemployees": row["numberofemployees"] + 1}
                status = session("PATCH", address, body, headers={"If-Match": row["@odata.etag"]}).status_code
                if status == 204:
                    break
                assert status == 412
                refused += 1
        return refused

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(count_up, range(CLIENTS)))
    assert read(api, address)["numberofemployees"] == CLIENTS * 10


def test_delta_reader_sees_every_row_that_writers_create_meanwhile(
    sandbox: SandboxProcess, api: SandboxSession
) -> None:
    link = read(api, "accounts?$select=name,versionnumber", "odata.track-changes")["@odata.deltaLink"]

    def write(client: int) -> None:
        session = sandbox.session()
        for number in range(10):
            rows = [{"name": f"{client}-{number}-{row}"} for row in range(20)]
            assert bulk(session, "accounts", "CreateMultiple", rows).status_code == 200

    seen: list[tuple[str, int]] = []
    with ThreadPoolExecutor(CLIENTS) as pool:
        written = [pool.submit(write, client) for client in range(CLIENTS)]
        while True:
            done = all(future.done() for future in written)
            page = read(api, link)
            seen += [(row["name"], row["versionnumber"]) for row in page["value"]]
            link = page["@odata.deltaLink"]
            if done:
                break
        for future in written:
            future.result()
    total = CLIENTS * 10 * 20
    assert len(seen) == len(dict(seen)) == len({version for _, version in seen}) == total


def test_a_write_that_waits_for_one_that_waits_for_it_ends_in_a_timeout(tmp_path: Path) -> None:
    """As a synchronous webhook that writes back (14): its own write ends first, and what called it goes on (9.2)."""
    store = Store(tmp_path / "store.sqlite3", load_catalog())
    store.patience = 0.05

    def write_back() -> None:
        with store.writing():
            pass

    with ThreadPoolExecutor(1) as endpoint:
        with store.writing(), pytest.raises(DataverseError) as refused:
            endpoint.submit(write_back).result(200)
        assert (refused.value.status, refused.value.code) == (500, "0x80044151")
        endpoint.submit(write_back).result(200)
