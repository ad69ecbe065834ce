"""The job queue: legal moves, one worker an entry, lanes, pause and cancel, attempts, and work that nothing loses."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django_q.brokers import get_broker
from pytest_django import Settings

from connection.dataverse.errors import Unreachable
from connection.models import CRMConnection
from coupling.models import TableMapping
from financials.models import CompanySettings, Experience
from sync import working
from sync.checks import check_retry
from sync.entries import beat, cancel, change, hold, neglect, put_back, restart, take
from sync.lease import LeaseLost
from sync.models import TRANSITIONS, Event, JobKind, JobQueueEntry, JobState, JobStatus, LogState, Priority, SynchJob
from sync.queue import WorkFailedError, enqueue, enqueue_synchronization, forget_old, wait_for
from sync.working import hand_over_due, sweep, work_once
from tests.clock import clock_set_by
from tests.factories import (
    ChangeFactory,
    ConnectionFactory,
    FullSynchReviewLineFactory,
    SynchJobFactory,
    TableMappingFactory,
)

pytestmark = pytest.mark.django_db

Script = Callable[[JobQueueEntry], None]


@pytest.fixture
def customer() -> TableMapping:
    return TableMappingFactory.create()


@pytest.fixture
def contact() -> TableMapping:
    return TableMappingFactory.create(name="CONTACT", erp_table="financials.Contact", crm_table="contact")


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What a run meets page by page, in place of an engine and a CRM: an error to raise, or something to do."""
    script: list[Any] = []

    def advance(execution: Any, client: object, order: object, may_go_on: Callable[[Any], bool]) -> bool:
        job = SynchJobFactory.create(mapping=execution.entry.mapping, execution=execution, finished_at=None)
        while script:
            page = script.pop(0)
            if isinstance(page, Exception):
                raise page
            page(execution.entry)
            if not may_go_on(job):
                return False
        return True

    monkeypatch.setattr(working, "advance", advance)
    monkeypatch.setattr(working, "_client", lambda entry: None)
    yield script
    assert script == []


def nothing(entry: JobQueueEntry) -> None:
    """A page with nothing in it."""


def status(entry: JobQueueEntry) -> str:
    entry.refresh_from_db()
    return entry.status


def elapse(**values: object) -> None:
    """Let the time come that every entry waits for."""
    JobQueueEntry.objects.update(earliest_start=timezone.now() - timedelta(seconds=1), **values)


@pytest.mark.parametrize("event", list(Event))
def test_an_entry_moves_only_from_where_the_table_says(customer: TableMapping, event: Event) -> None:
    sources, target = TRANSITIONS[event]
    for before in JobStatus:
        entry = JobQueueEntry.objects.create(mapping=customer, category=f"{before}", status=before)
        assert change(entry, event) == (before in sources)
        moved = JobStatus.READY if target == JobStatus.WAITING else target
        assert status(entry) == (moved if before in sources else before)


def test_i5_an_entry_is_in_one_hand_and_who_lost_it_can_do_nothing(customer: TableMapping) -> None:
    enqueue(customer)
    mine = take()
    assert mine is not None
    assert take() is None
    JobQueueEntry.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    theirs = take()
    assert theirs is not None
    assert theirs.fence == mine.fence + 1
    with pytest.raises(LeaseLost):
        beat(mine)
    put_back(mine)
    beat(theirs)
    assert status(mine) == JobStatus.IN_PROCESS
    assert mine.lease_owner == theirs.lease_owner


def test_i5_a_mapping_runs_once_at_a_time_and_the_next_is_let_in_afterwards(
    customer: TableMapping, pages: list[Any]
) -> None:
    first, second = enqueue(customer), enqueue(customer, full=True)

    def meanwhile(entry: JobQueueEntry) -> None:
        assert take() is None
        assert status(second) == JobStatus.WAITING

    pages.append(meanwhile)
    assert work_once()
    assert (status(first), status(second)) == (JobStatus.FINISHED, JobStatus.READY)


def test_interactive_work_overtakes_between_two_pages(
    customer: TableMapping, contact: TableMapping, pages: list[Any]
) -> None:
    slow = enqueue(customer, priority=Priority.FULL, full=True)
    urgent: list[JobQueueEntry] = []
    pages.append(lambda entry: urgent.extend([enqueue(customer), enqueue(contact)]))
    assert work_once()
    assert status(slow) == JobStatus.IN_PROCESS
    log = slow.log.get()
    assert work_once()
    assert work_once()
    assert [status(each) for each in urgent] == [JobStatus.FINISHED] * 2
    assert status(slow) == JobStatus.READY
    assert work_once()
    assert status(slow) == JobStatus.FINISHED
    log.refresh_from_db()
    assert (log.state, log.slices) == (LogState.FINISHED, 2)


