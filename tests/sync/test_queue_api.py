"""The API of the job queue and of full synchronizations: what the pages can do, programs can."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coupling.models import TableMapping
from sync import fullsync
from sync.entries import due
from sync.models import FullSynchReviewLine, FullSynchronization, JobQueueEntry, JobStatus, Priority, Recommendation
from sync.queue import enqueue
from sync.recommendation import Advice
from tests.factories import (
    ChangeFactory,
    ConnectionFactory,
    JobQueueEntryFactory,
    SynchJobFactory,
    TableMappingFactory,
    WaitingFactory,
)

pytestmark = pytest.mark.django_db
FULL, ENTRIES = "/api/v1/full-synchronizations/", "/api/v1/job-queue-entries/"


@pytest.fixture
def program(client: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> Client:
    ConnectionFactory.create()
    TableMappingFactory.create()
    monkeypatch.setattr(fullsync, "advise", lambda *_: Advice(Recommendation.FULL, "Because.", 10, 10))
    client.force_login(alice)
    return client


def test_a_program_prepares_starts_follows_pauses_and_cancels(program: Client) -> None:
    made = program.post(f"{FULL}prepare/").json()
    assert (made["state"], made["lines"][0]["reason"]) == ("prepared", "Because.")
    one = f"{FULL}{made['id']}/"
    assert program.post(f"{one}start/").json()["state"] == "running"
    again = program.post(f"{one}start/")
    assert (again.status_code, again.json()["code"]) == (409, "not_possible")
    (entry,) = program.get(ENTRIES).json()["results"]
    SynchJobFactory.create(read=5, execution=JobQueueEntry.objects.get().log.create())
    FullSynchronization.objects.update(resumed_at=timezone.now() - timedelta(hours=1))
    review = program.get(one).json()
    assert review["seconds_left"] == pytest.approx(3 * 3600, rel=0.1)
    (line,) = review["lines"]
    assert (line["job_queue_entry"], line["job_queue_entry_status"]) == (entry["id"], "ready")
    assert (line["to_job_status"], line["from_job_status"], line["done"], line["total"]) == ("finished", "", 5, 20)
    assert program.post(f"{one}pause/").json()["lines"][0]["job_queue_entry_status"] == "on_hold"
    assert program.post(f"{one}start/").json()["lines"][0]["job_queue_entry_status"] == "ready"
    assert program.post(f"{one}cancel/").json()["state"] == "cancelled"
    assert program.post(f"{one}restart/").json()["state"] == "running"
    assert program.post(f"{ENTRIES}{entry['id']}/hold/").json()["status"] == "on_hold"
    assert program.post(f"{ENTRIES}{entry['id']}/restart/").json()["status"] == "ready"
    assert program.post(f"{ENTRIES}{entry['id']}/cancel/").json()["status"] == JobStatus.ERROR
    assert program.post(f"{one}reset/").json()["code"] == "not_possible"


def test_a_program_acts_on_one_line(program: Client) -> None:
    made = program.post(f"{FULL}prepare/").json()
    line = f"{FULL}{made['id']}/lines/{made['lines'][0]['id']}/"
    program.post(f"{FULL}{made['id']}/start/")
    refused = program.post(f"{line}restart/")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_possible")
    JobQueueEntry.objects.update(status=JobStatus.ERROR)
    (again,) = program.post(f"{line}restart/").json()["lines"]
    assert again["job_queue_entry_status"] == "ready"
    JobQueueEntry.objects.update(status=JobStatus.FINISHED)
    FullSynchReviewLine.objects.update(recommendation=Recommendation.COUPLE)
    (full,) = program.post(f"{line}recommend/").json()["lines"]
    assert (full["recommendation"], full["job_queue_entry_status"]) == ("full", "ready")
    assert program.post(f"{FULL}{made['id']}/lines/0/restart/").status_code == 404


def test_an_action_that_finds_nothing_to_do_is_refused_in_words(program: Client) -> None:
    entry = JobQueueEntryFactory.create(status=JobStatus.FINISHED)
    for action in ("hold", "cancel", "restart"):
        answer = program.post(f"{ENTRIES}{entry.pk}/{action}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_possible")
        assert "nothing was done" in answer.json()["detail"]


def test_a_program_sees_delays_waiting_records_and_changes(program: Client) -> None:
    schedule = JobQueueEntryFactory.create(interval_minutes=30)
    (delay,) = program.get(f"{ENTRIES}delays/").json()
    assert (delay["job_queue_entry"], delay["mapping"]) == (schedule.pk, "CUSTOMER")
    assert 0 <= delay["present"] <= delay["worst"] < 60
    waiting, change = WaitingFactory.create(), ChangeFactory.create()
    (found,) = program.get("/api/v1/waiting-records/?mapping__name=CUSTOMER").json()["results"]
    assert (found["id"], found["waits_for"]) == (waiting.pk, waiting.waits_for.name)
    (written,) = program.get(f"/api/v1/changes/?coupling={change.coupling_id}").json()["results"]
    assert (written["id"], written["fields"]) == (change.pk, change.fields)


def test_whoever_asks_again_does_not_wait_for_the_next_attempt() -> None:
    mapping = TableMappingFactory.create()
    later = timezone.now() + timedelta(hours=1)
    entry = JobQueueEntryFactory.create(mapping=mapping, priority=Priority.INTERACTIVE, earliest_start=later)
    assert enqueue(mapping) == entry
    assert due().get() == entry


def test_s90_seeing_and_acting_are_two_rights(program: Client, bob: User, charlie: User) -> None:
    made = program.post(f"{FULL}prepare/").json()
    program.force_login(bob)
    assert program.get(FULL).status_code == 200
    for address in (f"{FULL}prepare/", f"{FULL}{made['id']}/start/"):
        assert program.post(address).status_code == 403
    for page in ("prepare/", f"{made['id']}/start/"):
        assert program.post(f"/full-synchronization/{page}").status_code == 403
    assert "Start</button>" not in program.get("/full-synchronization/").content.decode()
    program.force_login(charlie)
    for address in (FULL, ENTRIES, "/full-synchronization/", "/job-queue/"):
        assert program.get(address).status_code == 403
    assert not JobQueueEntry.objects.exists()


@pytest.mark.parametrize("address", [lambda pk: f"/full-synchronization/{pk}/", lambda pk: f"{FULL}{pk}/"])
def test_i9_a_review_costs_the_same_with_more_lines(
    program: Client, alice: User, address: Callable[[int], str]
) -> None:
    numbers = []
    for count in (2, 9):
        for number in range(count):
            TableMapping.objects.get_or_create(name=f"M{number}", erp_table="financials.Customer", crm_table="account")
        full = fullsync.prepare(alice)
        fullsync.start(full, alice)
        for entry in JobQueueEntry.objects.filter(review_line__full_synchronization=full):
            SynchJobFactory.create(mapping=entry.mapping, execution=entry.log.create())
        numbers.append(full.pk)
        fullsync.cancel(full, alice)
    program.get(address(numbers[0]))
    costs = []
    for number in numbers:
        with CaptureQueriesContext(connection) as queries:
            assert program.get(address(number)).status_code == 200
        costs.append(len(queries))
    assert costs[0] == costs[1]
