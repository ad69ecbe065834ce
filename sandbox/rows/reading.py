"""Read rows: one by id, or a page of a table in one statement (dataverse-web-api.md 4.3, 5.3)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.access import Access
from sandbox.metadata.catalog import Association, Catalog, Table
from sandbox.query.building import Source, Statement
from sandbox.query.filtering import Filtering
from sandbox.query.options import Options
from sandbox.query.ordering import OrderKey, after, order_keys
from sandbox.query.parser import parse_filter
from sandbox.query.shape import Shaping, check_expansions

COUNT_LIMIT = 5000


@dataclass(frozen=True, slots=True)
class Row:
    """One row as JSON text, with its version."""

    json: str
    version: int


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page as JSON, joined by commas; `position` is the place to go on from, or None at the end."""

    json: bytes
    count: int
    position: tuple[object, ...] | None


@dataclass(slots=True)
class Query:
    """A query on one table. `where` adds SQL conditions of our own, such as belonging to a parent row.

    With `access` only rows that the user may read are found."""

    connection: sqlite3.Connection
    catalog: Catalog
    table: Table
    options: Options
    annotations: tuple[str, ...] = ()
    user: str = ""
    access: Access | None = None

    def row(self, identity: str) -> Row | None:
        """Return the row with this id, or None."""
        statement = Statement(self.catalog, self.user, self.access)
        source = statement.source(self.table)
        check_expansions(self.options)
        shape = Shaping(statement, self.annotations).row(source, self.options)
        sql = (
            f"SELECT {shape}, {source.column('versionnumber')} FROM {source.sql} "
            f"WHERE {source.column(self.table.id)} = {statement.bind(identity)}"
        )
        found = self.connection.execute(sql, statement.values).fetchone()
        return Row(*found) if found else None

    def page(self, size: int, position: Sequence[object] | None = None, belonging: "Limit | None" = None) -> Page:
        """Return up to `size` rows after a position. Raises DataverseError (400) for a query that makes no sense."""
        statement = Statement(self.catalog, self.user, self.access)
        source = statement.source(self.table)
        check_expansions(self.options)
        shape = Shaping(statement, self.annotations).row(source, self.options)
        filtering = Filtering(statement, source)
        keys = order_keys(filtering, self.options.orderby)
        conditions = self._conditions(filtering, belonging)
        if position is not None:
            conditions.append(after(filtering, keys, position))
        rows = _select(f"{shape} AS j, {source.alias}.seq AS s", source, conditions, keys, size)
        # As bytes, a page of many megabytes is not decoded only to be encoded again.
        sql = f"SELECT CAST(group_concat(j, ',') AS BLOB), count(*), group_concat(s) FROM ({rows})"
        found, count, order = self.connection.execute(sql, statement.values).fetchone()
        if count < size:
            return Page(found or b"", count, None)
        return Page(found, count, self._position(int(order.rpartition(",")[2]), belonging))

    def _conditions(self, filtering: Filtering, belonging: "Limit | None") -> list[str]:
        conditions = [belonging.condition(filtering)] if belonging else []
        if self.options.filter:
            conditions.append(filtering.condition(parse_filter(self.options.filter, self.options.aliases)))
        return conditions

    def _position(self, seq: int, belonging: "Limit | None") -> tuple[object, ...] | None:
        """Return the sort values of the last row of a full page, or None when no row follows it."""
        statement = Statement(self.catalog, self.user, self.access)
        source = statement.source(self.table)
        filtering = Filtering(statement, source)
        keys = order_keys(filtering, self.options.orderby)
        listed = ", ".join(key.sql for key in keys)
        sql = f"SELECT {listed} FROM {source.sql} WHERE {source.alias}.seq = {seq}"
        position = tuple(self.connection.execute(sql, statement.values).fetchone())
        conditions = [*self._conditions(filtering, belonging), after(filtering, keys, position)]
        following = _select("1", source, conditions, keys, 1)
        return position if self.connection.execute(following, statement.values).fetchone() else None

    def count(self, limit: int | None = COUNT_LIMIT, belonging: "Limit | None" = None) -> int:
        """Return how many rows match, counting no further than `limit`."""
        statement = Statement(self.catalog, self.user, self.access)
        source = statement.source(self.table)
        conditions = self._conditions(Filtering(statement, source), belonging)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        bounded = f" LIMIT {limit}" if limit is not None else ""
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {source.sql}{where}{bounded})"
        return int(self.connection.execute(sql, statement.values).fetchone()[0])


@dataclass(frozen=True, slots=True)
class Belonging:
    """Limits a query to the rows that a navigation property of one row leads to."""

    column: str
    identity: str
    type_column: str = ""
    type_name: str = ""

    def condition(self, filtering: Filtering) -> str:
        """Return the limit as SQL."""
        source, statement = filtering.source, filtering.statement
        test = f"{source.column(self.column)} = {statement.bind(self.identity)}"
        if self.type_column:
            test += f" AND {source.column(self.type_column)} = {statement.bind(self.type_name)}"
        return test


@dataclass(frozen=True, slots=True)
class Linked:
    """Limits a query to the rows that a many-to-many relationship links to one row."""

    association: Association
    identity: str

    def condition(self, filtering: Filtering) -> str:
        """Return the limit as SQL."""
        source = filtering.source
        members = self.association.members(filtering.statement.bind(self.identity))
        return f"{source.column(source.table.id)} IN ({members})"


@dataclass(frozen=True, slots=True)
class Among:
    """Limits a query to rows with these ids."""

    identities: Sequence[str]

    def condition(self, filtering: Filtering) -> str:
        """Return the limit as SQL."""
        source, listed = filtering.source, json.dumps(list(self.identities))
        return f"{source.column(source.table.id)} IN (SELECT value FROM json_each({filtering.statement.bind(listed)}))"


Limit = Belonging | Linked | Among


def _select(what: str, source: Source, conditions: list[str], keys: list[OrderKey], limit: int) -> str:
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = ", ".join(f"{key.sql} DESC" if key.descending else key.sql for key in keys)
    return f"SELECT {what} FROM {source.sql}{where} ORDER BY {order} LIMIT {limit}"
