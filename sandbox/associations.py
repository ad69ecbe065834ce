"""Many-to-many relationships: rows behind them, and links made and taken back by `$ref` (4.6, 11)."""

from typing import Any

from sandbox import errors
from sandbox.addresses import RowAddress, parse_row
from sandbox.metadata.catalog import Association
from sandbox.paging import count_rows, list_rows
from sandbox.protocol import Answer
from sandbox.rows.finding import require_id
from sandbox.rows.reading import Linked
from sandbox.service import Call


def associated(
    call: Call, address: RowAddress, association: Association, member: str | None, rest: list[str]
) -> Answer:
    """Answer a request for `set(key)/<many-to-many navigation>…`."""
    with call.store.reading() as connection:
        linked = Linked(association, require_id(connection, address))
    other = call.catalog.table(association.table)
    match call.request.method, rest:
        case "GET", []:
            return list_rows(call, other, linked)
        case "GET", ["$count"]:
            return count_rows(call, other, linked)
        case "GET", ["$ref"]:
            return _links(call, linked)
        case "POST", ["$ref"]:
            reference = call.request.json().get("@odata.id")
            return _link(call, address, linked, parse_row(call.catalog, str(reference)))
        case "DELETE", ["$ref"]:
            named = RowAddress(other, member.lower()) if member else None
            return _unlink(
                call, address, linked, named or parse_row(call.catalog, call.request.parameters.get("$id", ""))
            )
    raise errors.not_allowed(call.request.method)


def _links(call: Call, linked: Linked) -> Answer:
    other = call.catalog.table(linked.association.table)
    with call.store.reading() as connection:
        found = connection.execute(linked.association.members("?") + " LIMIT 5000", [linked.identity]).fetchall()
    links = [{"@odata.id": f"{call.request.root}{other.entity_set}({row[0]})"} for row in found]
    return Answer.of({"@odata.context": call.context("Collection($ref)"), "value": links})


def _pair(linked: Linked, other: str) -> dict[str, Any]:
    association = linked.association
    return {"relationship": association.relationship, association.near: linked.identity, association.far: other}


def _link(call: Call, address: RowAddress, linked: Linked, other: RowAddress) -> Answer:
    """Link two rows. Raises DataverseError: 412 when they are linked already."""
    if other.table.name != linked.association.table:
        raise errors.bad_request(f"A row of '{other.table.name}' cannot be linked here.")
    _require(call, address, other)
    with call.store.writing() as connection:
        pair = _pair(linked, require_id(connection, other))
        sql = 'INSERT OR IGNORE INTO "$link" (relationship, one, two) VALUES (:relationship, :one, :two)'
        if not connection.execute(sql, pair).rowcount:
            raise errors.duplicate_record()
        call.count("updated")
    return Answer.none()


def _unlink(call: Call, address: RowAddress, linked: Linked, other: RowAddress) -> Answer:
    _require(call, address, other)
    with call.store.writing() as connection:
        sql = 'DELETE FROM "$link" WHERE relationship = :relationship AND one = :one AND two = :two'
        if not connection.execute(sql, _pair(linked, require_id(connection, other))).rowcount:
            raise errors.does_not_exist(linked.association.intersect, f"{linked.identity}, {other.identity}")
        call.count("updated")
    return Answer.none()


def _require(call: Call, address: RowAddress, other: RowAddress) -> None:
    """Linking needs Append on one row and AppendTo on the other; a role's members are changed with Write on it too."""
    call.access.require("Append", address.table)
    call.access.require("AppendTo", other.table)
