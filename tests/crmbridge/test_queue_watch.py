"""A cluster that does nothing any more is started again, and no other."""

import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from connection.models import CRMConnection
from crmbridge.processes import ManagedProcess
from crmbridge.queue_watch import STUCK_AFTER, QueueWatch
from crmbridge.supervisor import Program
from sync.models import JobQueueEntry
from tests.clock import clock_set_by
from tests.factories import ConnectionFactory, TableMappingFactory

# The watch closes connections that are old, and would take one in a transaction for such.
pytestmark = pytest.mark.django_db(transaction=True)
SECOND = timedelta(seconds=1)


@pytest.fixture
def cluster() -> Iterator[Program]:
    """One that runs for long already."""
    process = ManagedProcess.start([sys.executable, "-c", "import time; time.sleep(600)"])
    yield Program("The task queue", [], process, started_at=-1e9)
    process.end(0)


def look(cluster: Program) -> bool:
    """Have the watch look; whether the cluster was left alone."""
    watch = QueueWatch(cluster)
    watch.next_mail = float("inf")
    watch.look()
    return cluster.process is not None


def test_a_cluster_is_given_time_for_what_rested_until_now(cluster: Program, client: Client) -> None:
    connection, long_ago = ConnectionFactory.create(is_enabled=False), timezone.now() - timedelta(days=1)
    entry = JobQueueEntry(mapping=TableMappingFactory.create(), category="CUSTOMER", earliest_start=long_ago)
    entry.heartbeat_at = long_ago
    entry.save()
    assert look(cluster)
    CRMConnection.objects.filter(pk=connection.pk).update(is_enabled=True)
    assert look(cluster)
    assert client.get("/readyz").status_code == 200
    with clock_set_by(STUCK_AFTER - SECOND):
        assert look(cluster)
    with clock_set_by(STUCK_AFTER + SECOND):
        assert not look(cluster)
