"""What lies behind a row: columns, navigation properties and their `$ref` (dataverse-web-api.md 4.3, 4.4, 4.6)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
import re
from typing import Any

from sandbox import errors
from sandbox.addresses import RowAddress, parse_row
from sandbox.associations import associated
from sandbox.metadata.catalog import Reference, Table
from sandbox.metadata.columns import Column, Target
from sandbox.paging import count_rows, list_rows
from sandbox.protocol import MAX_PAGE, Answer
from sandbox.query.options import Options
from sandbox.resources import create, single
from sandbox.rows.finding import require_id, unreadable
from sandbox.rows.reading import Belonging, Query
from sandbox.service import Call
from sandbox.store.schema import quoted

_MEMBER = re.compile(r"(\w+)(?:\(([0-9a-fA-F-]{36})\))?")


def behind_row(call: Call, address: RowAddress, rest: list[str]) -> Answer:
    """Answer a request for `set(key)/<rest>`. Raises DataverseError (404) for a segment that names nothing."""
    match = _MEMBER.fullmatch(rest[0])
    if match is None:
        raise errors.segment_not_found(rest[0])
    name, member, table = match[1], match[2], address.table
    if (name in table.by_wire and len(rest) == 1) or rest[1:] == ["$value"]:
        return _property(call, address, name)
    if name in table.navigations:
        return _navigation(call, address, *table.navigations[name], rest[1:])
    if name in table.collections:
        return _collection(call, address, table.collections[name], member, rest[1:])
    if name in table.associations:
        return associated(call, address, table.associations[name], member, rest[1:])
    raise errors.segment_not_found(rest[0])


# -- one column


def _property(call: Call, address: RowAddress, name: str) -> Answer:
    column = address.table.by_wire.get(name)
    if column is None:
        raise errors.segment_not_found(name)
    match call.request.method:
        case "GET":
            return _read_property(call, address, column)
        case "PUT":
            return _change(call, address, {name: call.request.json().get("value")})
        case "DELETE" if not column.is_lookup:
            return _change(call, address, {name: None})
    raise errors.not_allowed(call.request.method)


def _read_property(call: Call, address: RowAddress, column: Column) -> Answer:
    table = address.table
    with call.store.reading() as connection:
        identity = require_id(connection, address)
        options = Options(select=(column.wire,))
        row = Query(connection, call.catalog, table, options, user=call.user, access=call.access).row(identity)
        if row is None:
            raise unreadable(connection, table, identity)
    value = json.loads(row.json).get(column.wire)
    if value is None:
        return Answer.none()
    context = call.context(f"{table.entity_set}({identity})/{column.wire}")
    return Answer.of({"@odata.context": context, "value": value})


def _change(call: Call, address: RowAddress, payload: dict[str, Any]) -> Answer:
    with call.store.writing() as connection:
        identity = require_id(connection, address)
        call.writer(connection).update(address.table, [(identity, payload)], call.request.if_match)
        call.count("updated")
    return Answer.none()


# -- single-valued navigation


def _navigation(call: Call, address: RowAddress, column: Column, target: Target, rest: list[str]) -> Answer:
    bound = f"{target.navigation}@odata.bind"
    match call.request.method, rest:
        case "PUT", ["$ref"]:
            return _change(call, address, {bound: _reference(call)})
        case "DELETE", ["$ref"]:
            return _change(call, address, {bound: None})
        case "GET", []:
            return _follow(call, address, column, target)
        case "GET", ["$ref"]:
            return _linked(call, address, column, target)
    raise errors.not_allowed(call.request.method)


def _reference(call: Call) -> str:
    reference = call.request.json().get("@odata.id")
    if not isinstance(reference, str):
        raise errors.bad_request("The body must hold the address of a row under '@odata.id'.")
    return reference


def _pointed(call: Call, address: RowAddress, column: Column, target: Target) -> RowAddress | None:
    """Return the row that a lookup points to, or None when it is empty or points to another table."""
    table = address.table
    kind = quoted(column.type_column) if column.is_polymorphic else f"'{target.table}'"
    sql = f"SELECT {quoted(column.name)}, {kind} FROM {quoted(table.name)} WHERE {quoted(table.id)} = ?"
    with call.store.reading() as connection:
        found = require_id(connection, address)
        if Query(connection, call.catalog, table, Options(), user=call.user, access=call.access).row(found) is None:
            raise unreadable(connection, table, found)
        identity, name = connection.execute(sql, [found]).fetchone()
    if identity is None or (column.type != "owner" and name != target.table):
        return None
    return RowAddress(call.catalog.table(name), identity)


def _follow(call: Call, address: RowAddress, column: Column, target: Target) -> Answer:
    pointed = _pointed(call, address, column, target)
    return Answer.none() if pointed is None else single(call, pointed)


def _linked(call: Call, address: RowAddress, column: Column, target: Target) -> Answer:
    pointed = _pointed(call, address, column, target)
    if pointed is None:
        return Answer.none()
    content = {"@odata.context": call.context("$ref"), "@odata.id": _address(call, pointed.table, pointed.identity)}
    return Answer.of(content)


def _address(call: Call, table: Table, identity: str | None) -> str:
    return f"{call.request.root}{table.entity_set}({identity})"


# -- collections


def _collection(call: Call, address: RowAddress, reference: Reference, member: str | None, rest: list[str]) -> Answer:
    child = call.catalog.table(reference.column.table)
    match call.request.method, rest:
        case "GET", []:
            return list_rows(call, child, _belonging(call, address, reference))
        case "GET", ["$count"]:
            return count_rows(call, child, _belonging(call, address, reference))
        case "GET", ["$ref"]:
            return _links(call, child, _belonging(call, address, reference))
        case "POST", []:
            return create(call, child, call.request.json() | _bind(call, address, reference))
        case "POST", ["$ref"]:
            return _change(call, parse_row(call.catalog, _reference(call)), _bind(call, address, reference))
        case "DELETE", ["$ref"]:
            return _unlink(call, child, reference, member)
    raise errors.not_allowed(call.request.method)


def _belonging(call: Call, address: RowAddress, reference: Reference) -> Belonging:
    with call.store.reading() as connection:
        identity = require_id(connection, address)
    column = reference.column
    if not column.is_polymorphic:
        return Belonging(column.name, identity)
    return Belonging(column.name, identity, column.type_column, reference.target.table)


def _bind(call: Call, address: RowAddress, reference: Reference) -> dict[str, str]:
    """Return the property that links a child to the addressed row."""
    with call.store.reading() as connection:
        identity = require_id(connection, address)
    return {f"{reference.target.navigation}@odata.bind": _address(call, address.table, identity)}


def _links(call: Call, child: Table, belonging: Belonging) -> Answer:
    with call.store.reading() as connection:
        query = Query(connection, call.catalog, child, Options(select=(child.id,)), user=call.user, access=call.access)
        page = query.page(MAX_PAGE, None, belonging)
    links = [{"@odata.id": _address(call, child, row[child.id])} for row in json.loads(b"[%s]" % page.json)]
    return Answer.of({"@odata.context": call.context("Collection($ref)"), "value": links})


def _unlink(call: Call, child: Table, reference: Reference, member: str | None) -> Answer:
    named = RowAddress(child, member.lower()) if member else None
    if named is None:
        named = parse_row(call.catalog, call.request.parameters.get("$id", ""))
    return _change(call, named, {f"{reference.target.navigation}@odata.bind": None})
