"""The sandbox's Dynamics CRM: its catalog and store, who calls, and what has been counted."""

import sqlite3
import threading
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property

from sandbox.access import Access
from sandbox.conditions.faults import Faults
from sandbox.conditions.latency import Latency
from sandbox.metadata.catalog import Catalog
from sandbox.protocol import Preferences, Request
from sandbox.query.options import Options
from sandbox.rows.writing import Writer
from sandbox.store.database import Store
from sandbox.webhooks.delivery import Deliveries
from sandbox.webhooks.telling import Telling


@dataclass
class Counters:
    """What clients did since the start or the last reset; for tests that assert "nothing was written"."""

    requests: int = 0
    operations: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        with self._lock:
            setattr(self, name, getattr(self, name) + count)

    def clear(self) -> None:
        """Start again at zero."""
        with self._lock:
            self.requests = self.operations = self.created = self.updated = self.deleted = 0

    def as_dict(self) -> dict[str, int]:
        """Return the numbers by name, with the sum of all writes."""
        numbers = {"requests": self.requests, "operations": self.operations, "created": self.created}
        numbers |= {"updated": self.updated, "deleted": self.deleted}
        return numbers | {"writes": self.created + self.updated + self.deleted}


class CallLog:
    """Who called what, the latest calls only; for tests that ask whether somebody did."""

    def __init__(self) -> None:
        self._calls: deque[dict[str, str]] = deque(maxlen=5000)

    def add(self, caller: str, method: str, path: str) -> None:
        """Note a call."""
        self._calls.append({"caller": caller, "method": method, "path": path})

    def clear(self) -> None:
        """Forget all calls."""
        self._calls.clear()

    def as_list(self) -> list[dict[str, str]]:
        """Return the calls, oldest first."""
        return list(self._calls)


@dataclass
class Service:
    """What every call works on."""

    catalog: Catalog
    store: Store
    counters: Counters = field(default_factory=Counters)
    log: CallLog = field(default_factory=CallLog, repr=False)
    latency: Latency = field(default_factory=lambda: Latency({}))
    faults: Faults = field(default_factory=Faults)
    deliveries: Deliveries = field(init=False, repr=False)
    uploads: dict[str, bytes] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.deliveries = Deliveries(self.store)


@dataclass(frozen=True)
class Call:
    """One request by one user."""

    service: Service
    request: Request
    user: str
    batched: bool = False

    @cached_property
    def catalog(self) -> Catalog:
        """The tables as they were when this request came."""
        return self.service.catalog

    @property
    def store(self) -> Store:
        """The rows."""
        return self.service.store

    @property
    def options(self) -> Options:
        """The query options."""
        return self.request.options

    @property
    def preferences(self) -> Preferences:
        """What `Prefer` asks for."""
        return self.request.preferences

    @cached_property
    def access(self) -> Access:
        """What the user may do."""
        with self.store.reading() as connection:
            return Access.of(connection, self.user)

    def context(self, fragment: str) -> str:
        """Return an `@odata.context`."""
        return f"{self.request.root}$metadata#{fragment}"

    def count(self, name: str, number: int = 1) -> None:
        """Count rows written, once the write is committed."""
        self.store.on_commit(lambda: self.service.counters.add(name, number))

    def writer(self, connection: sqlite3.Connection) -> Writer:
        """Return a writer for this user on an open write transaction. Raises DataverseError (403): see 1.2, bypass."""
        bypasses = self.request.bypasses_steps
        if bypasses:
            self.access.require_named("prvBypassCustomPlugins")
        deliveries, on_commit = self.service.deliveries, self.store.on_commit
        return Writer(
            connection,
            self.catalog,
            self.user,
            self.request.references,
            self.access,
            Telling(connection, self.catalog, self.user, deliveries, on_commit, bypasses),
            refuses_duplicates=self.request.refuses_duplicates,
        )
