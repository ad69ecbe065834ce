"""A mapping never runs twice at once, and a dead process does not keep it (I5)."""

import subprocess
import sys

import pytest
from django.db import transaction
from django.utils import timezone

from coupling.models import TableMapping
from sync.lease import LEASE, AlreadyRunning, LeaseLost, lease, new_owner
from sync.models import SynchState

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