def test_a_schedule_that_rests_does_not_interrupt_every_page(
    customer: TableMapping, contact: TableMapping, pages: list[Any]
) -> None:
    """It is long due, and nobody takes it while its mapping is off."""
    ConnectionFactory.create()
    JobQueueEntry.objects.create(mapping=contact, category="CONTACT", interval_minutes=30)
    TableMapping.objects.filter(pk=contact.pk).update(is_enabled=False)
    slow = enqueue(customer, priority=Priority.FULL, full=True)
    pages += [nothing, nothing]
    assert work_once()
    assert (status(slow), slow.log.get().slices) == (JobStatus.FINISHED, 1)


def test_c11_pause_and_cancel_are_heeded_after_the_page(customer: TableMapping, pages: list[Any]) -> None:
    entry = enqueue(customer)
    pages.append(lambda running: hold(running, "bob"))
    work_once()
    assert status(entry) == JobStatus.ON_HOLD
    assert entry.log.get().state == LogState.RUNNING
    assert not work_once()

    assert restart(entry)
    pages.append(lambda running: cancel(running, "bob"))
    work_once()
    assert status(entry) == JobStatus.ERROR
    assert entry.message_text == "Cancelled by bob."
    assert entry.log.get().state == LogState.CANCELLED
    assert entry.log.get().slices == 2
    cancel(entry, "bob")
    assert not JobQueueEntry.objects.exclude(request="").exists()


@pytest.mark.parametrize(
    ("ask", "interval", "error", "expected"),
    [
        (cancel, None, Unreachable(), JobStatus.ERROR),
        (cancel, None, working.MappingOff(), JobStatus.ERROR),
        (hold, None, Unreachable(), JobStatus.ON_HOLD),
        (hold, 30, Unreachable(), JobStatus.ON_HOLD),
        (hold, 30, working.MappingOff(), JobStatus.ON_HOLD),
    ],
)
def test_c11_what_a_person_asks_outlives_the_page_that_fails(
    customer: TableMapping,
    pages: list[Any],
    ask: Callable[[JobQueueEntry, str], object],
    interval: int | None,
    error: Exception,
    expected: JobStatus,
) -> None:
    ConnectionFactory.create()
    entry = JobQueueEntry.objects.create(mapping=customer, category="CUSTOMER", interval_minutes=interval)
    pages.append(lambda running: failing_page(running, ask, error))
    work_once()
    assert (status(entry), entry.request) == (expected, "")
    elapse()
    sweep()
    assert not work_once()
    assert status(entry) == expected


def failing_page(entry: JobQueueEntry, ask: Callable[[JobQueueEntry, str], object], error: Exception) -> None:
    """A page during which a person asks for something, before it fails."""
    ask(entry, "bob")
    raise error


@pytest.mark.parametrize(("interval", "expected"), [(30, JobStatus.ON_HOLD), (None, JobStatus.FINISHED)])
def test_c11_a_schedule_is_held_after_its_last_page_too(
    customer: TableMapping, monkeypatch: pytest.MonkeyPatch, interval: int | None, expected: JobStatus
) -> None:
    ConnectionFactory.create()
    monkeypatch.setattr(working, "_client", lambda entry: None)
    monkeypatch.setattr(working, "advance", lambda execution, *_: hold(execution.entry, "bob"))
    entry = JobQueueEntry.objects.create(mapping=customer, category="CUSTOMER", interval_minutes=interval)
    work_once()
    assert (status(entry), entry.request) == (expected, "")


