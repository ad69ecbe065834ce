"""Alternate keys added through the API: a unique index each, remembered over restarts (dataverse-web-api.md 3.4)."""

import sqlite3

from sandbox.metadata.catalog import Catalog, Key, Table
from sandbox.store.schema import key_index, quoted


def load_keys(connection: sqlite3.Connection, catalog: Catalog) -> None:
    """Tell the catalog which keys the store remembers."""
    for tablename, name, columns in connection.execute('SELECT tablename, name, columns FROM "$key"'):
        table = catalog.find(tablename)
        if table is not None:
            table.keys[name] = Key(name, tuple(columns.split(",")))


def add_key(connection: sqlite3.Connection, table: Table, key: Key) -> None:
    """Build the index and remember the key. Raises sqlite3.IntegrityError when rows share its values."""
    connection.execute(key_index(table, key.name, key.columns))
    connection.execute('INSERT INTO "$key" VALUES (?, ?, ?)', [table.name, key.name, ",".join(key.columns)])
    table.keys[key.name] = key


def drop_key(connection: sqlite3.Connection, table: Table, name: str) -> None:
    """Drop the index and forget the key."""
    _drop(connection, table.name, name)
    table.keys.pop(name, None)


def drop_keys(connection: sqlite3.Connection, table: str, column: str = "") -> None:
    """Drop the keys of a table that goes, or those that a column of it is part of when only the column goes."""
    found = connection.execute('SELECT name, columns FROM "$key" WHERE tablename = ?', [table]).fetchall()
    for name, columns in found:
        if not column or column in columns.split(","):
            _drop(connection, table, name)


def _drop(connection: sqlite3.Connection, table: str, name: str) -> None:
    connection.execute(f"DROP INDEX IF EXISTS {quoted(f'{table} key {name}')}")
    connection.execute('DELETE FROM "$key" WHERE tablename = ? AND name = ?', [table, name])


def forget_keys(connection: sqlite3.Connection, catalog: Catalog) -> None:
    """Drop every key that was added through the API."""
    for tablename, name in connection.execute('SELECT tablename, name FROM "$key"').fetchall():
        table = catalog.find(tablename)
        if table is not None:
            drop_key(connection, table, name)
