"""Who waits for an answer does not queue behind bulk work, without the caller having to think of it (10)."""

import time
from threading import Thread

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from connection.clients import client_for, new_client
from connection.dataverse.budget import DOCUMENTED, STEPS, WINDOW, Budget
from connection.dataverse.errors import Throttled
from connection.lane import is_awaited, somebody_waits
from connection.models import CRMConnection, RequestBudget
from tests.connection.conftest import Pauses, SandboxDetails, connection_to


@pytest.fixture
def busy(sandbox: SandboxDetails, settings: Settings, transactional_db: None) -> CRMConnection:
    """A connection whose bulk work has used up what the CRM allows."""
    settings.REDIS_URL = ""
    connection = connection_to(
        sandbox["address"], authority=sandbox["authority"], tenant_id=sandbox["tenant"], client_id=sandbox["client_id"]
    )
    connection.set_secret(sandbox["client_secret"])
    connection.save()
    spent = Budget(spent={int(time.time() // (WINDOW / STEPS)): DOCUMENTED}, lowered_at=time.time())
    RequestBudget.objects.create(connection=connection, state=spent.to_json())
    return connection


def test_bulk_work_waits_and_a_page_does_not(busy: CRMConnection, admin_client: Client, pauses: Pauses) -> None:
    with pytest.raises(Throttled):
        new_client(busy, clock=pauses).who_am_i()
    admin_client.post(reverse("admin:connection_crmconnection_test", args=[busy.pk]))
    busy.refresh_from_db()
    assert busy.user_id


def test_a_worker_says_when_somebody_waits(busy: CRMConnection, pauses: Pauses) -> None:
    with somebody_waits():
        assert new_client(busy, clock=pauses).who_am_i()
        assert client_for(busy).who_am_i()
    assert pauses == []
    with pytest.raises(Throttled):
        new_client(busy, clock=pauses).who_am_i()


def test_the_lanes_of_a_connection_share_one_account(busy: CRMConnection) -> None:
    bulk = client_for(busy)
    with somebody_waits():
        awaited = client_for(busy)
    assert awaited is not bulk
    awaited.who_am_i()
    assert bulk.requests_sent == awaited.requests_sent > 0


def test_a_thread_of_a_page_has_nobody_who_waits() -> None:
    seen: list[bool] = []
    with somebody_waits():
        with somebody_waits():
            pass
        thread = Thread(target=lambda: seen.append(is_awaited()))
        thread.start()
        thread.join()
        seen.append(is_awaited())
    assert [*seen, is_awaited()] == [False, True, False]