@pytest.mark.parametrize(("ask", "expected"), [(hold, JobStatus.ON_HOLD), (cancel, JobStatus.ERROR)])
def test_c11_what_a_person_asks_is_heeded_by_whoever_takes_the_entry_next(
    customer: TableMapping, pages: list[Any], ask: Callable[[JobQueueEntry, str], object], expected: JobStatus
) -> None:
    """The worker that had it in hand died, or a more urgent entry of its category went first."""
    entry = enqueue(customer, priority=Priority.FULL)
    assert take() is not None
    ask(entry, "bob")
    assert status(entry) == JobStatus.IN_PROCESS
    urgent = enqueue(customer)
    JobQueueEntry.objects.filter(pk=entry.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    while work_once():
        pass
    assert (status(entry), status(urgent)) == (expected, JobStatus.FINISHED)


def test_c11_a_schedule_is_not_cancelled_but_set_on_hold(
    customer: TableMapping, client: Client, admin_user: User
) -> None:
    entry = JobQueueEntry.objects.create(mapping=customer, category="CUSTOMER", interval_minutes=30)
    client.force_login(admin_user)
    answer = client.post(f"/api/v1/job-queue-entries/{entry.pk}/cancel/")
    assert (answer.status_code, "Set it on hold instead" in answer.json()["detail"]) == (409, True)
    page = client.post(f"/job-queue/{entry.pk}/cancel/", follow=True)
    assert "Set it on hold instead" in page.content.decode()
    chosen = {"action": "stop_for_good", "_selected_action": entry.pk}
    listed = client.post("/admin/sync/jobqueueentry/", chosen, follow=True)
    assert "Set it on hold instead" in listed.content.decode()
    assert status(entry) == JobStatus.READY
    assert client.post(f"/api/v1/job-queue-entries/{entry.pk}/hold/").json()["status"] == "on_hold"


@pytest.mark.parametrize(
    ("off", "on"),
    [
        (lambda: connection_is(False), lambda: connection_is(True)),
        (lambda: experience_is(Experience.PREMIUM), lambda: experience_is(Experience.SUITE)),
    ],
    ids=["the connection", "the experience Suite"],
)
def test_off_and_on_again_loses_no_job_that_is_under_way(
    customer: TableMapping, pages: list[Any], off: Callable[[], int], on: Callable[[], int]
) -> None:
    ConnectionFactory.create()
    CompanySettings.objects.create(company_name="Fjord Nordic AS", lcy_code="NOK")
    entry = enqueue(customer)
    pages += [nothing, lambda running: off()]
    assert work_once()
    log = entry.log.get()
    assert (status(entry), log.state, log.slices) == (JobStatus.IN_PROCESS, LogState.RUNNING, 1)
    assert not work_once()
    assert on()
    pages.append(nothing)
    assert work_once()
    log.refresh_from_db()
    assert (status(entry), log.state, log.slices) == (JobStatus.FINISHED, LogState.FINISHED, 2)


def connection_is(is_enabled: bool) -> int:
    return CRMConnection.objects.update(is_enabled=is_enabled)


def experience_is(experience: Experience) -> int:
    return CompanySettings.objects.update(experience=experience)


def test_i11_passing_faults_retry_with_growing_waits_and_lasting_ones_wait_for_a_person(
    customer: TableMapping, pages: list[Any]
) -> None:
    entry = enqueue(customer)
    waits = []
    for attempt in range(1, 4):
        pages.append(Unreachable())
        work_once()
        assert (status(entry), entry.attempts) == (JobStatus.READY, attempt)
        waits.append((entry.earliest_start - timezone.now()).total_seconds())
        elapse()
    assert waits == pytest.approx([30, 60, 120], abs=10)  # the seconds since are those of the machine
    pages.append(nothing)
    work_once()
    assert (status(entry), entry.attempts) == (JobStatus.FINISHED, 0)

    other = enqueue(customer)
    pages.append(working.MappingOff())
    work_once()
    assert status(other) == JobStatus.ERROR
    assert "switched off" in other.message_text
    assert "Enable it" in other.log.get().message_text


def test_c11_a_recurring_entry_never_stands_still(customer: TableMapping, pages: list[Any]) -> None:
    ConnectionFactory.create()
    entry = JobQueueEntry.objects.create(mapping=customer, category="CUSTOMER", interval_minutes=30)
    pages.append(RuntimeError("password=hunter2"))
    work_once()
    assert status(entry) == JobStatus.ERROR
    assert "hunter2" not in f"{entry.message} {entry.log.get().technical}"
    elapse()
    sweep()
    assert status(entry) == JobStatus.READY
    work_once()
    assert status(entry) == JobStatus.INACTIVE
    assert entry.earliest_start > timezone.now() + timedelta(minutes=100)
    elapse()
    pages.append(lambda running: running.log.latest("pk").synch_jobs.update(modified=1))
    work_once()
    assert status(entry) == JobStatus.READY
    assert entry.earliest_start < timezone.now() + timedelta(minutes=31)


def test_e15_the_work_of_a_dead_worker_is_taken_up_and_no_crash_goes_round_for_ever(
    customer: TableMapping, pages: list[Any]
) -> None:
    entry = enqueue(customer)
    for _ in range(entry.max_attempts + 1):
        assert take() is not None
        host, _process, place, _name = JobQueueEntry.objects.get().lease_owner.split(":")
        JobQueueEntry.objects.update(lease_owner=f"{host}:999999:{place}:x")
        assert take() is None
        sweep()
    work_once()
    assert status(entry) == JobStatus.ERROR
    assert "ended without a word" in entry.message_text


@pytest.mark.django_db(transaction=True)
def test_i5_workers_are_told_at_the_commit_never_before_and_again_where_that_was_lost(customer: TableMapping) -> None:
    broker = get_broker()
    broker.purge_queue()
    with transaction.atomic():
        enqueue(customer)
        assert broker.queue_size() == 0
    assert broker.queue_size() == 1
    with transaction.atomic():
        enqueue(customer, full=True)
        transaction.set_rollback(True)
    assert broker.queue_size() == 1
    broker.purge_queue()
    sweep()
    assert broker.queue_size() == 1


@pytest.mark.django_db(transaction=True)
def test_c7_workers_are_told_of_an_entry_when_its_time_has_come(customer: TableMapping) -> None:
    """Between two sweeps, so that a change waits for seconds only."""
    broker = get_broker()
    entry = enqueue(customer)
    broker.purge_queue()
    JobQueueEntry.objects.filter(pk=entry.pk).update(earliest_start=timezone.now() + timedelta(hours=1))
    hand_over_due()
    assert broker.queue_size() == 0
    JobQueueEntry.objects.filter(pk=entry.pk).update(earliest_start=timezone.now())
    hand_over_due()
    hand_over_due()
    assert broker.queue_size() == 1


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_does_not_fail_the_person_who_asked(
    customer: TableMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object, **options: object) -> None:
        raise ConnectionError("redis://:hunter2@broker")

    monkeypatch.setattr("sync.queue.async_task", away)
    monkeypatch.setattr("sync.queue.get_broker", away)
    entry = enqueue(customer)
    sweep()
    assert status(entry) == JobStatus.READY


def test_waiting_ends_with_what_became_of_the_work(
    customer: TableMapping, contact: TableMapping, pages: list[Any]
) -> None:
    entries = enqueue_synchronization()
    with pytest.raises(TimeoutError):
        wait_for(entries, 0)
    while work_once():
        pass
    assert len(wait_for(entries, 0)) == 2
    failing = enqueue(customer, JobKind.COUPLE)
    pages.append(working.MappingOff())
    work_once()
    with pytest.raises(WorkFailedError, match="CUSTOMER"):
        wait_for([failing.pk], 0)


def test_settings_that_would_run_work_twice_are_refused(settings: Settings) -> None:
    assert check_retry(None) == []
    settings.Q_CLUSTER = settings.Q_CLUSTER | {"retry": 500}
    (problem,) = check_retry(None)
    assert problem.id == "sync.E001"
    assert "540" in str(problem.hint)


def test_work_that_nobody_takes_is_noticed(customer: TableMapping) -> None:
    enqueue(customer)
    minute = timedelta(minutes=1)
    assert neglect() < minute
    with clock_set_by(minute):
        assert neglect() >= minute
        JobQueueEntry.objects.update(heartbeat_at=timezone.now())
        assert neglect() < minute


def test_old_synch_jobs_go_but_for_the_latest_and_those_of_full_synchronizations(
    customer: TableMapping, contact: TableMapping
) -> None:
    entry = enqueue(customer)
    FullSynchReviewLineFactory.create(mapping=customer, entry=entry)
    long_ago = timezone.now() - timedelta(days=40)
    of_review = SynchJobFactory.create(mapping=customer, execution=entry.log.create(), finished_at=long_ago)
    old, latest_failed = SynchJobFactory.create_batch(2, mapping=contact, finished_at=long_ago, state=JobState.FAILED)
    change = ChangeFactory.create(job=old)
    _older, latest = SynchJobFactory.create_batch(2, mapping=customer, finished_at=long_ago)
    new = SynchJobFactory.create(mapping=customer)
    forget_old(timezone.now())
    assert set(SynchJob.objects.all()) == {of_review, latest_failed, new}
    assert latest not in SynchJob.objects.all(), "a later one succeeded"
    change.refresh_from_db()
    assert change.job is None
