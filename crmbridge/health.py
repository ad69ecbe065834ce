"""Says whether this installation is ready for work: `/healthz` for the process, `/readyz` for what it leans on.

The answers name no version, address or error text: whoever probes need not be signed in.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max
from django.utils import timezone

from sync.entries import due, is_neglected
from sync.models import JobQueueEntry

log = logging.getLogger(__name__)

# A worker looks for due work every second or two; a full queue moves on within a slice.
LATEST_PICK_UP: Final = timedelta(minutes=5)


def readiness() -> dict[str, bool]:
    """Each thing that this installation leans on, and whether it is in order. Raises nothing."""
    found: dict[str, bool] = {}
    for name, is_ready in _CHECKS.items():
        found[name] = _answer(name, is_ready)
        if not found[name]:
            break
    return found


def waited_for_worker() -> timedelta:
    """How long work has been due without a worker's sign of life; zero where none is due.

    Of a full synchronization much is due for as long as it runs; what counts is that it gets on.
    """
    first = due().order_by("earliest_start").values_list("earliest_start", flat=True).first()
    if first is None:
        return timedelta()
    alive = JobQueueEntry.objects.aggregate(at=Max("heartbeat_at"))["at"]
    return max(timezone.now() - max(first, alive or first), timedelta())


def _answer(name: str, is_ready: Callable[[], bool]) -> bool:
    try:
        return is_ready()
    except Exception:
        # Whatever a driver of a database or cache raises means the same to whoever probes.
        log.warning("Not ready: %s", name, exc_info=True)
        return False


def _database_answers() -> bool:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _is_migrated() -> bool:
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _cache_answers() -> bool:
    cache.set("readyz", "yes", 5)
    return bool(cache.get("readyz") == "yes")


def _work_is_picked_up() -> bool:
    return not is_neglected(LATEST_PICK_UP)


# In this order, up to the first that is not in order: without a database nothing else can be asked.
_CHECKS: Final[dict[str, Callable[[], bool]]] = {
    "database": _database_answers,
    "migrations": _is_migrated,
    "cache": _cache_answers,
    "worker": _work_is_picked_up,
}
