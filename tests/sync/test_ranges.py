"""One big table on several workers: key ranges cover it once, and whatever happens to whom, the end is that of one."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection as database
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from connection.dataverse.client import DataverseClient
from connection.dataverse.errors import Unreachable
from coupling.models import Coupling, CouplingState, FieldMapping, TableMapping
from coupling.tables.erp import ERPTable
from financials.models import Customer
from sync.engine import journal, writing
from sync.engine.ranges import spans
from sync.engine.run import synchronize
from sync.entries import cancel, hold, restart
from sync.lease import LEASE, AlreadyRunning, new_owner
from sync.models import (
    COUNTERS,
    JobQueueEntry,
    JobState,
    JobStatus,
    KeyRange,
    Priority,
    SynchError,
    SynchJob,
    SynchState,
)
from sync.queue import enqueue
from sync.working import sweep, work_once
from tests.forker import forker
from tests.installations import SET_UP
from tests.project.processes import wait_until
from tests.sandbox_process import SandboxProcess
from tests.sync.sides import account, account_id, counters, edit_customer, new_account

CUSTOMERS, SIZE, PAGE = 45, 10, 5

Act = Callable[[], object]
ids = st.integers(0, 20).map(lambda number: UUID(int=number))


@given(st.lists(ids, unique=True).map(sorted), st.lists(ids))
def test_ranges_cover_every_id_once(boundaries: list[UUID], keys: list[UUID]) -> None:
    parts = list(spans(boundaries))
    for key in keys:
        holding = [1 for after, until in parts if (after is None or key > after) and (until is None or key <= until)]
        assert len(holding) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("count", [0, 1, 6, 7, 9])
def test_a_table_is_divided_evenly_and_read_once(mappings: dict[str, TableMapping], count: int) -> None:
    Customer.objects.bulk_create(Customer(no=f"C{n}", name=f"N{n}") for n in range(count))
    table = ERPTable(mappings["CUSTOMER"], ["name"])
    parts = [list(table.between(*span, page_size=2)) for span in spans(table.boundaries(3))]
    read = [[record.id for page in pages for record in page.records] for pages in parts]
    assert [id_ for part in read for id_ in part] == sorted(Customer.objects.values_list("pk", flat=True))
    assert all(len(part) == 3 for part in read[:-1])
    assert len(read[-1]) <= 3


@pytest.fixture
def entry(mappings: dict[str, TableMapping], company: Any, settings: Settings, monkeypatch: Any) -> JobQueueEntry:
    """The full synchronization of 45 customers, in 5 ranges of 2 pages."""
    settings.RANGE_SIZE = SIZE
    monkeypatch.setattr("sync.engine.reading.PAGE_SIZE", PAGE)
    TableMapping.objects.exclude(name__in=("CURRENCY", "CUSTOMER")).update(is_enabled=False)
    enqueue(mappings["CURRENCY"], full=True)
    work_off()
    Customer.objects.bulk_create(Customer(no=f"C{n}", name=f"N{n}", phone_no="0") for n in range(CUSTOMERS))
    return enqueue(mappings["CUSTOMER"], full=True, priority=Priority.FULL)


@pytest.fixture
def after_pages(entry: JobQueueEntry, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, Act]]:
    """What happens after the first, second, … page of the customers' ranges that anybody reads."""
    acts: dict[int, Act] = {}
    pages: list[int] = []
    real: Callable[..., None] = journal.record

    def record(run: Any, *page: Any, **place: Any) -> None:
        real(run, *page, **place)
        if run.key_range and run.mapping.name == "CUSTOMER":
            pages.append(run.key_range.number)
            acts.pop(len(pages), lambda: None)()

    monkeypatch.setattr("sync.engine.run.record", record)
    yield acts
    assert acts == {}


def work_off(limit: int = 50) -> None:
    """What workers and their supervisor do until nothing is to be done."""
    for _ in range(limit):
        if not work_once():
            JobQueueEntry.objects.filter(interval_minutes=None).update(earliest_start=timezone.now())
            sweep()
            if not work_once():
                return
    raise AssertionError("there was no end of it")


def another_worker() -> None:
    """Somebody else, who comes by just now."""
    assert work_once()


