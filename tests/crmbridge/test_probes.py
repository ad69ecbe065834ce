"""What machines ask: is it alive, is it ready, what are its numbers."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from connection.models import CRMConnection
from coupling.defaults.install import install_defaults
from coupling.models import TableMapping
from sync.models import JobQueueEntry, JobState, JobStatus, SynchJob
from tests.clock import clock_set_by

pytestmark = pytest.mark.django_db
TOKEN = "a token for machines"


@pytest.fixture
def mapping(connection: CRMConnection) -> TableMapping:
    install_defaults("NOK", "NOK")
    return TableMapping.objects.get(name="CUSTOMER")


def numbers(text: str) -> dict[tuple[str, ...], float]:
    """The value of every line, by its name and labels in the order of their names."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(each.name, *(value for _, value in sorted(each.labels.items()))): each.value for each in samples}


def test_anybody_may_ask_whether_the_process_lives(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert client.post("/healthz").status_code == 405


def test_a_load_balancer_asks_from_inside_where_there_is_no_https(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    statuses = {address: Client().get(address).status_code for address in ("/healthz", "/readyz", "/metrics", "/")}
    assert statuses == {"/healthz": 200, "/readyz": 200, "/metrics": 301, "/": 301}


def test_ready_while_everything_answers(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"database": "ok", "migrations": "ok", "cache": "ok", "worker": "ok"}
    assert "no-store" in answer["Cache-Control"]


def test_not_ready_while_nobody_takes_the_work(client: Client, mapping: TableMapping) -> None:
    an_hour_ago = timezone.now() - timedelta(hours=1)
    JobQueueEntry.objects.create(mapping=mapping, category=mapping.name, earliest_start=an_hour_ago)
    assert client.get("/readyz").status_code == 200
    with clock_set_by(timedelta(minutes=6)):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["worker"]) == (503, "failed")


def test_ready_while_a_worker_works_off_what_has_been_due_for_long(
    client: Client, bob: User, mapping: TableMapping
) -> None:
    now = timezone.now()
    what: dict[str, Any] = {"mapping": mapping, "earliest_start": now - timedelta(hours=1)}
    JobQueueEntry.objects.create(**what, category="A")
    in_hand = {"status": JobStatus.IN_PROCESS, "lease_owner": "worker", "lease_until": now + timedelta(minutes=1)}
    JobQueueEntry.objects.create(**what, **in_hand, category="B", heartbeat_at=now)
    assert client.get("/readyz").status_code == 200
    client.force_login(bob)
    assert numbers(client.get("/metrics").content.decode())["crmbridge_job_queue_delay_seconds",] < 60


def test_not_ready_without_a_cache(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object) -> None:
        raise ConnectionError("redis://:hunter2@redis is gone")

    monkeypatch.setattr(cache, "set", unreachable)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["cache"]) == (503, "failed")
    assert "hunter2" not in answer.content.decode()


def test_numbers_for_those_who_may_see_them(client: Client, bob: User, charlie: User, settings: Settings) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/metrics", headers=bearer).status_code == 401
    settings.METRICS_TOKEN = TOKEN
    assert client.get("/metrics", headers=bearer).status_code == 200
    assert client.get("/metrics", headers={"Authorization": "Bearer another"}).status_code == 401
    assert client.get("/metrics")["WWW-Authenticate"] == "Bearer"
    client.force_login(charlie)
    assert client.get("/metrics").status_code == 401
    client.force_login(bob)
    assert client.get("/metrics").status_code == 200


def test_numbers_are_those_of_the_tables(client: Client, bob: User, mapping: TableMapping) -> None:
    now = timezone.now()
    for inserted in (3, 4):
        SynchJob.objects.create(
            mapping=mapping, direction="to", inserted=inserted, state=JobState.FINISHED, finished_at=now
        )
    client.force_login(bob)
    found = numbers(client.get("/metrics").content.decode())
    assert found["crmbridge_connection_enabled",] == 1
    assert found["crmbridge_records_total", "to", "CUSTOMER", "inserted"] == 7
    assert found["crmbridge_last_success_seconds", "CUSTOMER"] == pytest.approx(now.timestamp())
    assert found["crmbridge_job_queue_delay_seconds",] >= 0


def test_i9_numbers_cost_the_same_whatever_there_is(client: Client, bob: User, mapping: TableMapping) -> None:
    client.force_login(bob)

    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            client.get("/metrics")
        return len(captured)

    before = queries()
    SynchJob.objects.bulk_create(
        SynchJob(mapping=each, direction="to") for each in TableMapping.objects.all() for _ in range(3)
    )
    assert queries() == before
