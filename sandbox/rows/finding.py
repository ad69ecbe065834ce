"""Find the id of an addressed row."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import sqlite3

from sandbox import errors
from sandbox.addresses import RowAddress
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Table
from sandbox.metadata.columns import MONEY_SCALE, Column
from sandbox.rows.values import Stored, WrongTypeError, parse_datetime, parse_guid
from sandbox.store.folding import folded
from sandbox.store.schema import quoted

# These cannot stand in a key address, not even percent-encoded (3.4).
_UNADDRESSABLE = frozenset("/<>*%&:\\?+")


def key_value(column: Column, text: str) -> Stored:
    """Return the literal of a key predicate as the store keeps it. Raises DataverseError when it cannot be one."""
    try:
        if text == "null":
            return None
        if column.is_lookup or column.type == "uniqueidentifier":
            return parse_guid(text)
        if column.type in ("integer", "bigint", "picklist", "boolean", "state", "status"):
            return int(text)
        if column.type in ("decimal", "double"):
            return float(text)
        if column.type == "money":
            return round(float(text) * MONEY_SCALE)
        if column.type == "datetime":
            return parse_datetime(text)
    except (WrongTypeError, ValueError) as error:
        raise errors.bad_request(f"Bad Request - Error in query syntax: '{text}'.") from error
    if _UNADDRESSABLE & set(text):
        raise errors.bad_request(f"The key value '{text}' cannot be used in an address.")
    return text


def find_id(connection: sqlite3.Connection, address: RowAddress) -> str:
    """Return the id of the addressed row without checking a primary key. Raises 404 (none) or 400 (several)."""
    if address.identity is not None:
        return address.identity
    found = find_by_key(connection, address)
    if found is None:
        values = ", ".join(f"{name}: {value}" for name, value in address.key)
        message = f"A record with the specified key values does not exist in {address.table.name} entity ({values})"
        raise DataverseError(404, errors.NOT_FOUND_BY_KEY, message)
    return found


def find_by_key(connection: sqlite3.Connection, address: RowAddress) -> str | None:
    """Return the id of the only row with these key values, or None. Raises 400 when there are several."""
    table = address.table
    columns = [table.columns[name] for name, _ in address.key]
    tests = " AND ".join(_test(column) for column in columns)
    sql = f"SELECT {quoted(table.id)} FROM {quoted(table.name)} WHERE {tests} LIMIT 2"
    values = [key_value(column, value) for column, (_, value) in zip(columns, address.key, strict=True)]
    found = connection.execute(sql, values).fetchall()
    if len(found) > 1:
        raise errors.bad_request("The key is not unique: several rows match.", errors.SEVERAL_FOUND_BY_KEY)
    return found[0][0] if found else None


def _test(column: Column) -> str:
    return f"{folded(quoted(column.name))} IS fold(?)" if column.is_text else f"{quoted(column.name)} IS ?"


def existing_id(connection: sqlite3.Connection, address: RowAddress) -> str | None:
    """Return the id of the addressed row when it is there, else None. Raises 400 when a key finds several."""
    if address.identity is None:
        return find_by_key(connection, address)
    table = address.table
    sql = f"SELECT 1 FROM {quoted(table.name)} WHERE {quoted(table.id)} = ?"
    return address.identity if connection.execute(sql, [address.identity]).fetchone() else None


def unreadable(connection: sqlite3.Connection, table: Table, identity: str) -> DataverseError:
    """Return the error for a row that a user's query did not find: 403 when it is there, else 404."""
    there = existing_id(connection, RowAddress(table, identity)) is not None
    return errors.no_access(table.name, identity) if there else errors.does_not_exist(table.name, identity)


def require_id(connection: sqlite3.Connection, address: RowAddress) -> str:
    """Return the id of the addressed row. Raises 404 when it is not there."""
    found = existing_id(connection, address)
    if found is not None:
        return found
    raise errors.does_not_exist(address.table.name, find_id(connection, address))
