"""What the pages show, read from the store."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import base64
import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from sandbox.metadata.catalog import Catalog, Table
from sandbox.metadata.columns import TEXT_TYPES, Column
from sandbox.query.formatting import FORMATTED
from sandbox.query.options import Options, Ordering
from sandbox.rows.reading import Query
from sandbox.rows.values import Stored
from sandbox.store.schema import quoted

PAGE_SIZE = 50
SMALL_TABLE = 100


@dataclass
class Cell:
    """One value of a list."""

    text: str
    column: Column


@dataclass
class Listing:
    """One page of a table's rows; `following` is the position of the next page, or empty."""

    columns: list[Column]
    rows: list[tuple[str, list[Cell]]]
    total: int
    following: str


class StoredLookups:
    """Names of rows, from the store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def choices(self, table: Table) -> list[tuple[str, str]]:
        """Return id and name of all rows of a small table, or [] for a large one."""
        sql = f"SELECT {quoted(table.id)}, {quoted(table.primary)} FROM {quoted(table.name)} LIMIT {SMALL_TABLE + 1}"
        found = self.connection.execute(sql).fetchall()
        if len(found) > SMALL_TABLE or table.name in ("account", "contact"):
            return []
        return [("", ""), *sorted(((row[0], row[1] or row[0]) for row in found), key=lambda pair: pair[1].lower())]

    def name(self, table: Table, identity: str) -> str:
        """Return the name of a row when it is the only one with it, else its id."""
        sql = f"SELECT {quoted(table.primary)} FROM {quoted(table.name)} WHERE {quoted(table.id)} = ?"
        found = self.connection.execute(sql, [identity]).fetchone()
        return found[0] if found and found[0] and self.find(table, found[0]) else identity

    def find(self, table: Table, text: str) -> str | None:
        """Return the id of the row that a text names, or None."""
        sql = f"SELECT {quoted(table.id)} FROM {quoted(table.name)} WHERE {quoted(table.primary)} = ? LIMIT 2"
        found = self.connection.execute(sql, [text]).fetchall()
        return found[0][0] if len(found) == 1 else None


def stored_row(connection: sqlite3.Connection, table: Table, identity: str) -> dict[str, Stored] | None:
    """Return a row as the store keeps it, or None."""
    cursor = connection.execute(f"SELECT * FROM {quoted(table.name)} WHERE {quoted(table.id)} = ?", [identity])
    row = cursor.fetchone()
    return dict(zip((item[0] for item in cursor.description), row, strict=True)) if row else None


def listing(
    connection: sqlite3.Connection, catalog: Catalog, table: Table, search: str, sort: str, position: str
) -> Listing:
    """Return a page of rows whose text columns contain the search, sorted by a column (`-name` for descending)."""
    columns = [table.columns[name] for name in table.listed]
    options = Options(
        select=tuple(column.wire for column in columns), filter=_search(columns, search), orderby=_order(table, sort)
    )
    query = Query(connection, catalog, table, options, (FORMATTED,))
    page = query.page(PAGE_SIZE, _read_position(position))
    rows = [(row[table.id], [_cell(column, row) for column in columns]) for row in json.loads(b"[%s]" % page.json)]
    following = base64.urlsafe_b64encode(json.dumps(page.position).encode()).decode() if page.position else ""
    return Listing(columns, rows, query.count(limit=None), following)


def _search(columns: list[Column], text: str) -> str | None:
    if not text:
        return None
    escaped = "".join(f"[{character}]" if character in "%_[" else character for character in text).replace("'", "''")
    return " or ".join(f"contains({column.wire},'{escaped}')" for column in columns if column.type in TEXT_TYPES)


def _order(table: Table, sort: str) -> tuple[Ordering, ...]:
    column = table.columns.get(sort.lstrip("-"))
    if column is None:
        column = table.columns[table.primary]
    return (Ordering((column.wire,), sort.startswith("-")),)


def _read_position(text: str) -> list[Any] | None:
    try:
        content = json.loads(base64.urlsafe_b64decode(text)) if text else None
    except ValueError:
        return None
    return content if isinstance(content, list) and len(content) == 2 else None


def _cell(column: Column, row: dict[str, Any]) -> Cell:
    value = row.get(f"{column.wire}@{FORMATTED}", row.get(column.wire))
    return Cell("" if value is None else str(value), column)
