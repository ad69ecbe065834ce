"""A mapping never runs twice at once, and a dead process does not keep it (I5)."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from coupling.models import TableMapping
from financials.models import CompanySettings, Currency, Salesperson
from sync.engine.journal import record
from sync.engine.writing import claim_matches
from sync.lease import LEASE, AlreadyRunning, LeaseLost, lease, new_owner
from sync.models import JobKind, JobQueueEntry, JobStatus, SynchJob, SynchState
from sync.queue import enqueue
from sync.working import work_once
from tests.clock import clock_set_by

pytestmark = pytest.mark.django_db


@pytest.fixture
def mapping() -> TableMapping:
    return TableMapping.objects.create(name="CUSTOMER", erp_table="financials.Customer", crm_table="account")


def test_i5_a_second_run_is_refused_while_the_first_holds_the_lease(mapping: TableMapping) -> None:
    with lease(mapping), pytest.raises(AlreadyRunning), lease(mapping):
        pass
    with lease(mapping):
        pass


def test_i5_the_lease_of_a_dead_process_is_free_at_once_but_not_that_of_another_machine_of_the_same_name(
    mapping: TableMapping,
) -> None:
    """Containers on one host's network, and cloned machines, have the same name."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host, _process, place, _name = new_owner().split(":")
    until = timezone.now() + LEASE
    state = SynchState.objects.create(mapping=mapping, lease_owner=f"{host}:{dead.pid}:elsewhere:x", lease_until=until)
    with pytest.raises(AlreadyRunning), lease(mapping):
        pass
    SynchState.objects.filter(pk=state.pk).update(lease_owner=f"{host}:{dead.pid}:{place}:x", lease_until=until)
    with lease(mapping):
        pass


def test_i5_the_lease_of_another_machine_is_free_once_it_has_run_out(mapping: TableMapping) -> None:
    SynchState.objects.create(mapping=mapping, lease_owner="elsewhere:1:x", lease_until=timezone.now() + LEASE)
    with pytest.raises(AlreadyRunning), lease(mapping):
        pass
    SynchState.objects.update(lease_until=timezone.now())
    with lease(mapping):
        pass


def test_i5_who_lost_the_lease_can_write_no_more(mapping: TableMapping) -> None:
    with lease(mapping) as held:
        SynchState.objects.update(lease_owner="elsewhere:1:x")
        with pytest.raises(LeaseLost), transaction.atomic():
            held.renew()
    assert SynchState.objects.get().lease_owner == "elsewhere:1:x"


def test_i5_a_page_that_takes_long_loses_neither_entry_nor_mapping(
    company: CompanySettings,
    mappings: dict[str, TableMapping],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its many requests may have to wait, each for a minute and more."""
    monkeypatch.setattr("sync.lease.BEAT_EVERY", 0)
    Currency.objects.get_or_create(code="EUR")
    soon = timezone.now() + timedelta(seconds=1)
    seen: list[Any] = []

    def before_the_writing(*page: Any) -> None:
        SynchState.objects.update(lease_until=soon)
        JobQueueEntry.objects.update(lease_until=soon, heartbeat_at=soon, attempts=3)
        claim_matches(*page)

    def after_it(*page: Any, **place: Any) -> None:
        held = SynchState.objects.get(mapping=mappings["CURRENCY"]).lease_until
        seen.append((held, JobQueueEntry.objects.values_list("lease_until", "heartbeat_at", "attempts").get()))
        record(*page, **place)

    monkeypatch.setattr("sync.engine.run.claim_matches", before_the_writing)
    monkeypatch.setattr("sync.engine.run.record", after_it)
    entry = enqueue(mappings["CURRENCY"], full=True)
    with clock_set_by(timedelta(seconds=30)):
        assert work_once()
    entry.refresh_from_db()
    assert entry.status == JobStatus.FINISHED, entry.message_text
    assert seen
    for mapping_until, (until, beaten_at, attempts) in seen:
        assert min(mapping_until, until) > soon + LEASE / 2
        assert beaten_at > soon
        assert attempts == 3, "only a page that was done shows that it gets on"


def test_i5_a_page_that_took_long_or_cost_a_worker_is_read_in_smaller_ones(
    company: CompanySettings,
    mappings: dict[str, TableMapping],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("PAGE_SIZE", 4), ("SMALLEST_PAGE", 1), ("SLOW", -1)):
        monkeypatch.setattr(f"sync.engine.reading.{name}", value)
    monkeypatch.setattr("sync.working.SLICE", 0)
    for number in range(9):
        Salesperson.objects.create(code=f"S{number}", name=f"Seller {number}")
    enqueue(mappings["SALESPEOPLE"], JobKind.COUPLE)
    read = []
    for lost in (False, False, True):
        JobQueueEntry.objects.update(attempts=int(lost))
        assert work_once()
        read.append(SynchJob.objects.get().read)
    assert read == [4, 6, 7]
    JobQueueEntry.objects.update(attempts=0)
    monkeypatch.setattr("sync.engine.reading.SLOW", 1e9)
    monkeypatch.setattr("sync.engine.reading.QUICK", 1e9)
    assert work_once()
    assert SynchJob.objects.get().page_size == 2
