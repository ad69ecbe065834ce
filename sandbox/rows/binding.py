"""Resolve the addresses that lookups are bound to into ids (dataverse-web-api.md 4.6, 6.1)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence

from sandbox import errors
from sandbox.addresses import parse_row
from sandbox.metadata.catalog import Catalog, Table
from sandbox.rows.finding import find_id
from sandbox.rows.payload import Bind, Draft
from sandbox.store.schema import quoted


def resolve(
    connection: sqlite3.Connection, catalog: Catalog, references: Mapping[str, str], drafts: Sequence[Draft]
) -> dict[Table, set[str]]:
    """Put the ids that the bound addresses name into the drafts, and return the rows that are thereby linked to.

    An owner is assigned rather than linked to. Raises DataverseError, 404 for a missing row.
    """
    resolved: dict[int, tuple[Table, str]] = {}
    wanted: dict[Table, set[str]] = defaultdict(set)
    linked: dict[Table, set[str]] = defaultdict(set)
    for draft in drafts:
        for bind in draft.binds:
            table, identity = _target(connection, catalog, references, bind)
            resolved[id(bind)] = (table, identity)
            wanted[table].add(identity)
            if bind.column.type != "owner":
                linked[table].add(identity)
    for table, identities in wanted.items():
        _require(connection, table, identities)
    for draft in drafts:
        for bind in draft.binds:
            table, identity = resolved[id(bind)]
            draft.values[bind.column.name] = identity
            if bind.column.is_polymorphic:
                draft.values[bind.column.type_column] = table.name
    return linked


def _target(
    connection: sqlite3.Connection, catalog: Catalog, references: Mapping[str, str], bind: Bind
) -> tuple[Table, str]:
    address = parse_row(catalog, _dereference(references, bind.address))
    allowed = bind.column.targets if bind.column.type == "owner" else {bind.target.table}
    if address.table.name not in allowed:
        message = f"A row of '{address.table.name}' cannot be bound to '{bind.target.navigation}'."
        raise errors.bad_payload(address.table.entity_set, message)
    return address.table, find_id(connection, address)


def _dereference(references: Mapping[str, str], address: str) -> str:
    """Return the address that `$<content-id>` stands for in a changeset (6.1)."""
    if not address.startswith("$"):
        return address
    name, slash, rest = address[1:].partition("/")
    if name not in references:
        raise errors.bad_request(f"Content-ID Reference: '${name}' does not exist in the batch context.")
    return references[name] + slash + rest


def _require(connection: sqlite3.Connection, table: Table, identities: set[str]) -> None:
    sql = (
        f"SELECT {quoted(table.id)} FROM {quoted(table.name)} "
        f"WHERE {quoted(table.id)} IN (SELECT value FROM json_each(?))"
    )
    found = {row[0] for row in connection.execute(sql, [json.dumps(list(identities))])}
    for identity in identities - found:
        raise errors.does_not_exist(table.name, identity)
