"""Delete rows with what hangs on them: children deleted, links removed or the deletion refused (4.5)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
from collections.abc import Sequence

from sandbox import errors
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Reference, Table
from sandbox.rows import following, rules
from sandbox.rows.currencies import Values
from sandbox.rows.documents import LINES
from sandbox.rows.writing import Writer, check_version
from sandbox.store.database import take_versions
from sandbox.store.schema import quoted


def delete(writer: Writer, table: Table, identity: str, etag: str | None = None) -> None:
    """Delete one row; a missing one raises 404, another version than `etag` 412, a restricting child 405."""
    writer.require("Delete", table)
    sql = f"SELECT versionnumber FROM {quoted(table.name)} WHERE {quoted(table.id)} = ?"
    found = writer.connection.execute(sql, [identity]).fetchone()
    if found is None:
        raise errors.does_not_exist(table.name, identity)
    writer.require_rows("Delete", table, [identity])
    check_version(found[0], etag)
    delete_many(writer, table, [identity])


def delete_many(writer: Writer, table: Table, identities: Sequence[str]) -> int:
    """Delete the rows with these ids that exist, with their children, and return how many rows went in all."""
    for identity in identities:
        rules.before_delete(table, identity, writer.connection)
    changes: list[tuple[str, Values]] = [(identity, {}) for identity in identities]
    writer.announce("Delete", table, changes)
    total = sum(_release(writer, reference, table, identities) for reference in table.references)
    sql = (
        f"DELETE FROM {quoted(table.name)} WHERE {quoted(table.id)} IN (SELECT value FROM json_each(?)) "
        f"RETURNING {quoted(table.id)}"
    )
    lines_of = following.parents(writer, table, identities) if table.name in LINES else []
    gone = [row[0] for row in writer.connection.execute(sql, [json.dumps(list(identities))])]
    for association in table.associations.values():
        unlink = f'DELETE FROM "$link" WHERE relationship = ? AND {association.near} = ?'
        writer.connection.executemany(unlink, [(association.relationship, identity) for identity in gone])
    versions = take_versions(writer.connection, len(gone))
    entries = [(version, table.name, identity) for version, identity in zip(versions, gone, strict=True)]
    writer.connection.executemany('INSERT INTO "$deleted" VALUES (?, ?, ?)', entries)
    if lines_of:
        following.retotal(writer, LINES[table.name], lines_of)
    writer.happened("Delete", table, changes)
    return total + len(gone)


def _release(writer: Writer, reference: Reference, table: Table, identities: Sequence[str]) -> int:
    """Deal with the rows that point to those about to go; return how many were deleted with them."""
    column = reference.column
    if not column.index and column.delete != "restrict":
        return 0
    child = writer.catalog.table(column.table)
    sql = (
        f"SELECT {quoted(child.id)} FROM {quoted(child.name)} "
        f"WHERE {quoted(column.name)} IN (SELECT value FROM json_each(?))"
        + (" LIMIT 1" if column.delete == "restrict" else "")
    )
    pointing = [row[0] for row in writer.connection.execute(sql, [json.dumps(list(identities))])]
    if not pointing:
        return 0
    if column.delete == "restrict":
        raise _refused(table, child)
    if column.delete == "cascade":
        return delete_many(writer, child, pointing)
    _remove_links(writer, reference, pointing)
    return 0


def _refused(table: Table, child: Table) -> DataverseError:
    message = f"The {table.name} cannot be deleted because it is associated with a {child.name}."
    return DataverseError(405, errors.CANNOT_DELETE, message)


def _remove_links(writer: Writer, reference: Reference, identities: Sequence[str]) -> None:
    column = reference.column
    child = writer.catalog.table(column.table)
    versions = take_versions(writer.connection, len(identities))
    sql = (
        f"UPDATE {quoted(child.name)} SET {quoted(column.name)} = NULL, versionnumber = ? WHERE {quoted(child.id)} = ?"
    )
    writer.connection.executemany(sql, list(zip(versions, identities, strict=True)))
