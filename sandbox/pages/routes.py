"""Addresses of the pages.

A row is at `/table/<table>/<id>`; Dynamics' own deep link, `/main.aspx?etn=…&pagetype=entityrecord&id=…`, leads there.
"""

import re
from pathlib import Path

from django.utils import translation
from django.utils.translation import gettext as _

from sandbox.pages.rows import delete_page, new_page, row_page
from sandbox.pages.tables import rows_page, tables_page
from sandbox.pages.visit import SAFE_HEADERS, Visit, redirect
from sandbox.protocol import Answer

_TABLE = re.compile(r"/table/(\w+)(?:/(new|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}))?(/delete)?/?")
_STATIC = Path(__file__).resolve().parent.parent.parent / "static" / "sandbox"
_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


def page(visit: Visit) -> Answer:
    """Answer a request for a page; one that changes something must come from a page of this sandbox."""
    with translation.override(visit.language):
        if visit.path.startswith("/static/sandbox/"):
            return _static(visit.path.rpartition("/")[2])
        if visit.method not in ("GET", "HEAD", "POST"):
            return _message(visit, _("This address can only be read."), 405)
        if visit.method == "POST" and not visit.comes_from_here:
            return _message(visit, _("This change did not come from a page of this sandbox, so nothing was done."), 403)
        return _route(visit)


def _message(visit: Visit, message: str, status: int) -> Answer:
    return visit.page("message.html", {"message": message}, status)


def _route(visit: Visit) -> Answer:
    if visit.path == "/":
        return tables_page(visit)
    if visit.path == "/main.aspx":
        return _deep_link(visit)
    match = _TABLE.fullmatch(visit.path)
    table = visit.service.catalog.find(match[1]) if match else None
    if match is None or table is None:
        return _message(visit, _("There is no such page."), 404)
    row, deleting = match[2], match[3]
    if row is None:
        return rows_page(visit, table)
    if row == "new":
        return new_page(visit, table)
    return delete_page(visit, table, row.lower()) if deleting else row_page(visit, table, row.lower())


def _deep_link(visit: Visit) -> Answer:
    """Follow a link in the form that Dynamics uses."""
    table = visit.parameters.get("etn", "")
    identity = visit.parameters.get("id", "").strip("{}").lower()
    if visit.service.catalog.find(table) is None:
        return redirect("/")
    if visit.parameters.get("pagetype", "entityrecord") == "entityrecord" and re.fullmatch(r"[0-9a-f-]{36}", identity):
        return redirect(f"/table/{table}/{identity}")
    return redirect(f"/table/{table}")


def _static(name: str) -> Answer:
    """Return one of the sandbox's own files; names hold no folder."""
    path = _STATIC / name
    kind = _TYPES.get(path.suffix)
    if kind is None or not path.is_file():
        return Answer(404)
    headers = {**SAFE_HEADERS, "Content-Type": kind, "Cache-Control": "max-age=3600"}
    return Answer(200, path.read_bytes(), headers)
