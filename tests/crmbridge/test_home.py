"""Home: how the connection and the mappings stand."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from connection.check import disable
from coupling.models import Direction
from financials.factories import CustomerFactory
from sync.entries import close_cancelled
from sync.models import JobQueueEntry, JobState, JobStatus
from tests.factories import (
    ConflictFactory,
    ConnectionFactory,
    CouplingFactory,
    SynchErrorFactory,
    SynchJobFactory,
    TableMappingFactory,
    WaitingFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def text(desk: Client, address: str = "/") -> str:
    return desk.get(address).content.decode()


def test_a_fresh_installation_says_what_to_do_first(desk: Client) -> None:
    home = text(desk)
    assert "Dynamics CRM is not connected." in home
    assert "/connection/guide/" in home
    assert "First steps" in home


def test_the_connection_is_told_with_its_state(desk: Client) -> None:
    connection = ConnectionFactory.create()
    assert "Connected to Contoso AS." in text(desk)
    disable(connection, "The client secret has expired.")
    assert "The client secret has expired." in text(desk)


def test_the_cues_count_what_they_link_to(desk: Client) -> None:
    CustomerFactory.create_batch(3)
    mapping = TableMappingFactory.create()
    CouplingFactory.create_batch(2, mapping=mapping)
    SynchErrorFactory.create(mapping=mapping)
    SynchErrorFactory.create(mapping=mapping, resolved_at=timezone.now())
    ConflictFactory.create(coupling__mapping=mapping)
    WaitingFactory.create(mapping=mapping)
    SynchJobFactory.create(mapping=mapping, state=JobState.RUNNING, finished_at=None)
    error = {"mapping": mapping, "category": "CUSTOMER", "status": JobStatus.ERROR}
    failed = JobQueueEntry.objects.create(failed_at=timezone.now(), **error)
    close_cancelled(JobQueueEntry.objects.create(failed_at=timezone.now(), **error), "bob")
    cues = {str(cue.caption): (cue.number, cue.address) for cue in desk.get("/").context["cues"]}
    assert cues == {
        "Customers": (3, "/tables/customer/"),
        "Coupled records": (3, ""),
        "Failed records": (1, "/errors/"),
        "Conflicts": (1, "/conflicts/"),
        "Waiting records": (1, ""),
        "Running jobs": (1, "/jobs/?state=running"),
        "Failed job queue entries": (1, "/job-queue/?state=failed"),
        "Mappings without success": (0, "/job-queue/"),
    }
    assert list(desk.get("/job-queue/?state=failed").context["object_list"]) == [failed]


def test_a_mapping_tells_its_last_job_and_its_last_success(desk: Client) -> None:
    mapping = TableMappingFactory.create()
    success = SynchJobFactory.create(mapping=mapping, finished_at=timezone.now() - timedelta(hours=3))
    failure = SynchJobFactory.create(
        mapping=mapping, state=JobState.FAILED, message={"en": "No answer.", "nb": "Taust."}
    )
    [line] = desk.get("/").context["lines"]
    assert (line.last_job, line.last_success) == (failure, success.finished_at)
    assert "3\N{NO-BREAK SPACE}hours ago" in text(desk)
    assert "No answer." in text(desk)


def test_i9_home_costs_the_same_with_more_data(
    desk: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(20) as few:
        desk.get("/")
    for name in ("CUSTOMER", "CONTACT", "CURRENCY", "SALESPEOPLE"):
        mapping = TableMappingFactory.create(
            name=name, erp_table=f"financials.{TABLES[name]}", direction=Direction.BOTH
        )
        SynchJobFactory.create_batch(5, mapping=mapping)
        SynchErrorFactory.create_batch(2, mapping=mapping)
    # Customers and contacts are counted, and the last jobs of the mappings read.
    with django_assert_max_num_queries(len(few) + 3):
        desk.get("/")


TABLES = {"CUSTOMER": "Customer", "CONTACT": "Contact", "CURRENCY": "Currency", "SALESPEOPLE": "Salesperson"}
