"""Work is handed over when the transaction commits, by name, and its end is told."""

import pytest
from django.db import transaction
from django_q.models import OrmQ, Task

from connection.dataverse.client import DataverseClient
from connection.models import NotConnected
from sync import tasks
from sync.models import SynchJob
from sync.queue import WorkFailedError, enqueue_synchronization, wait_for


@pytest.mark.django_db(transaction=True)
def test_i5_work_is_handed_over_at_the_commit_and_never_before(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[object] = []
    monkeypatch.setattr("sync.queue.async_task", lambda *arguments, **options: handed.append((arguments, options)))
    with transaction.atomic():
        name = enqueue_synchronization(["CUSTOMER"], full=True)
        assert handed == []

    assert handed == [(("sync.tasks.synchronize", ["CUSTOMER"], True), {"task_name": name})]


@pytest.mark.django_db(transaction=True)
def test_i5_work_of_a_transaction_that_rolls_back_is_never_handed_over() -> None:
    with transaction.atomic():
        enqueue_synchronization()
        transaction.set_rollback(True)

    assert not OrmQ.objects.exists()


def test_the_task_runs_the_named_mappings_and_returns_its_jobs(
    northwind: None, mappings: dict[str, object], crm: DataverseClient
) -> None:
    ids = tasks.synchronize(["SALESPEOPLE"], full=True)

    assert [job.mapping.name for job in SynchJob.objects.filter(pk__in=ids)] == ["SALESPEOPLE"]


@pytest.mark.django_db
def test_the_task_says_where_nothing_is_connected() -> None:
    with pytest.raises(NotConnected):
        tasks.synchronize()


@pytest.mark.django_db
def test_waiting_ends_with_what_became_of_the_work() -> None:
    done = {"func": "f", "started": "2026-01-01T00:00Z", "stopped": "2026-01-01T00:00Z"}
    Task.objects.create(id="1", name="good", success=True, result=[4, 5], **done)
    Task.objects.create(id="2", name="bad", success=False, result="NotConnected", **done)

    assert wait_for("good", 0) == [4, 5]
    with pytest.raises(WorkFailedError, match="NotConnected"):
        wait_for("bad", 0)
    with pytest.raises(TimeoutError):
        wait_for("never", 0)
