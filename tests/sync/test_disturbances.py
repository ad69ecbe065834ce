"""What a full synchronization meets from outside: two people at once, a full disk, a clock that is set, an edit."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.utils import timezone

from connection.dataverse.client import DataverseClient
from connection.dataverse.errors import Unreachable
from coupling.models import Coupling, CouplingState, FieldMapping, TableMapping
from coupling.tables.position import Position
from financials.models import Customer
from sync import fullsync, working
from sync.engine import journal
from sync.entries import take
from sync.lease import LEASE, lease
from sync.models import (
    COUNTERS,
    FullSynchronization,
    FullSynchState,
    JobQueueEntry,
    JobStatus,
    Recommendation,
    SynchJob,
    SynchState,
)
from sync.queue import enqueue
from sync.recommendation import Advice
from sync.working import sweep, work_once
from tests.clock import clock_set_by
from tests.factories import ConnectionFactory, TableMappingFactory
from tests.sync.sides import account, edit_customer

on_sqlite = pytest.mark.skipif(database.vendor != "sqlite", reason="SQLite can be told to be full")


def work_off(limit: int = 50) -> None:
    """What workers and their supervisor do until nothing is due."""
    for _ in range(limit):
        if not work_once():
            sweep()
            if not work_once():
                return
    raise AssertionError("there was no end of it")


@pytest.mark.scale
@pytest.mark.django_db(transaction=True)
def test_s75_two_people_press_start_at_the_same_moment(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    ConnectionFactory.create()
    for name in ("A", "B", "C"):
        TableMappingFactory.create(name=name)
    monkeypatch.setattr(fullsync, "advise", lambda *_: Advice(Recommendation.FULL, "Because.", 1, 1))
    for _ in range(5):
        FullSynchronization.objects.all().delete()
        JobQueueEntry.objects.all().delete()
        together = threading.Barrier(4)
        started: list[bool] = []

        def press(user: User, together: threading.Barrier = together, started: list[bool] = started) -> None:
            try:
                together.wait()
                started.append(fullsync.start(fullsync.prepare(user), user))
            finally:
                database.close()

        people = [threading.Thread(target=press, args=[user]) for user in (alice, bob, alice, bob)]
        for each in people:
            each.start()
        for each in people:
            each.join()
        assert sorted(started) == [False, False, False, True]
        assert FullSynchronization.objects.get().state == FullSynchState.RUNNING
        assert sorted(JobQueueEntry.objects.values_list("category", flat=True)) == ["A", "B", "C"]


@contextmanager
def disk_full() -> Iterator[None]:
    """Let the database not grow by a single page."""
    with database.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        (pages,) = cursor.fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")


@pytest.mark.any_database
@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_the_disk_is_full_says_so_and_goes_on_when_there_is_room(
    northwind: None,
    mappings: dict[str, TableMapping],
    crm: DataverseClient,
    alice: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    full = fullsync.prepare(alice)
    fullsync.start(full, alice)
    work_once()
    with disk_full():
        for _ in range(3):
            work_once()
            sweep()
        told = [entry.message_text for entry in JobQueueEntry.objects.all()] + caplog.messages
    assert any("free disk space" in text for text in told), told
    assert Coupling.objects.filter(mapping__name="CUSTOMER").count() == 0
    # The wait after the failure, or the lease that could not be given back, is over.
    earlier = timezone.now() - timedelta(seconds=1)
    JobQueueEntry.objects.update(earliest_start=earlier)
    JobQueueEntry.objects.exclude(lease_owner="").update(lease_until=earlier)
    SynchState.objects.exclude(lease_owner="").update(lease_until=earlier)
    work_off()
    full.refresh_from_db()
    assert full.state == FullSynchState.FINISHED, [entry.message_text for entry in JobQueueEntry.objects.all()]
    assert crm.count("account") == crm.count("contact") == 91
    assert Coupling.objects.filter(mapping__name="CUSTOMER", state=CouplingState.COUPLED).count() == 91
    assert not Coupling.objects.exclude(state=CouplingState.COUPLED).exists()
    for job in SynchJob.objects.all():
        assert job.read == sum(getattr(job, name) for name in COUNTERS)


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [-1, 1])
def test_the_clock_is_set_while_work_is_in_hand_and_lies_about(hours: int) -> None:
    held, ready, waiting = (TableMappingFactory.create(name=name) for name in ("HELD", "READY", "WAITING"))
    enqueue(held)
    mine = take()
    assert mine is not None
    enqueue(ready)
    failed = enqueue(waiting)
    soon = timezone.now() + timedelta(seconds=30)
    JobQueueEntry.objects.filter(pk=failed.pk).update(earliest_start=soon, finished_at=timezone.now())
    JobQueueEntry.objects.filter(pk=mine.pk).update(lease_owner="elsewhere:1:x")
    with clock_set_by(timedelta(hours=hours)):
        sweep()
        with clock_set_by(timedelta(seconds=30)):
            taken = [entry.category for entry in (take(), take(), take()) if entry]
            assert sorted(taken) == ["HELD", "READY", "WAITING"]
            held_now = JobQueueEntry.objects.get(pk=mine.pk)
            assert held_now.fence == mine.fence + 1
            assert held_now.lease_until is not None
            assert abs(held_now.lease_until - timezone.now() - LEASE) < timedelta(minutes=1)
            sweep()
            assert take() is None


@pytest.mark.django_db
def test_a_machine_whose_clock_is_ahead_keeps_nobody_busy() -> None:
    """What it stamps lies ahead for the others, time and again."""
    mapping = TableMappingFactory.create()
    now, ahead = timezone.now(), timezone.now() + timedelta(minutes=20)
    entry = JobQueueEntry.objects.create(
        mapping=mapping,
        category="CUSTOMER",
        interval_minutes=30,
        finished_at=ahead,
        earliest_start=ahead + timedelta(minutes=30),
    )
    cursor = str(Position(now - timedelta(days=1), uuid4()))
    SynchState.objects.create(mapping=mapping, setup="known", erp_cursor=cursor)
    sweep()
    entry.refresh_from_db()
    assert abs(entry.earliest_start - now - timedelta(minutes=30)) < timedelta(minutes=1)
    assert SynchState.objects.get().setup == "known"


@pytest.mark.any_database
@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_nothing_at_all_can_be_written_any_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    entry = enqueue(TableMappingFactory.create())

    def writing_ends(*arguments: object) -> None:
        with database.cursor() as cursor:
            cursor.execute("PRAGMA query_only = 1")

    monkeypatch.setattr(working, "_client", writing_ends)
    try:
        assert work_once()
    finally:
        with database.cursor() as cursor:
            cursor.execute("PRAGMA query_only = 0")
    assert "free disk space" in caplog.text
    JobQueueEntry.objects.update(lease_until=timezone.now() - LEASE)
    monkeypatch.setattr(working, "_client", lambda entry: None)
    monkeypatch.setattr(working, "advance", lambda *_: True)
    work_off()
    entry.refresh_from_db()
    assert entry.status == JobStatus.FINISHED


@pytest.mark.django_db
def test_what_is_edited_after_the_clock_was_put_back_is_not_missed(
    northwind: None,
    mappings: dict[str, TableMapping],
    crm: DataverseClient,
) -> None:
    TableMapping.objects.exclude(name__in=("CURRENCY", "CUSTOMER")).update(is_enabled=False)
    Customer.objects.update(system_modified_at=timezone.now() - timedelta(minutes=5))
    enqueue(mappings["CURRENCY"], full=True)
    enqueue(mappings["CUSTOMER"], full=True)
    work_off()
    assert crm.count("account") == 91
    first = Customer.objects.order_by("no")[0].no
    with clock_set_by(timedelta(hours=-1)):
        for city in ("Elsewhere", "Somewhere else"):
            before = SynchJob.objects.latest("pk").pk
            edit_customer(first, city=city)
            sweep()
            enqueue(mappings["CUSTOMER"])
            work_off()
            assert account(crm, first, "address1_city")["address1_city"] == city
            since = SynchJob.objects.filter(mapping__name="CUSTOMER", direction="to", pk__gt=before)
            assert [job.modified for job in since if job.modified] == [1]


@pytest.mark.django_db
def test_the_clock_is_put_back_under_a_lease_on_a_mapping() -> None:
    mapping = TableMappingFactory.create()
    until = timezone.now() + LEASE
    SynchState.objects.create(mapping=mapping, lease_owner="elsewhere:1:x", lease_until=until)
    with clock_set_by(timedelta(hours=-1)), lease(mapping) as held:
        assert SynchState.objects.get().lease_owner == held.owner


@pytest.mark.django_db
def test_a_mapping_edited_in_the_last_page_of_a_run_is_not_finished_with_the_old_one(
    northwind: None,
    mappings: dict[str, TableMapping],
    crm: DataverseClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    TableMapping.objects.filter(name="CONTACT").update(is_enabled=False)
    city = FieldMapping.objects.filter(mapping__name="CUSTOMER", crm_column="address1_city")
    city.update(is_enabled=False)
    real: Callable[..., None] = journal.record

    def edit_meanwhile(run: Any, *page: Any, **place: Any) -> None:
        real(run, *page, **place)
        if run.mapping.name == "CUSTOMER" and run.job.direction == "from":
            city.update(is_enabled=True)

    monkeypatch.setattr("sync.engine.run.record", edit_meanwhile)
    full = fullsync.prepare(alice)
    fullsync.start(full, alice)
    work_off()
    full.refresh_from_db()
    assert full.state == FullSynchState.FINISHED
    rows = [row for page in crm.pages("account", select=["address1_city"]) for row in page]
    assert len(rows) == 91
    assert all(row["address1_city"] for row in rows)
    assert full.lines.get(name="CUSTOMER").entry.status == JobStatus.FINISHED  # type: ignore[union-attr]


@pytest.mark.django_db
def test_e15_a_worker_dies_between_a_failed_pass_and_its_entry(
    northwind: None,
    mappings: dict[str, TableMapping],
    crm: DataverseClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    TableMapping.objects.exclude(name__in=("CURRENCY", "CUSTOMER")).update(is_enabled=False)
    full = fullsync.prepare(alice)
    fullsync.start(full, alice)
    work_once()

    def away(*arguments: object) -> None:
        raise Unreachable()

    def die(*arguments: object) -> None:
        raise SystemExit()

    with monkeypatch.context() as patch:
        patch.setattr(DataverseClient, "create_many", away)
        patch.setattr(working, "_fail", die)
        with pytest.raises(SystemExit):
            work_once()
    JobQueueEntry.objects.exclude(lease_owner="").update(lease_until=timezone.now() - LEASE)
    work_off()
    full.refresh_from_db()
    assert full.state == FullSynchState.FINISHED
    assert crm.count("account") == 91
