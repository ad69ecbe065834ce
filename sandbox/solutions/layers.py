"""What each managed solution brought, so that it can be upgraded and uninstalled (dataverse-web-api.md 12)."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sandbox.addresses import RowAddress
from sandbox.customizing import definitions, undefine
from sandbox.errors import DataverseError
from sandbox.metadata.loading import Definition
from sandbox.protocol import Answer
from sandbox.resources import remove
from sandbox.rows.deleting import delete_many
from sandbox.rows.finding import find_id
from sandbox.rows.writing import Writer
from sandbox.service import Call
from sandbox.solutions.package import Role

_ONE_AT_A_TIME = threading.Lock()
_UPGRADE = "_Upgrade"
Component = tuple[str, str]
Components = set[Component]


def begin_alone() -> None:
    """Take the turn for an import or removal. Raises DataverseError (0x80071151) while another one has it."""
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        message = "Cannot start another solution operation because another one is running at this moment."
        raise DataverseError(400, "0x80071151", message)


def end_alone() -> None:
    """Give the turn back."""
    _ONE_AT_A_TIME.release()


@contextmanager
def _alone() -> Iterator[None]:
    begin_alone()
    try:
        yield
    finally:
        end_alone()


def holding_name(name: str) -> str:
    """Return the name that a solution is imported under until it is promoted."""
    return f"{name}{_UPGRADE}"


def components_of(brought: Iterable[Definition], roles: Iterable[Role]) -> Iterator[Component]:
    """Yield the tables, columns (`table.column`) and roles that a package brings."""
    for item in brought:
        if item.kind in ("table", "column"):
            yield item.kind, item.name
        if item.kind == "table":
            own = {item.spec["id"], item.spec["primary"]}
            yield from (("column", f"{item.name}.{column}") for column in item.spec["columns"] if column not in own)
    yield from (("role", role.identity) for role in roles)


def with_older_columns(connection: sqlite3.Connection, brought: Iterable[Definition]) -> Iterator[Definition]:
    """Yield definitions whose tables keep the columns that they had: only an upgrade takes columns away."""
    older = {item.name: item.spec["columns"] for item in definitions(connection) if item.kind == "table"}
    for item in brought:
        kept = {"columns": older.get(item.name, {}) | item.spec["columns"]} if item.kind == "table" else {}
        yield Definition(item.kind, item.name, item.spec | kept)


def record(connection: sqlite3.Connection, solution: str, components: Iterable[Component]) -> None:
    """Remember the components of a solution."""
    rows = [(solution, kind, name) for kind, name in components]
    connection.executemany('INSERT OR IGNORE INTO "$component" VALUES (?, ?, ?)', rows)


def _components(connection: sqlite3.Connection, solution: str) -> Components:
    return set(connection.execute('SELECT kind, name FROM "$component" WHERE solution = ?', [solution]))


def _orphans(connection: sqlite3.Connection, solution: str) -> Components:
    """Return the components that no other solution brought as well."""
    others = connection.execute('SELECT kind, name FROM "$component" WHERE solution <> ?', [solution])
    return _components(connection, solution) - set(others)


def _dependents(connection: sqlite3.Connection, gone: Components) -> list[str]:
    """Return what would lose its ground: columns, lookups and keys that others made on what goes."""
    tables = {name for kind, name in gone if kind == "table"}
    found = []
    for item in definitions(connection):
        table = item.name.partition(".")[0]
        if item.kind != "column" or (item.kind, item.name) in gone:
            continue
        if table in tables or tables & set(item.spec.get("targets", {})):
            found.append(item.name)
    for table, name, columns in connection.execute('SELECT tablename, name, columns FROM "$key"'):
        if table in tables or any(("column", f"{table}.{column}") in gone for column in columns.split(",")):
            found.append(f"{table} {name}")
    return found


def _take_back(call: Call, connection: sqlite3.Connection, gone: Components) -> None:
    """Remove components with what they hold. Raises DataverseError (0x8004F01D) while something depends on them."""
    dependents = _dependents(connection, gone)
    if dependents:
        message = f"Solution dependencies exist, cannot uninstall. DependencyCount : {len(dependents)}: "
        raise DataverseError(400, "0x8004F01D", message + ", ".join(sorted(dependents)))
    tables = {name for kind, name in gone if kind == "table"}
    columns = [pair for pair in gone if pair[0] == "column" and pair[1].partition(".")[0] not in tables]
    catalog = undefine(call.service, connection, [*sorted(columns), *(("table", name) for name in sorted(tables))])
    roles = [name for kind, name in gone if kind == "role"]
    connection.executemany('DELETE FROM "$granted" WHERE role = ?', [[role] for role in roles])
    delete_many(Writer(connection, catalog, call.user), catalog.table("role"), roles)


def uninstall(call: Call, address: RowAddress) -> Answer:
    """Delete a solution: a managed one with what it brought, any other one only as a name.

    Raises DataverseError: 0x8004F01D while something depends on it, 0x80071151 while another solution is worked on.
    """
    call.access.require("Delete", address.table)
    with _alone(), call.store.writing() as connection:
        sql = "SELECT uniquename, ismanaged FROM solution WHERE solutionid = ?"
        name, managed = connection.execute(sql, [find_id(connection, address)]).fetchone()
        if managed:
            _take_back(call, connection, _orphans(connection, name))
        connection.execute('DELETE FROM "$component" WHERE solution = ?', [name])
        return remove(call, address)


def delete_and_promote(call: Call) -> Answer:
    """Answer DeleteAndPromote: a solution imported as holding takes the place of the one before."""
    call.access.require_named("prvImportCustomization")
    name = str(call.request.json().get("UniqueName") or "")
    with _alone(), call.store.writing() as connection:
        identity = promote(call, connection, name)
    context = call.context("Microsoft.Dynamics.CRM.DeleteAndPromoteResponse")
    return Answer.of({"@odata.context": context, "SolutionId": identity})


def promote(call: Call, connection: sqlite3.Connection, name: str) -> str:
    """Put the holding solution in the place of the old one, whose other components go; return the solution's id.

    Raises DataverseError: 0x8004853B when nothing waits, 0x8004F01D while something depends on what would go.
    """
    held = holding_name(name)
    sql = "SELECT solutionid, friendlyname, version, updatedon FROM solution WHERE uniquename = ?"
    new = connection.execute(sql, [held]).fetchone()
    if new is None:
        message = f"The {name} solution doesn't have an upgrade that is ready to be applied."
        raise DataverseError(400, "0x8004853B", message)
    old = connection.execute(sql, [name]).fetchone()
    if old is None:
        connection.execute("UPDATE solution SET uniquename = ? WHERE uniquename = ?", [name, held])
    else:
        _take_back(call, connection, _orphans(connection, name))
        change = "UPDATE solution SET friendlyname = ?, version = ?, updatedon = ? WHERE uniquename = ?"
        connection.execute(change, [*new[1:], name])
        connection.execute("DELETE FROM solution WHERE uniquename = ?", [held])
    connection.execute('DELETE FROM "$component" WHERE solution = ?', [name])
    connection.execute('UPDATE "$component" SET solution = ? WHERE solution = ?', [name, held])
    return str((old or new)[0])
