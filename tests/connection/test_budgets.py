"""The budget that several processes share, in the database and in Redis."""

from threading import Thread
from uuid import uuid4

import pytest
from django.db import transaction
from pytest_django import Settings

from connection.budgets import DatabaseBudget, RedisBudget, budget_of
from connection.dataverse.budget import Amount, Budget, Report, Slice
from connection.dataverse.errors import Throttled
from connection.dataverse.traffic import BudgetStore, LocalBudget, Traffic
from connection.models import CRMConnection, RequestBudget
from tests.connection.conftest import Pauses, connection_to


def exchange(store: BudgetStore, member: str, *, now: float = 1000.0) -> Slice | None:
    return store.exchange(lambda budget: budget.exchanged(Report(member, wanted=Amount(10, 5)), now))


def share_holds_back(one: BudgetStore, another: BudgetStore) -> None:
    """What two processes do: one hears a 429, the other learns of it when it asks next."""
    first, second = Traffic(one, Pauses()), Traffic(another, Pauses())
    first.attend()
    first.complained(Throttled(code="0x80072321"), 20)
    first.attend()
    second.attend()
    assert second.pause(bulk=True) == pytest.approx(20, abs=2)
    assert second.pause(bulk=False) == pytest.approx(20, abs=2)


@pytest.fixture
def stored(settings: Settings) -> CRMConnection:
    settings.REDIS_URL = ""
    connection = connection_to("https://acme.crm4.dynamics.com")
    connection.save()
    return connection


@pytest.mark.django_db(transaction=True)
def test_processes_share_a_budget_through_the_database(stored: CRMConnection) -> None:
    one, another = budget_of(stored), budget_of(stored)
    assert isinstance(one, DatabaseBudget)
    assert exchange(one, "a") == exchange(another, "a")
    assert Budget.from_json(RequestBudget.objects.get().state).total == Amount(20, 10)
    share_holds_back(one, another)


@pytest.mark.django_db(transaction=True)
def test_no_entry_of_another_worker_is_overwritten(stored: CRMConnection) -> None:
    store = DatabaseBudget(stored.pk)
    exchange(store, "a")
    interrupted: list[int] = []

    def change(budget: Budget) -> tuple[Budget, Slice]:
        if not interrupted:
            interrupted.append(1)
            exchange(DatabaseBudget(stored.pk), "b")
        return budget.exchanged(Report("c", wanted=Amount(10, 5)), 1000.0)

    assert store.exchange(change)
    assert Budget.from_json(RequestBudget.objects.get().state).total == Amount(30, 15)


@pytest.mark.django_db(transaction=True)
def test_a_transaction_goes_on_without_and_keeps_the_row_from_nobody(stored: CRMConnection) -> None:
    with transaction.atomic():
        assert exchange(budget_of(stored), "a") is None
        traffic = Traffic(budget_of(stored), Pauses())
        traffic.attend()
        assert traffic.pause(bulk=True) == 0
    assert not RequestBudget.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_budget_is_not_written_for_every_request(stored: CRMConnection) -> None:
    clock = Pauses()
    traffic = Traffic(budget_of(stored), clock)
    for _ in range(200):
        traffic.attend()
        assert traffic.pause(bulk=True) == 0
        traffic.sent(0.01, {})
    assert RequestBudget.objects.get().version <= 10


def test_an_unsaved_connection_has_a_budget_of_its_own() -> None:
    assert isinstance(budget_of(connection_to("https://acme.crm4.dynamics.com")), LocalBudget)


@pytest.mark.scale
@pytest.mark.django_db
def test_processes_share_a_budget_through_redis(settings: Settings) -> None:
    url = settings.REDIS_URL
    one, another = str(uuid4()), str(uuid4())
    share_holds_back(RedisBudget(url, one), RedisBudget(url, one))
    threads = [Thread(target=exchange, args=(RedisBudget(url, another), name)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found: list[Budget] = []

    def look(budget: Budget) -> tuple[Budget, Slice]:
        found.append(budget)
        return budget, Slice(Amount(), 1, 0, 0)

    RedisBudget(url, another).exchange(look)
    assert found[0].total == Amount(30, 15)


def test_a_redis_that_does_not_answer_stops_nobody() -> None:
    assert exchange(RedisBudget("redis://127.0.0.1:1/0", "nobody"), "a") is None