def dead() -> str:
    """The name of a process of this machine that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host, _, rest = new_owner().split(":", maxsplit=2)
    return f"{host}:{ended.pid}:{rest}"


def status(entry: JobQueueEntry) -> str:
    entry.refresh_from_db()
    return entry.status


def assert_as_by_one(entry: JobQueueEntry, crm: DataverseClient, sandbox: SandboxProcess) -> None:
    """All is there once and counted once, nothing is left behind, and another full run changes nothing."""
    assert status(entry) == JobStatus.FINISHED, entry.message_text
    jobs = SynchJob.objects.filter(execution__entry=entry, direction="to")
    assert sum(job.read for job in jobs) == Customer.objects.count()
    assert sum(job.inserted for job in jobs) == Customer.objects.count()
    assert all(job.read == sum(getattr(job, name) for name in COUNTERS) for job in jobs)
    assert jobs[0].state == JobState.FINISHED
    names = sorted(row["name"] for page in crm.pages("account", select=["name"]) for row in page)
    assert names == sorted(Customer.objects.values_list("name", flat=True))
    coupled = Coupling.objects.filter(mapping=entry.mapping, state=CouplingState.COUPLED, synchronized_at__isnull=False)
    assert set(coupled.values_list("erp_id", flat=True)) == set(Customer.objects.values_list("pk", flat=True))
    assert not KeyRange.objects.exists()
    assert not SynchState.objects.exclude(lease_owner="").exists()
    assert not SynchError.objects.filter(resolved_at=None).exists()
    writes = sandbox.calls()["writes"]
    again = enqueue(entry.mapping, full=True)
    work_off()
    assert status(again) == JobStatus.FINISHED
    job = SynchJob.objects.get(execution__entry=again, direction="to")
    assert counters(job) == {"unchanged": Customer.objects.count()}
    assert sandbox.calls()["writes"] == writes


together = pytest.mark.django_db(transaction=True)


@together
def test_i5_i12_a_second_worker_shares_and_all_is_there_once(
    entry: JobQueueEntry, after_pages: dict[int, Act], crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    seen: list[set[str]] = []

    def look() -> None:
        ranges = KeyRange.objects.all()
        assert [each.number for each in ranges] == [1, 2, 3, 4, 5]
        seen.append(set(ranges.exclude(lease_owner="").values_list("lease_owner", flat=True)))

    after_pages |= {1: another_worker, 2: look}
    assert work_once()
    assert len(seen[0]) == 2
    work_off()
    assert_as_by_one(entry, crm, sandbox)


@together
def test_a_small_table_and_an_incremental_run_are_not_divided(
    entry: JobQueueEntry, after_pages: dict[int, Act], settings: Settings
) -> None:
    settings.RANGE_SIZE = CUSTOMERS
    work_off()
    settings.RANGE_SIZE = SIZE
    Customer.objects.update(city="Ålesund", system_modified_at=timezone.now())
    enqueue(entry.mapping)
    after_pages[1] = lambda: pytest.fail("a range")
    work_off()
    after_pages.clear()
    assert SynchJob.objects.filter(direction="to", modified=CUSTOMERS).exists()


@together
def test_e15_the_range_of_a_killed_worker_goes_on_where_it_was(
    entry: JobQueueEntry, after_pages: dict[int, Act], crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    def die_unseen() -> None:
        held = KeyRange.objects.exclude(lease_owner="").latest("number")
        assert held.read == PAGE
        KeyRange.objects.filter(pk=held.pk).update(lease_owner=dead())
        raise SystemExit

    def another_worker_dies() -> None:
        with pytest.raises(SystemExit):
            work_once()

    after_pages |= {1: another_worker_dies, 2: die_unseen}
    work_off()
    assert_as_by_one(entry, crm, sandbox)


@together
def test_e15_the_worker_of_the_entry_is_killed_and_another_takes_it_up(
    entry: JobQueueEntry, after_pages: dict[int, Act], crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    def die_unseen() -> None:
        another_worker()
        name = dead()
        for rows in (JobQueueEntry.objects, KeyRange.objects, SynchState.objects):
            rows.exclude(lease_owner="").update(lease_owner=name)
        raise SystemExit

    after_pages[1] = die_unseen
    with pytest.raises(SystemExit):
        work_once()
    work_off()
    assert_as_by_one(entry, crm, sandbox)


@together
@pytest.mark.parametrize("stop", [hold, cancel])
def test_c11_pause_and_cancel_stop_everybody_after_the_page(
    entry: JobQueueEntry,
    after_pages: dict[int, Act],
    crm: DataverseClient,
    sandbox: SandboxProcess,
    stop: Callable[[JobQueueEntry], bool],
) -> None:
    after_pages |= {1: another_worker, 2: lambda: stop(entry)}
    assert work_once()
    assert status(entry) in (JobStatus.ON_HOLD, JobStatus.ERROR)
    assert sum(job.read for job in SynchJob.objects.filter(execution__entry=entry)) == 2 * PAGE
    assert not KeyRange.objects.exclude(lease_owner="").exists()
    work_off()
    assert crm.count("account") == 2 * PAGE
    assert restart(entry)
    work_off()
    assert_as_by_one(entry, crm, sandbox)


@together
def test_interactive_work_overtakes_everybody_between_two_pages(
    entry: JobQueueEntry, after_pages: dict[int, Act], crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    urgent: list[JobQueueEntry] = []
    after_pages |= {1: another_worker, 2: lambda: urgent.append(enqueue(entry.mapping))}
    assert work_once()
    assert SynchJob.objects.get(execution__entry=entry).read == 2 * PAGE
    assert work_once()
    assert status(urgent[0]) == JobStatus.FINISHED
    assert status(entry) == JobStatus.READY
    work_off()
    assert_as_by_one(entry, crm, sandbox)


@together
def test_i11_what_a_helper_cannot_do_is_left_to_the_worker_of_the_entry(
    entry: JobQueueEntry,
    after_pages: dict[int, Act],
    crm: DataverseClient,
    sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*arguments: object) -> None:
        raise Unreachable

    def another_worker_fails() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(DataverseClient, "create_many", away)
            assert not work_once()
        assert KeyRange.objects.filter(earliest_start__gt=timezone.now()).count() == 1

    after_pages |= {1: another_worker_fails}
    assert work_once()
    assert status(entry) == JobStatus.FINISHED
    assert_as_by_one(entry, crm, sandbox)


@together
def test_i11_a_pass_that_failed_goes_on_with_the_ranges_that_are_left(
    entry: JobQueueEntry,
    after_pages: dict[int, Act],
    crm: DataverseClient,
    sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*arguments: object) -> None:
        raise Unreachable

    with monkeypatch.context() as patch:
        after_pages[3] = lambda: patch.setattr(DataverseClient, "create_many", away)
        assert work_once()
    assert (status(entry), entry.attempts) == (JobStatus.READY, 1)
    failed = SynchJob.objects.get(execution__entry=entry)
    assert (failed.state, failed.read, failed.failed) == (JobState.FAILED, 3 * PAGE, 0)
    work_off()
    assert_as_by_one(entry, crm, sandbox)


@together
def test_i6_two_records_that_claim_one_row_at_once_are_coupled_once(
    entry: JobQueueEntry, after_pages: dict[int, Act], crm: DataverseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_, last = Customer.objects.order_by("pk")
    Customer.objects.filter(pk__in=[first.pk, last.pk]).update(name="Berg AS")
    row = new_account(crm, name="Berg AS")
    real, others = writing.claim_matches, [another_worker]

    def somebody_else_meanwhile(*arguments: Any) -> None:
        # Both have found the row before either claims it.
        if arguments[0].mapping.name == "CUSTOMER" and others:
            others.pop()()
        real(*arguments)

    monkeypatch.setattr("sync.engine.run.claim_matches", somebody_else_meanwhile)
    work_off()
    assert status(entry) == JobStatus.FINISHED
    job = SynchJob.objects.get(execution__entry=entry, direction="to")
    assert counters(job) == {"inserted": CUSTOMERS - 2, "coupled": 1, "failed": 1}
    assert Coupling.objects.get(crm_id=row).erp_id == last.pk
    assert SynchError.objects.get(resolved_at=None).record_id == first.pk
    assert crm.count("account") == CUSTOMERS - 1


@together
def test_i4_what_is_edited_and_inserted_meanwhile_is_not_missed(
    entry: JobQueueEntry, after_pages: dict[int, Act], crm: DataverseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coupling.tables.erp.OVERLAP", timedelta(0))
    first, *_, last = [customer.no for customer in Customer.objects.order_by("pk")]

    def edit() -> None:
        edit_customer(first, phone_no="1")
        edit_customer(last, phone_no="2")
        Customer.objects.create(system_id=UUID(int=1), no="NEW", name="Came meanwhile")

    after_pages[1] = edit
    work_off()
    assert SynchJob.objects.get(execution__entry=entry, direction="to").read == CUSTOMERS
    TableMapping.objects.filter(name="CUSTOMER").update(only_coupled=False)
    enqueue(entry.mapping)
    work_off()
    assert [account(crm, no, "telephone1")["telephone1"] for no in (first, last)] == ["1", "2"]
    assert account_id("NEW")


@together
def test_a_mapping_edited_meanwhile_starts_over_and_stops_those_who_work_by_the_old_one(
    entry: JobQueueEntry, after_pages: dict[int, Act], crm: DataverseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    Customer.objects.update(city="Ålesund")
    city = FieldMapping.objects.filter(mapping__name="CUSTOMER", crm_column="address1_city")
    city.update(is_enabled=False)

    def edit() -> None:
        # The first worker lets go after this page; whoever takes the entry up notices, while the other still works.
        city.update(is_enabled=True)
        monkeypatch.setattr("sync.working.SLICE", 0)
        JobQueueEntry.objects.filter(pk=entry.pk).update(lease_owner="", lease_until=None)
        SynchState.objects.update(lease_owner="", lease_until=None)
        another_worker()
        monkeypatch.setattr("sync.working.SLICE", 25)

    after_pages |= {1: another_worker, 2: edit}
    work_off()
    assert status(entry) == JobStatus.FINISHED
    rows = [row for page in crm.pages("account", select=["address1_city"]) for row in page]
    assert [row["address1_city"] for row in rows] == ["Ålesund"] * CUSTOMERS
    job = SynchJob.objects.get(execution__entry=entry, direction="to")
    assert job.read == sum(getattr(job, name) for name in COUNTERS)
    assert not KeyRange.objects.exists()


@together
def test_i5_a_run_of_its_own_is_refused_while_others_work_on_ranges(
    entry: JobQueueEntry,
    after_pages: dict[int, Act],
    crm: DataverseClient,
    sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sync.engine.run.PATIENCE", 0)

    def synchronize_directly() -> None:
        # The entry's worker is between two slices; only the range is held.
        SynchState.objects.update(lease_owner="")
        with pytest.raises(AlreadyRunning):
            synchronize(entry.mapping, crm)
        raise SystemExit

    after_pages[1] = synchronize_directly
    with pytest.raises(SystemExit):
        work_once()
    synchronize(entry.mapping, crm)
    SynchState.objects.filter(mapping=entry.mapping).update(
        lease_owner="elsewhere:1:x", lease_until=timezone.now() + LEASE, lease_job=None
    )
    assert not work_once(), "nobody takes a range of a mapping that is run for another purpose"
    SynchState.objects.update(lease_owner="")
    JobQueueEntry.objects.update(lease_owner="")
    work_off()
    assert_as_by_one(entry, crm, sandbox)


@pytest.mark.scale
@together
def test_i5_four_workers_at_once_end_as_one(
    entry: JobQueueEntry, after_pages: dict[int, Act], crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    began = threading.Barrier(4)

    def work() -> None:
        try:
            began.wait()
            while JobQueueEntry.objects.filter(pk=entry.pk).exclude(status=JobStatus.FINISHED).exists():
                JobQueueEntry.objects.filter(pk=entry.pk).update(earliest_start=timezone.now())
                work_once()
        finally:
            database.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert_as_by_one(entry, crm, sandbox)


ENQUEUE = """
from coupling.models import TableMapping
from sync.models import Priority
from sync.queue import enqueue
call_command("synchronize", "CURRENCY", full=True)
enqueue(TableMapping.objects.get(name="CUSTOMER"), full=True, priority=Priority.FULL)
"""
WORK = """
from sync.models import OPEN, JobQueueEntry
from sync.working import sweep, work_once
while JobQueueEntry.objects.filter(status__in=OPEN, interval_minutes=None).exists():
    if not work_once():
        sweep()
