"""Rows as resources: what each method does to `accounts` and `accounts(<key>)` (dataverse-web-api.md 4)."""

import json
import sqlite3
from typing import Any

from sandbox import errors
from sandbox.addresses import RowAddress
from sandbox.errors import NotModifiedError
from sandbox.metadata.catalog import Table
from sandbox.paging import list_rows, selection
from sandbox.protocol import Answer
from sandbox.query.options import Options
from sandbox.rows.deleting import delete
from sandbox.rows.finding import existing_id, find_id, require_id, unreadable
from sandbox.rows.reading import Query, Row
from sandbox.service import Call


def collection(call: Call, table: Table) -> Answer:
    """Answer GET (list) and POST (create) on an entity set."""
    match call.request.method:
        case "GET":
            return list_rows(call, table)
        case "POST":
            return create(call, table, call.request.json())
    raise errors.not_allowed(call.request.method)


def create(call: Call, table: Table, payload: dict[str, Any]) -> Answer:
    """Create one row: 204 with its address, or 201 with its representation."""
    with call.store.writing() as connection:
        identity = call.writer(connection).create(table, [payload])[0]
        call.count("created")
        return written(call, connection, table, identity, 201)


def written(call: Call, connection: sqlite3.Connection, table: Table, identity: str, status: int) -> Answer:
    """Return what a create or update answers: 204 with the address, or the row when it was asked for."""
    address = f"{call.request.root}{table.entity_set}({identity})"
    if not call.preferences.representation:
        return Answer.none({"OData-EntityId": address, "Location": address})
    options = call.options if status == 201 else _without_expand(call.options)
    row = Query(connection, call.catalog, table, options, call.preferences.annotations, call.user).row(identity)
    if row is None:
        raise errors.does_not_exist(table.name, identity)
    answer = _row_answer(call, table, options, row, status)
    answer.headers["Preference-Applied"] = "return=representation"
    if status == 201:
        answer.headers["Location"] = address
    return answer


def _without_expand(options: Options) -> Options:
    return Options(select=options.select)


def _row_answer(call: Call, table: Table, options: Options, row: Row, status: int = 200) -> Answer:
    context = json.dumps(call.context(f"{table.entity_set}{selection(options)}/$entity"))
    body = f'{{"@odata.context":{context},{row.json[1:]}'
    return Answer.text(body, status, {"ETag": f'W/"{row.version}"'})


def single(call: Call, address: RowAddress) -> Answer:
    """Answer GET, PATCH and DELETE on one row."""
    match call.request.method:
        case "GET":
            return retrieve(call, address)
        case "PATCH":
            return upsert(call, address, call.request.json())
        case "DELETE":
            return remove(call, address)
    raise errors.not_allowed(call.request.method)


def retrieve(call: Call, address: RowAddress) -> Answer:
    """Return one row; raises 404, or NotModifiedError when the client holds this version (15)."""
    table = address.table
    call.access.require("Read", table)
    with call.store.reading() as connection:
        identity = find_id(connection, address)
        query = Query(
            connection, call.catalog, table, call.options, call.preferences.annotations, call.user, call.access
        )
        row = query.row(identity)
        if row is None:
            raise unreadable(connection, table, identity)
    if call.request.if_none_match == f'W/"{row.version}"' and not call.options.expand:
        raise NotModifiedError
    return _row_answer(call, table, call.options, row)


def upsert(call: Call, address: RowAddress, payload: dict[str, Any]) -> Answer:
    """Change the row, or create it where the headers allow that: the table of dataverse-web-api.md 4.4."""
    table, must_exist = address.table, call.request.if_match is not None
    with call.store.writing() as connection:
        identity = existing_id(connection, address)
        if identity is not None and call.request.if_none_match == "*":
            raise errors.duplicate_record()
        if identity is None and must_exist:
            require_id(connection, address)
        if identity is None:
            return _create_at(call, connection, address, payload)
        call.writer(connection).update(table, [(identity, without_key(address, payload))], call.request.if_match)
        call.count("updated")
        return _addressed(call, address, written(call, connection, table, identity, 200))


def _create_at(call: Call, connection: sqlite3.Connection, address: RowAddress, payload: dict[str, Any]) -> Answer:
    payload = with_key(call, connection, address, payload)
    identity = call.writer(connection).create(address.table, [payload])[0]
    call.count("created")
    return _addressed(call, address, written(call, connection, address.table, identity, 201))


def _addressed(call: Call, address: RowAddress, answer: Answer) -> Answer:
    """An upsert by alternate key tells the address it was given, not the new id (4.4)."""
    if address.identity is None and answer.status == 204:
        echoed = f"{call.request.root}{call.request.path}"
        answer.headers |= {"OData-EntityId": echoed, "Location": echoed}
    return answer


def without_key(address: RowAddress, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the body without the key columns of the address, which an update drops (4.4)."""
    keys = {address.table.columns[name].wire for name, _ in address.key}
    return {name: value for name, value in payload.items() if name not in keys}


def with_key(
    call: Call, connection: sqlite3.Connection, address: RowAddress, payload: dict[str, Any]
) -> dict[str, Any]:
    """Return the body of a new row with what its address says: the id, or key columns that the body lacks (4.4)."""
    table = address.table
    if address.identity is not None:
        return {**payload, table.id: address.identity}
    given: dict[str, Any] = {}
    for name, text in address.key:
        column = table.columns[name]
        if column.is_lookup:
            target = next(iter(column.targets.values()))
            entity_set = call.catalog.table(target.table).entity_set
            given[f"{target.navigation}@odata.bind"] = f"/{entity_set}({text})"
        else:
            given[name] = json.loads(text) if column.type not in ("string", "memo", "datetime") else text
    return given | payload


def remove(call: Call, address: RowAddress) -> Answer:
    """Delete one row."""
    with call.store.writing() as connection:
        identity = find_id(connection, address)
        delete(call.writer(connection), address.table, identity, call.request.if_match)
        call.count("deleted")
    return Answer.none()
