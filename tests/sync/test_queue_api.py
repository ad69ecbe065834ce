"""The API of the job queue and of full synchronizations: what the pages can do, programs can."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from coupling.models import TableMapping
from sync import fullsync
from sync.models import JobQueueEntry, JobStatus, Recommendation
from sync.recommendation import Advice
from tests.factories import ConnectionFactory, SynchJobFactory, TableMappingFactory

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
    (line,) = program.get(one).json()["lines"]
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
