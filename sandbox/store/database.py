"""Connections and transactions on the store: many readers, one writer at a time."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import sql_timeout
from sandbox.metadata.catalog import Catalog
from sandbox.store import schema
from sandbox.store.folding import register
from sandbox.store.keys import load_keys

_PRAGMAS = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
PRAGMA busy_timeout=30000;
PRAGMA temp_store=MEMORY;
PRAGMA cache_size=-65536;
PRAGMA mmap_size=4294967296;
PRAGMA wal_autocheckpoint=4000;
PRAGMA case_sensitive_like=OFF;
"""


# Shorter than a webhook is waited for, so that one that writes back is told, instead of both waiting for each other.
PATIENCE = 30.0


class Store:
    """The sandbox's data. Every thread has a connection of its own; a lock lets one thread write.

    Others wait for it as many seconds as `patience` says.
    """

    def __init__(self, path: Path, catalog: Catalog, patience: float = PATIENCE) -> None:
        self.path = path
        self.patience = patience
        self._local = threading.local()
        self._lock = threading.Lock()
        with self.writing() as connection:
            schema.create(connection, catalog)
            load_keys(connection, catalog)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, isolation_level=None, cached_statements=512)
            connection.executescript(_PRAGMAS)
            register(connection)
            self._local.connection = connection
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that sees one state of the store throughout; inside a write it sees that write."""
        connection = self._connection()
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection in a write transaction; any error takes all of it back. Nested use joins the outer one.

        Raises DataverseError (500, SQL timeout) while another thread writes for too long.
        """
        connection = self._connection()
        if connection.in_transaction:
            yield connection
            return
        if not self._lock.acquire(timeout=self.patience):
            raise sql_timeout()
        try:
            self._local.pending = []
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
            for callback in self._local.pending:
                callback()
        finally:
            self._lock.release()

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call back when the write transaction of this thread has been committed; never, when it is taken back."""
        self._local.pending.append(callback)


def setting(connection: sqlite3.Connection, name: str) -> int:
    """Return a number the store keeps about itself: `version` or `oldest version`."""
    return int(connection.execute('SELECT value FROM "$setting" WHERE name = ?', [name]).fetchone()[0])


def set_setting(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Keep a number about the store."""
    connection.execute('UPDATE "$setting" SET value = ? WHERE name = ?', [str(value), name])


def take_versions(connection: sqlite3.Connection, count: int) -> range:
    """Reserve the next row versions, which are counted over the whole database (dataverse-web-api.md 4.8)."""
    first = setting(connection, "version") + 1
    set_setting(connection, "version", first + count - 1)
    return range(first, first + count)
