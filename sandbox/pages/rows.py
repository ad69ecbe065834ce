"""The pages of one row: create, edit, delete. They write as a salesperson would, through the same rules as the API."""

from typing import Any

from django.utils.translation import gettext as _

from sandbox.errors import VERSION_MISMATCH, DataverseError
from sandbox.metadata.catalog import Table
from sandbox.pages.fields import Field, FormError, changes, fields
from sandbox.pages.reading import StoredLookups, stored_row
from sandbox.pages.visit import Visit, redirect
from sandbox.protocol import Answer
from sandbox.rows.deleting import delete
from sandbox.rows.values import Stored
from sandbox.rows.writing import Writer

Row = dict[str, Stored]


def acting_user(visit: Visit) -> tuple[str, str]:
    """Return id and name of the user in whose name the pages write: the first salesperson, or the administrator."""
    sql = (
        "SELECT systemuserid, fullname FROM systemuser WHERE applicationid IS NULL AND NOT isdisabled "
        "ORDER BY jobtitle IS NULL, seq LIMIT 1"
    )
    with visit.service.store.reading() as connection:
        found = connection.execute(sql).fetchone()
    return (found[0], found[1]) if found else ("", "")


def _form(visit: Visit, table: Table, row: Row, *, creating: bool) -> list[Field]:
    with visit.service.store.reading() as connection:
        return fields(visit.service.catalog, table, row, StoredLookups(connection), creating=creating)


def _read(visit: Visit, table: Table, identity: str) -> Row | None:
    with visit.service.store.reading() as connection:
        return stored_row(connection, table, identity)


def new_page(visit: Visit, table: Table) -> Answer:
    """Show an empty form, or create the row that was filled in."""
    defaults: Row = {c.name: int(c.default) for c in table.columns.values() if c.default is not None}
    form = _form(visit, table, defaults, creating=True)
    if visit.method != "POST":
        return _edit(visit, table, None, form)
    try:
        body = _body(visit, form)
        with visit.service.store.writing() as connection:
            identity = Writer(connection, visit.service.catalog, acting_user(visit)[0]).create(table, [body])[0]
    except (DataverseError, FormError) as error:
        return _edit(visit, table, None, form, str(error))
    return redirect(f"/table/{table.name}/{identity}?saved=1")


def row_page(visit: Visit, table: Table, identity: str) -> Answer:
    """Show a row's form, or write what was changed in it."""
    row = _read(visit, table, identity)
    if row is None:
        return visit.page("message.html", {"message": _("This row does not exist (any more).")}, 404)
    form = _form(visit, table, row, creating=False)
    if visit.method != "POST":
        return _edit(visit, table, row, form)
    try:
        if visit.form.get("version") != str(row["versionnumber"]):
            raise FormError(_changed_meanwhile())
        _change(visit, table, row, form)
    except (DataverseError, FormError) as error:
        changed = isinstance(error, DataverseError) and error.code == VERSION_MISMATCH
        return _edit(visit, table, row, form, _changed_meanwhile() if changed else str(error))
    return redirect(f"/table/{table.name}/{identity}?saved=1")


def _changed_meanwhile() -> str:
    return _("Someone else changed this row meanwhile. Your values are still in the form: check them and save again.")


def _change(visit: Visit, table: Table, row: Row, form: list[Field]) -> None:
    body = _body(visit, form)
    if not body:
        return
    etag = f'W/"{row["versionnumber"]}"'
    with visit.service.store.writing() as connection:
        writer = Writer(connection, visit.service.catalog, acting_user(visit)[0])
        writer.update(table, [(str(row[table.id]), body)], etag)


def _body(visit: Visit, form: list[Field]) -> dict[str, Any]:
    with visit.service.store.reading() as connection:
        return changes(visit.service.catalog, form, visit.form, StoredLookups(connection))


def _edit(visit: Visit, table: Table, row: Row | None, form: list[Field], problem: str = "") -> Answer:
    """Return the form; after a problem with what was typed still in it."""
    if problem:
        for item in form:
            item.value = visit.form.get(item.name, item.value)
    context = {
        "table": table,
        "form": form,
        "problem": problem,
        "saved": "saved" in visit.parameters and not problem,
        "identity": row[table.id] if row else "",
        "name": row[table.primary] if row else "",
        "version": row["versionnumber"] if row else "",
        "modified": row["modifiedon"] if row else "",
        "user": acting_user(visit)[1],
    }
    return visit.page("row.html", context, 400 if problem else 200)


def delete_page(visit: Visit, table: Table, identity: str) -> Answer:
    """Ask whether to delete a row, or delete it."""
    row = _read(visit, table, identity)
    if row is None:
        return visit.page("message.html", {"message": _("This row does not exist (any more).")}, 404)
    problem = ""
    if visit.method == "POST":
        try:
            with visit.service.store.writing() as connection:
                delete(Writer(connection, visit.service.catalog, acting_user(visit)[0]), table, identity)
            return redirect(f"/table/{table.name}")
        except DataverseError as error:
            problem = error.message
    context = {"table": table, "identity": identity, "name": row[table.primary], "problem": problem}
    return visit.page("delete.html", context, 400 if problem else 200)
