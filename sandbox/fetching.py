"""Answer `?fetchXml=` and `?sql=` on an entity set (dataverse-web-api.md 5.4, 16.1)."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element

from sandbox import errors
from sandbox.metadata.catalog import Table
from sandbox.paging import read_token, rows_answer, selection, write_token
from sandbox.protocol import MAX_PAGE, Answer
from sandbox.query.aggregating import SOURCE_LIMIT, check_size
from sandbox.query.building import Statement
from sandbox.query.fetchxml import Fetch, page_of, parse_cookie, parse_fetch, parse_frame
from sandbox.query.linking import Linking, needs_linking
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
    root, entity = parse_frame(parameters["fetchXml"], table)
    if needs_linking(root):
        return _linked(call, table, root, entity)
    fetch = parse_fetch(root, entity, table)
    _check_depth(fetch.cookie, fetch.page, fetch.size)
    with call.store.reading() as connection:
        query = Query(
            connection, call.catalog, table, fetch.options, call.preferences.annotations, call.user, call.access
        )
        page = _page(query, fetch)
        count = {"@odata.count": query.count(COUNT_LIMIT)} if fetch.total else {}
    page = Page(_without_nulls(page.json), page.count, page.position if fetch.page else None)
    context = f"{table.entity_set}{selection(fetch.options)}"
    more = _more(fetch.page, {"p": list(page.position)}) if page.position is not None else {}
    return rows_answer(call, context, page, {**count, **more}, {})


def _check_depth(cookie: str, page: int, size: int) -> None:
    if not cookie and page * size > _MOST_BY_NUMBER:
        raise errors.bad_request(f"Paging by number ends at {_MOST_BY_NUMBER} rows; use the paging cookie.")


def _linked(call: Call, table: Table, root: Element, entity: Element) -> Answer:
    """Answer a query over several tables, of groups or of distinct rows. Its pages are counted, cookie or not."""
    size, number = page_of(root)
    cookie = root.get("paging-cookie", "")
    if cookie:
        read_token(parse_cookie(cookie))
    _check_depth(cookie, number, size)
    statement = Statement(call.catalog, call.user, call.access)
    linking = Linking(statement, root, entity, call.preferences.annotations)
    make = linking.groups if linking.aggregated else linking.rows
    sql = make(size + 1, size * max(number - 1, 0))
    with call.store.reading() as connection:
        if linking.aggregated:
            check_size(connection, linking.source_rows(SOURCE_LIMIT + 1), statement.values)
        found = [row[0] for row in connection.execute(sql, statement.values)]
    more = _more(number, {}) if number and len(found) > size else {}
    page = Page(_without_nulls(",".join(found[:size]).encode()), min(len(found), size), None)
    return rows_answer(call, table.entity_set, page, more, {})


def _selected(call: Call, table: Table, options: Options) -> Answer:
    with call.store.reading() as connection:
        query = Query(connection, call.catalog, table, options, call.preferences.annotations, call.user, call.access)
        page = query.page(min(options.top if options.top is not None else MAX_PAGE, MAX_PAGE) or 1)
    return rows_answer(call, f"{table.entity_set}{selection(options)}", page, {}, {})


def _page(query: Query, fetch: Fetch) -> Page:
    """Return the wanted page, found by its cookie or by going through those before."""
    if fetch.cookie:
        return query.page(fetch.size, read_token(parse_cookie(fetch.cookie)).get("p"))
    page = query.page(fetch.size)
    for _ in range(1, fetch.page):
        if page.position is None:
            return Page(b"", 0, None)
        page = query.page(fetch.size, page.position)
    return page


def _without_nulls(found: bytes) -> bytes:
    rows: list[dict[str, Any]] = json.loads(b"[%s]" % found, parse_float=Decimal)
    kept = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), default=float)[1:-1].encode()


def _more(page: int, position: dict[str, Any]) -> dict[str, Any]:
    """Return the annotations that tell of further pages; the last page has none (5.4)."""
    place = write_token(position, page).replace('"', "&quot;").replace("<", "&lt;")
    inner = quote(quote(f'<cookie page="{page}" position="{place}" />', safe=""), safe="")
    cookie = f'<cookie pagenumber="{page + 1}" pagingcookie="{inner}" istracking="False" />'
    return {f"@{_MORE}": True, f"@{_COOKIE}": cookie}
