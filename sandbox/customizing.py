"""Change the catalog while it is in use: definitions are kept in the store, and the catalog is built anew (3.6)."""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from sandbox.metadata.catalog import Catalog
from sandbox.metadata.loading import Definition, load_catalog
from sandbox.seed.privileges import plant_privileges
from sandbox.seed.sdkmessages import plant_messages
from sandbox.service import Service
from sandbox.store import schema
from sandbox.store.database import Store
from sandbox.store.keys import drop_keys, load_keys
from sandbox.store.schema import quoted


def definitions(connection: sqlite3.Connection) -> list[Definition]:
    """Return everything that was defined through the API, in order."""
    rows = connection.execute('SELECT kind, name, spec FROM "$definition" ORDER BY seq')
    return [Definition(kind, name, json.loads(spec)) for kind, name, spec in rows]


def customized_catalog(store: Store) -> Catalog:
    """Return the catalog with the definitions that a store remembers."""
    with store.writing() as connection:
        return _rebuilt(connection)


def _rebuilt(connection: sqlite3.Connection) -> Catalog:
    catalog = load_catalog(definitions(connection))
    schema.create(connection, catalog)
    load_keys(connection, catalog)
    return catalog


def define(service: Service, connection: sqlite3.Connection, added: Iterable[Definition]) -> Catalog:
    """Add or replace definitions; requests that come after the commit see them."""
    sql = (
        'INSERT INTO "$definition" (kind, name, spec) VALUES (?, ?, ?) '
        "ON CONFLICT (kind, name) DO UPDATE SET spec = excluded.spec"
    )
    connection.executemany(sql, [(item.kind, item.name, json.dumps(item.spec)) for item in added])
    return _put_in_force(service, connection)


def undefine(service: Service, connection: sqlite3.Connection, gone: Sequence[tuple[str, str]]) -> Catalog:
    """Take definitions back, given by kind and name, with the rows or values that they hold."""
    for kind, name in gone:
        connection.execute('DELETE FROM "$definition" WHERE kind = ? AND name = ?', [kind, name])
        if kind == "table":
            connection.execute("DELETE FROM \"$definition\" WHERE kind = 'column' AND name LIKE ?", [f"{name}.%"])
            connection.execute(f"DROP TABLE {quoted(name)}")
            drop_keys(connection, name)
        elif kind == "column":
            _leave_out(connection, *name.split(".", 1))
            _drop_column(connection, *name.split(".", 1))
    return _put_in_force(service, connection)


def _leave_out(connection: sqlite3.Connection, table: str, column: str) -> None:
    """Take a column out of the definition of the table that it came with."""
    sql = "UPDATE \"$definition\" SET spec = json_remove(spec, ?) WHERE kind = 'table' AND name = ?"
    connection.execute(sql, [f'$.columns."{column}"', table])


def _drop_column(connection: sqlite3.Connection, table: str, column: str) -> None:
    """Drop a column with its indexes and keys; one of the data files, that a definition only changed, stays."""
    original = load_catalog().find(table)
    if original is not None and column in original.columns:
        return
    connection.execute(f"DROP INDEX IF EXISTS {quoted(f'{table} {column}')}")
    drop_keys(connection, table, column)
    known = {row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")}
    for name in {column, f"{column}_base", f"{column}type"} & known:
        connection.execute(f"ALTER TABLE {quoted(table)} DROP COLUMN {quoted(name)}")


def _put_in_force(service: Service, connection: sqlite3.Connection) -> Catalog:
    catalog = _rebuilt(connection)
    plant_privileges(connection, catalog)
    plant_messages(connection, catalog)
    service.store.on_commit(lambda: setattr(service, "catalog", catalog))
    return catalog


def forget_customizations(service: Service) -> None:
    """Return to the catalog of the data files."""
    with service.store.writing() as connection:
        found = [(item.kind, item.name) for item in definitions(connection)]
        if found:
            undefine(service, connection, sorted(found, key=lambda pair: pair[0] == "table"))
