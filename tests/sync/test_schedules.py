"""Schedules: every half hour, sooner after a change on either side, not in quiet hours, and loud when all is silent."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from connection.dataverse.client import DataverseClient
from connection.models import CRMConnection
from coupling.models import TableMapping
from financials.models import Customer
from sync import schedules
from sync.delays import delays
from sync.entries import due, put_back, take
from sync.models import JobQueueEntry, JobStatus, LogState, SynchJob, SynchState
from sync.queue import enqueue
from sync.quiet import after_quiet_hours
from sync.working import sweep, work_once
from tests.factories import ConnectionFactory, TableMappingFactory
from tests.sandbox_process import SandboxProcess
from tests.sync.sides import account, edit_account, edit_customer

Run = Callable[..., dict[str, SynchJob]]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    schedules._last_woken.clear()


@pytest.fixture
def entry(db: None) -> JobQueueEntry:
    """The schedule of customers, which was made by a sweep."""
    ConnectionFactory.create()
    TableMappingFactory.create()
    sweep()
    return JobQueueEntry.objects.get()


def from_now(entry: JobQueueEntry) -> float:
    """Minutes until an entry starts."""
    entry.refresh_from_db()
    return (entry.earliest_start - timezone.now()).total_seconds() / 60


def test_every_enabled_mapping_gets_one_schedule_of_30_minutes(entry: JobQueueEntry) -> None:
    TableMappingFactory.create(name="OFF", is_enabled=False)
    sweep()
    assert JobQueueEntry.objects.get() == entry
    assert entry.interval_minutes == 30
    assert 29 < from_now(entry) <= 30


def test_recurring_entries_rest_while_nothing_is_connected_or_their_mapping_is_off(entry: JobQueueEntry) -> None:
    JobQueueEntry.objects.update(earliest_start=timezone.now())
    assert due().count() == 1
    TableMapping.objects.update(is_enabled=False)
    assert due().count() == 0
    TableMapping.objects.update(is_enabled=True)
    CRMConnection.objects.update(is_enabled=False)
    assert due().count() == 0


@pytest.mark.django_db(transaction=True)
def test_c7_a_local_change_wakes_its_mapping_at_the_commit(entry: JobQueueEntry) -> None:
    JobQueueEntry.objects.update(status=JobStatus.INACTIVE)
    Customer.objects.create(no="C1", name="Fjord AS")
    assert from_now(entry) < 0.1
    assert entry.status == JobStatus.READY
    JobQueueEntry.objects.update(status=JobStatus.ON_HOLD, earliest_start=timezone.now() + timedelta(hours=1))
    schedules._last_woken.clear()
    Customer.objects.create(no="C2", name="Berg AS")
    assert from_now(entry) > 50
    assert entry.status == JobStatus.ON_HOLD


def test_c7_a_change_in_the_crm_is_found_by_one_request_and_wakes_its_mapping(
    northwind: None, mappings: dict[str, TableMapping], crm: DataverseClient, run: Run, settings: Settings
) -> None:
    run(full=True)
    run()
    sweep()
    settings.PROBE_SECONDS = 0
    customers = JobQueueEntry.objects.get(mapping=mappings["CUSTOMER"])
    before = crm.requests_sent
    schedules.probe()
    assert crm.requests_sent - before <= 3
    assert from_now(customers) > 20
    edit_account(crm, "ALFKI", fax="1")
    schedules.probe()
    assert from_now(customers) < 0.1
    assert JobQueueEntry.objects.filter(earliest_start__lt=timezone.now() + timedelta(minutes=1)).count() == 1
    settings.PROBE_SECONDS = 60
    SynchState.objects.update(probed_at=timezone.now())
    assert not schedules.may_probe()
    JobQueueEntry.objects.filter(pk=customers.pk).update(earliest_start=timezone.now())
    assert work_once()
    assert Customer.objects.get(no="ALFKI").fax_no == "1"
    assert from_now(customers) > 29


def test_s43_what_the_synchronization_user_writes_starts_no_synchronization(
    mappings: dict[str, TableMapping],
    crm: DataverseClient,
    sandbox: SandboxProcess,
    settings: Settings,
    client: Client,
    alice: User,
) -> None:
    settings.PROBE_SECONDS = 0
    client.force_login(alice)
    Customer.objects.create(no="C1", name="Fjord AS")
    client.post("/full-synchronization/prepare/")
    full = client.get("/api/v1/full-synchronizations/").json()["results"][0]
    client.post(f"/full-synchronization/{full['id']}/start/")
    sweep()

    def woken() -> int:
        """How many entries a look at the CRM wakes; all of them run."""
        schedules.probe()
        soon = JobQueueEntry.objects.filter(
            interval_minutes=30, earliest_start__lt=timezone.now() + timedelta(minutes=1)
        )
        count = soon.update(earliest_start=timezone.now())
        while work_once():
            pass
        return count

    while work_once():
        pass
    assert woken() == 0
    edit_customer("C1", phone_no="1")
    edit_account(crm, "C1", fax="1")
    assert woken() == 1
    row = account(crm, "C1", "telephone1", "fax")
    assert (row["telephone1"], row["fax"]) == ("1", "1")
    written = sandbox.calls()["writes"]
    assert woken() == 0
    assert sandbox.calls()["writes"] == written


@pytest.mark.django_db(transaction=True)
def test_c7_a_change_made_while_its_mapping_is_read_has_it_read_once_more(
    crm: DataverseClient, mappings: dict[str, TableMapping]
) -> None:
    """The page that would have held the change may have been read already."""
    sweep()
    customers = JobQueueEntry.objects.get(mapping=mappings["CUSTOMER"])
    JobQueueEntry.objects.filter(pk=customers.pk).update(earliest_start=timezone.now())
    in_hand = take()
    assert in_hand == customers
    Customer.objects.create(no="C1", name="Fjord AS")
    put_back(in_hand)
    assert work_once()
    assert from_now(customers) < 0.1
    JobQueueEntry.objects.filter(pk=customers.pk).update(earliest_start=timezone.now())
    assert work_once()
    assert from_now(customers) > 29


@pytest.mark.parametrize(
    ("quiet", "moment", "expected"),
    [
        ((22, 6), datetime(2026, 5, 4, 23, 30), datetime(2026, 5, 5, 6)),
        ((22, 6), datetime(2026, 5, 5, 3), datetime(2026, 5, 5, 6)),
        ((22, 6), datetime(2026, 5, 5, 6), datetime(2026, 5, 5, 6)),
        ((8, 16), datetime(2026, 5, 5, 9), datetime(2026, 5, 5, 16)),
        ((8, 16), datetime(2026, 5, 5, 7), datetime(2026, 5, 5, 7)),
        # The clocks go forward at 02:00 this night.
        ((22, 6), datetime(2026, 3, 29, 1, 30), datetime(2026, 3, 29, 6)),
    ],
)
def test_quiet_hours_are_kept_by_the_local_clock(quiet: Any, moment: datetime, expected: datetime) -> None:
    entry = JobQueueEntry(interval_minutes=30, quiet_from=time(quiet[0]), quiet_until=time(quiet[1]))
    assert after_quiet_hours(entry, timezone.make_aware(moment)) == timezone.make_aware(expected)


def test_quiet_hours_that_begin_stop_what_is_due_what_is_at_work_and_the_look_for_changes(
    entry: JobQueueEntry, settings: Settings
) -> None:
    now = timezone.localtime()
    hour = timedelta(hours=1)
    quiet = {"quiet_from": (now - hour).time(), "quiet_until": (now + hour).time()}
    JobQueueEntry.objects.update(earliest_start=now, **quiet)
    assert take() is None
    assert 59 < from_now(entry) <= 60
    SynchState.objects.update_or_create(mapping=entry.mapping, defaults={"crm_cursor": "link"})
    assert not schedules.may_probe()
    schedules.reschedule(entry, quiet_from=None, quiet_until=None)
    assert 29 < from_now(entry) <= 30
    assert schedules.may_probe()
    JobQueueEntry.objects.update(earliest_start=now)
    in_hand = take()
    assert in_hand
    put_back(in_hand)
    JobQueueEntry.objects.update(**quiet)
    assert take() is None
    assert 59 < from_now(entry) <= 60
    assert entry.status == JobStatus.READY
    asked_for = enqueue(entry.mapping)
    assert take() == asked_for


def test_a_schedule_is_set_on_its_page_and_by_a_program(entry: JobQueueEntry, client: Client, alice: User) -> None:
    client.force_login(alice)
    page, address = f"/job-queue/{entry.pk}/schedule/", f"/api/v1/job-queue-entries/{entry.pk}/"
    times = {"interval_minutes": 5, "idle_minutes": 10, "alarm_hours": 48, "max_attempts": 3, "rerun_delay": 60}
    assert page in client.get(f"/job-queue/{entry.pk}/").content.decode()
    for wrong in ({"quiet_from": "22:00"}, {"alarm_hours": 20_000_000}, {"interval_minutes": 0}):
        assert client.post(page, times | wrong).context["form"].errors
        answer = client.patch(address, wrong, content_type="application/json")
        assert answer.status_code == 400, wrong
    client.post("/language/", {"language": "nb"})
    assert "En stille periode trenger" in client.post(page, times | {"quiet_from": "22:00"}).content.decode()
    now = timezone.localtime()
    quiet = {"quiet_from": (now + timedelta(hours=2)).time(), "quiet_until": (now + timedelta(hours=3)).time()}
    answer = client.post(page, times | {name: f"{value:%H:%M}" for name, value in quiet.items()})
    assert answer.status_code == 302
    assert 4 < from_now(entry) <= 5
    assert {name: getattr(entry, name) for name in times} == times
    assert entry.quiet_from == quiet["quiet_from"].replace(second=0, microsecond=0)
    answer = client.patch(address, {"interval_minutes": 3, "quiet_from": None, "quiet_until": None}, "application/json")
    assert (answer.status_code, answer.json()["interval_minutes"], answer.json()["quiet_from"]) == (200, 3, None)
    assert 2 < from_now(entry) <= 3
    once = enqueue(entry.mapping)
    assert client.patch(f"/api/v1/job-queue-entries/{once.pk}/", {}, "application/json").status_code == 409
    assert client.get(f"/job-queue/{once.pk}/schedule/").status_code == 404


def test_e9_the_delay_is_told_and_silence_is_an_alarm(entry: JobQueueEntry) -> None:
    now = timezone.now()
    JobQueueEntry.objects.update(created_at=now - timedelta(hours=30))
    entry.refresh_from_db()
    assert schedules.silent() == [entry]
    for hours in (20, 12, 11):
        entry.log.create(state=LogState.FINISHED, finished_at=now - timedelta(hours=hours))
    JobQueueEntry.objects.update(last_success_at=now - timedelta(hours=11))
    entry.refresh_from_db()
    [(_entry, (present, worst, until_next))] = delays([entry])
    assert round(present.total_seconds() / 3600) == 11
    assert round(worst.total_seconds() / 3600) == 11
    assert until_next is not None
    CRMConnection.objects.update(is_enabled=False)
    [(_entry, (_present, _worst, until_next))] = delays([entry])
    assert until_next is None, "nothing runs while the connection is disabled"
    assert schedules.silent() == []
