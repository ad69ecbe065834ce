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

from sync.entries import neglect

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
    return neglect() < LATEST_PICK_UP


# In this order, up to the first that is not in order: without a database nothing else can be asked.
_CHECKS: Final[dict[str, Callable[[], bool]]] = {
    "database": _database_answers,
    "migrations": _is_migrated,
    "cache": _cache_answers,
    "worker": _work_is_picked_up,
}
