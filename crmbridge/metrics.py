"""The numbers of synchronization for Prometheus, read from the database at every scrape.

So they are right with any number of web and worker processes, and a constant number of queries tells them (I9).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, QuerySet, Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from connection.models import CRMConnection
from coupling.models import Coupling
from sync.entries import neglect
from sync.models import COUNTERS, Conflict, JobQueueEntry, JobState, SynchError, SynchJob, Waiting


class SynchronizationCollector(Collector):
    """Collects from the tables of synchronization; names begin with `crmbridge_`."""

    def collect(self) -> Iterator[Metric]:
        """Every number there is."""
        yield from _connection()
        yield _records()
        yield from _mappings()
        yield from _queue()


def registry() -> CollectorRegistry:
    """What `/metrics` shows."""
    found = CollectorRegistry()
    found.register(SynchronizationCollector())
    return found


def _connection() -> Iterator[Metric]:
    connection = CRMConnection.current()
    is_enabled = bool(connection and connection.is_enabled)
    yield GaugeMetricFamily("crmbridge_connection_enabled", "1 where the connection is on.", value=is_enabled)
    if connection and connection.certificate_expires_at:
        expiry = connection.certificate_expires_at.timestamp()
        yield GaugeMetricFamily("crmbridge_certificate_expiry_seconds", "When the certificate ends.", value=expiry)


def _records() -> Metric:
    """Counts what the jobs that are kept have done; a clean-up of old jobs shows as a reset counter."""
    labels = ["mapping", "direction", "outcome"]
    family = CounterMetricFamily("crmbridge_records", "Records, by what became of them.", labels=labels)
    rows = SynchJob.objects.order_by().values_list("mapping__name", "direction").annotate(*map(Sum, COUNTERS))
    for mapping, direction, *numbers in rows:
        for outcome, number in zip(COUNTERS, numbers, strict=True):
            family.add_metric([mapping, direction, outcome], number)
    return family


def _mappings() -> Iterator[Metric]:
    """How each mapping stands."""
    mapping = "mapping__name"
    errors = SynchError.objects.filter(resolved_at=None)
    conflicts = Conflict.objects.filter(resolved_at=None)
    yield _counted("crmbridge_errors", "Records that failed, by what to do.", errors, mapping=mapping, kind="kind")
    yield _counted("crmbridge_conflicts", "Open conflicts.", conflicts, mapping=f"coupling__{mapping}")
    yield _counted("crmbridge_waiting", "Records that wait for another.", Waiting.objects.all(), mapping=mapping)
    yield _counted("crmbridge_couplings", "Couplings.", Coupling.objects.all(), mapping=mapping, state="state")
    yield _last_success()


def _last_success() -> Metric:
    family = GaugeMetricFamily(
        "crmbridge_last_success_seconds", "When a job of the mapping last succeeded.", labels=["mapping"]
    )
    finished = SynchJob.objects.order_by().filter(state=JobState.FINISHED)
    for name, moment in finished.values_list("mapping__name").annotate(Max("finished_at")):
        family.add_metric([name], _seconds(moment))
    return family


def _queue() -> Iterator[Metric]:
    yield _counted("crmbridge_job_queue_entries", "Job queue entries.", JobQueueEntry.objects.all(), status="status")
    yield GaugeMetricFamily(
        "crmbridge_job_queue_delay_seconds",
        "How long work has been due without a sign of life from a worker.",
        value=neglect().total_seconds(),
    )


def _counted(name: str, text: str, rows: QuerySet[Any], **labels: str) -> Metric:
    """The number of `rows` for each combination of `labels`, which name their columns."""
    family = GaugeMetricFamily(name, text, labels=list(labels))
    counted = rows.order_by().values_list(*labels.values()).annotate(Count("pk"))
    for *values, number in counted:
        family.add_metric(values, number)
    return family


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
