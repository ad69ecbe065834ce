"""Collections page by page: next links, counts, and the answer around the rows (dataverse-web-api.md 5.2, 5.3)."""

import base64
import json
import re
from typing import Any
from urllib.parse import quote

from sandbox.errors import bad_request
from sandbox.metadata.catalog import Table
from sandbox.protocol import JSON_TYPE, MAX_PAGE, Answer, Request
from sandbox.query.aggregating import aggregate
from sandbox.query.options import Options
from sandbox.rows.reading import COUNT_LIMIT, Limit, Page, Query
from sandbox.service import Call

_PAGING_COOKIE = re.compile(r'pagingcookie="([^"]*)"')
TOTAL = "Microsoft.Dynamics.CRM.totalrecordcount"
TOTAL_EXCEEDED = "Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"


def write_token(content: dict[str, Any], page: int, *, tracking: bool = False) -> str:
    """Return a paging cookie in the shape that the service uses; clients must not look inside."""
    packed = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
    return f'<cookie pagenumber="{page}" pagingcookie="{packed}" istracking="{tracking}" />'


def read_token(token: str) -> dict[str, Any]:
    """Return the content of a paging cookie. Raises DataverseError (400) when it is not ours."""
    match = _PAGING_COOKIE.search(token)
    try:
        content = json.loads(base64.urlsafe_b64decode(match[1])) if match else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise bad_request("Malformed XML in the paging cookie.")
    return content


def link(request: Request, name: str, value: str) -> str:
    """Return the address of this request with one option replaced, for next and delta links."""
    kept = [
        piece
        for piece in request.query.split("&")
        if piece and not re.match(r"(\$|%24)(skiptoken|deltatoken)=", piece, re.IGNORECASE)
    ]
    return f"{request.root}{request.path}?" + "&".join([*kept, f"{name}={quote(value, safe='')}"])


def selection(options: Options) -> str:
    """Return the selected names as they stand in `@odata.context`."""
    names = list(options.select or ())
    names += [f"{expansion.name}{selection(expansion.options) or '()'}" for expansion in options.expand]
    return f"({','.join(names)})" if names else ""


def rows_answer(call: Call, context: str, page: Page, extra: dict[str, Any], closing: dict[str, Any]) -> Answer:
    """Return the collection's JSON around the rows, which are JSON already."""
    head = json.dumps({"@odata.context": call.context(context), **extra}, separators=(",", ":"))[:-1]
    tail = json.dumps(closing, separators=(",", ":"))[1:] if closing else "}"
    applied = call.preferences.applied
    headers = {"Preference-Applied": applied} if applied else None
    end = f"]{',' if closing else ''}{tail}"
    body = b"".join([head.encode(), b',"value":[', page.json, end.encode()])
    return Answer(200, body, {"Content-Type": JSON_TYPE, **(headers or {})}, rows=page.count)


def list_rows(call: Call, table: Table, belonging: Limit | None = None) -> Answer:
    """Return one page of a table, or of the rows that belong to another row."""
    options = call.options
    call.access.require("Read", table)
    if options.apply:
        return _aggregated(call, table)
    size, may_continue = _size(call)
    token = read_token(options.skiptoken) if options.skiptoken else {}
    with call.store.reading() as connection:
        query = Query(connection, call.catalog, table, options, call.preferences.annotations, call.user, call.access)
        page = query.page(size, token.get("p"), belonging) if size else Page(b"", 0, None)
        extra = _totals(call, query, belonging)
    number = int(token.get("n", 1)) + 1
    closing = {}
    if page.position is not None and may_continue:
        cookie = write_token({"p": list(page.position), "n": number}, number)
        closing = {"@odata.nextLink": link(call.request, "$skiptoken", cookie)}
    return rows_answer(call, f"{table.entity_set}{selection(options)}", page, extra, closing)


def _aggregated(call: Call, table: Table) -> Answer:
    """Return the groups of `$apply`, which come in one page."""
    with call.store.reading() as connection:
        groups = aggregate(connection, call.catalog, table, call.options, call.user, call.access)
    return Answer.of({"@odata.context": call.context(table.entity_set), "value": groups})


def _size(call: Call) -> tuple[int, bool]:
    """Return the page size and whether a next link may follow; `$top` gives way to maxpagesize (5.2)."""
    if call.preferences.page_size is not None:
        return call.preferences.page_size, True
    if call.options.top is not None:
        return min(call.options.top, MAX_PAGE), False
    return MAX_PAGE, True


def _totals(call: Call, query: Query, belonging: Limit | None) -> dict[str, Any]:
    if not call.options.count:
        return {}
    total = query.count(COUNT_LIMIT + 1, belonging)
    totals: dict[str, Any] = {"@odata.count": min(total, COUNT_LIMIT)}
    if any(pattern in ("*", "Microsoft.Dynamics.CRM.*") for pattern in call.preferences.annotations):
        totals |= {f"@{TOTAL}": min(total, COUNT_LIMIT), f"@{TOTAL_EXCEEDED}": total > COUNT_LIMIT}
    return totals


def count_rows(call: Call, table: Table, belonging: Limit | None = None) -> Answer:
    """Return `set/$count`: plain text with a byte order mark, at most 5000 (5.2)."""
    call.access.require("Read", table)
    with call.store.reading() as connection:
        number = Query(connection, call.catalog, table, call.options, user=call.user, access=call.access).count(
            belonging=belonging
        )
    return Answer(200, f"\ufeff{number}".encode(), {"Content-Type": "text/plain"})
