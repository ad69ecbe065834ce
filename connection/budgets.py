"""Keeps the budget of a connection for all its workers: in Redis where there is one, else in the database."""

import json
import logging
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError
from django.db import connection as database
from django.db.models import F

from connection.dataverse.budget import WINDOW, Budget, Slice
from connection.dataverse.traffic import BudgetStore, Exchange, LocalBudget

if TYPE_CHECKING:
    from connection.models import CRMConnection

log = logging.getLogger(__name__)

# As many others may come first; then this worker goes on without and asks again a moment later.
_ATTEMPTS = 5


def budget_of(connection: "CRMConnection") -> BudgetStore:
    """Where the budget of `connection` is kept; an unsaved connection has one of its own."""
    if not connection.pk:
        return LocalBudget()
    if settings.REDIS_URL:
        # The CRM counts by user: whoever else signs in as the same application shares the limits.
        return RedisBudget(settings.REDIS_URL, f"{connection.address}:{connection.client_id}")
    return DatabaseBudget(connection.pk)


class DatabaseBudget:
    """A `BudgetStore` over a row that is replaced only by whoever read its present version."""

    def __init__(self, connection_id: int) -> None:
        self._connection_id = connection_id

    def exchange(self, change: Exchange) -> Slice | None:
        """Change the budget.

        None inside a transaction, which would keep the row from everybody else until it ends, and where the database
        is too busy.
        """
        if database.in_atomic_block:
            return None
        try:
            return next(filter(None, (self._tried(change) for _ in range(_ATTEMPTS))), None)
        except DatabaseError as error:
            log.warning("The request budget cannot be had: %s", error)
            return None

    def _tried(self, change: Exchange) -> Slice | None:
        from connection.models import RequestBudget

        row, _ = RequestBudget.objects.get_or_create(connection_id=self._connection_id)
        budget, found = change(Budget.from_json(row.state))
        replaced = RequestBudget.objects.filter(pk=row.pk, version=row.version).update(
            state=budget.to_json(), version=F("version") + 1
        )
        return found if replaced else None


class RedisBudget:
    """A `BudgetStore` over a key of Redis, changed in optimistic transactions."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._key = f"crmbridge:budget:{name}"
        self._redis: Any = None

    def exchange(self, change: Exchange) -> Slice | None:
        """Change the budget; None where Redis does not answer."""
        from redis import Redis, RedisError, WatchError

        self._redis = self._redis or Redis.from_url(self._url, socket_timeout=2, socket_connect_timeout=2)
        for _ in range(_ATTEMPTS):
            try:
                return self._tried(change)
            except WatchError:
                continue
            except RedisError as error:
                log.warning("The request budget cannot be had: %s", error)
                return None
        return None

    def _tried(self, change: Exchange) -> Slice:
        with self._redis.pipeline() as pipeline:
            pipeline.watch(self._key)
            budget, found = change(Budget.from_json(json.loads(pipeline.get(self._key) or "{}")))
            pipeline.multi()
            pipeline.set(self._key, json.dumps(budget.to_json()), ex=int(2 * WINDOW))
            pipeline.execute()
        return found