"""
LOOK = """
import json
from coupling.models import Coupling
from sync.models import KeyRange, SynchJob
couplings = Coupling.objects.filter(mapping__name="CUSTOMER", state="coupled", synchronized_at__isnull=False)
job = SynchJob.objects.get(mapping__name="CUSTOMER", direction="to")
print(json.dumps([couplings.count(), job.state, job.read, job.inserted, KeyRange.objects.count()]))
"""


@pytest.mark.any_database
@pytest.mark.skipif(database.vendor != "sqlite", reason="four workers at once share PostgreSQL above")
def test_e15_two_workers_on_sqlite_of_whom_one_is_killed(
    own_installation: dict[str, str], sandbox: SandboxProcess, crm: DataverseClient, tmp_path: Path
) -> None:
    environment = own_installation | {"CRMBRIDGE_RANGE_SIZE": "10"}
    details = str(sandbox.folder / "sandbox.json")
    with forker(environment, tmp_path / "first") as first, forker(environment, tmp_path / "second") as second:
        first.run_code(SET_UP.format(customers=300, details=details) + ENQUEUE)
        first.start("shell", "--no-imports", "-c", WORK)
        victim = second.start("shell", "--no-imports", "-c", WORK)
        held = f"SELECT 1 FROM sync_keyrange WHERE lease_owner LIKE '%:{victim}:%'"
        with closing(sqlite3.connect(f"{environment['CRMBRIDGE_VAR']}/crmbridge.sqlite3", timeout=20)) as store:
            wait_until(lambda: bool(store.execute(held).fetchone()))
        assert second.kill(victim) == -signal.SIGKILL
        assert first.ended() == 0
        assert json.loads(first.run_code(LOOK).splitlines()[-1]) == [300, "finished", 300, 300, 0]
    assert crm.count("account") == 300
