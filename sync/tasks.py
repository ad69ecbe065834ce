"""What the workers run. Tasks are named by dotted path and take nothing but names, ids and flags."""

from collections.abc import Sequence

from connection.models import CRMConnection
from coupling.models import TableMapping
from sync.engine.chain import synchronize_all


def synchronize(mappings: Sequence[str] = (), full: bool = False) -> list[int]:
    """Synchronize the named mappings that are enabled, or all of them; returns the primary keys of the synch jobs.

    Raises:
        NotConnected: the connection is switched off.
        AlreadyRunning: another process runs one of the mappings.
    """
    chosen = TableMapping.objects.filter(is_enabled=True)
    if mappings:
        chosen = chosen.filter(name__in=mappings)
    return [job.pk for job in synchronize_all(chosen, CRMConnection.enabled().client(), full=full)]
