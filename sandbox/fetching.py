"""Answer `?fetchXml=` and `?sql=` on an entity set (dataverse-web-api.md 5.4, 16.1)."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from sandbox import errors
from sandbox.metadata.catalog import Table
from sandbox.paging import read_token, rows_answer, selection, write_token
from sandbox.protocol import MAX_PAGE, Answer
from sandbox.query.fetchxml import Fetch, parse_cookie, parse_fetch
from sandbox.query.options import Options
from sandbox.query.sql import parse_sql
from sandbox.rows.reading import COUNT_LIMIT, Page, Query
from sandbox.service import Call

_COOKIE = "Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
_MORE = "Microsoft.Dynamics.CRM.morerecords"
_MOST_BY_NUMBER = 50_000


def asks_otherwise(call: Call) -> bool:
    """Return True for a read that is not put in query options."""
    return call.request.method == "GET" and bool({"fetchXml", "sql"} & set(call.request.parameters))


def fetched_rows(call: Call, table: Table) -> Answer:
    """Answer a query in FetchXML or SQL; columns without a value are left out of a row."""
    call.access.require("Read", table)
    parameters = call.request.parameters
    if "sql" in parameters:
        return _selected(call, table, parse_sql(parameters["sql"], table))
    fetch = parse_fetch(parameters["fetchXml"], table)
    if not fetch.cookie and fetch.page * fetch.size > _MOST_BY_NUMBER:
        raise errors.bad_request(f"Paging by number ends at {_MOST_BY_NUMBER} rows; use the paging cookie.")
    with call.store.reading() as connection:
        query = Query(connection, call.catalog, table, fetch.options, call.preferences.annotations, call.user)
        page = _page(query, fetch)
        count = {"@odata.count": query.count(COUNT_LIMIT)} if fetch.total else {}
    page = Page(_without_nulls(page.json), page.count, page.position if fetch.page else None)
    context = f"{table.entity_set}{selection(fetch.options)}"
    return rows_answer(call, context, page, {**count, **_more(fetch, page)}, {})


def _selected(call: Call, table: Table, options: Options) -> Answer:
    with call.store.reading() as connection:
        query = Query(connection, call.catalog, table, options, call.preferences.annotations, call.user)
        page = query.page(min(options.top if options.top is not None else MAX_PAGE, MAX_PAGE) or 1)
    return rows_answer(call, f"{table.entity_set}{selection(options)}", page, {}, {})


def _page(query: Query, fetch: Fetch) -> Page:
    """Return the wanted page, found by its cookie or by going through those before."""
    if fetch.cookie:
        return query.page(fetch.size, read_token(parse_cookie(fetch.cookie)).get("p"))
    page = query.page(fetch.size)
    for _ in range(1, fetch.page):
        if page.position is None:
            return Page("", 0, None)
        page = query.page(fetch.size, page.position)
    return page


def _without_nulls(text: str) -> str:
    rows: list[dict[str, Any]] = json.loads(f"[{text}]", parse_float=Decimal)
    kept = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), default=float)[1:-1]


def _more(fetch: Fetch, page: Page) -> dict[str, Any]:
    """Return the annotations that tell of further pages; the last page has none (5.4)."""
    if page.position is None:
        return {}
    place = write_token({"p": list(page.position)}, fetch.page).replace('"', "&quot;").replace("<", "&lt;")
    inner = quote(quote(f'<cookie page="{fetch.page}" position="{place}" />', safe=""), safe="")
    cookie = f'<cookie pagenumber="{fetch.page + 1}" pagingcookie="{inner}" istracking="False" />'
    return {f"@{_MORE}": True, f"@{_COOKIE}": cookie}
