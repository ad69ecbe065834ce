"""Reads rows: pages, rows by id or by any column, counts (dataverse-web-api.md 5)."""

from collections.abc import Iterator, Sequence
from typing import Any

from connection.dataverse.answer import Answer
from connection.dataverse.batch import MOST_PARTS, Part
from connection.dataverse.errors import NotDataverse
from connection.dataverse.http import Http
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.query import both, chunks_of_values, is_in, query

Row = dict[str, Any]

MOST_ROWS_A_PAGE = 5000
# `/$count` and `$count=true` stop counting here (dataverse-web-api.md 5.2).
_COUNT_CAP = 5000
# Tells which table a lookup with several targets points to.
TARGET_NAMES = 'odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'


def read_names(definition: TableDefinition, columns: Sequence[str]) -> list[str]:
    """The properties to select for `columns`: logical names of lookups become `_x_value`, anything else stays."""
    known = definition.columns
    return [known[column].read_name if column in known else column for column in columns]


def preferences(definition: TableDefinition, columns: Sequence[str], page_size: int) -> list[str]:
    """What to prefer when `columns` are read page by page."""
    asked = set(columns)
    wanted = [column for column in definition.columns.values() if asked & {column.name, column.read_name}]
    size = f"odata.maxpagesize={min(page_size, MOST_ROWS_A_PAGE)}"
    return [size, TARGET_NAMES] if any(len(column.targets) > 1 for column in wanted) else [size]


def pages(
    http: Http,
    definition: TableDefinition,
    *,
    select: Sequence[str],
    condition: str | None = None,
    orderby: str | None = None,
    page_size: int = MOST_ROWS_A_PAGE,
) -> Iterator[list[Row]]:
    """The rows page by page, streamed: the next page is asked for when it is wanted."""
    names = ",".join(read_names(definition, select))
    first = query(definition.entity_set, select=names, filter=condition, orderby=orderby)
    for answer in _linked(http, first, preferences(definition, select, page_size)):
        yield answer["value"]


def rows_where_in(
    http: Http,
    definition: TableDefinition,
    column: str,
    values: Sequence[Any],
    *,
    select: Sequence[str],
    condition: str | None = None,
) -> Iterator[Row]:
    """The rows whose `column` is one of `values`: one request for a thousand values, however long they are (I9)."""
    names = ",".join(read_names(definition, select))
    (searched,) = read_names(definition, [column])
    prefer = preferences(definition, select, MOST_ROWS_A_PAGE)
    parts = [
        _get(query(definition.entity_set, select=names, filter=both(is_in(searched, chunk), condition)), prefer)
        for chunk in chunks_of_values(values)
    ]
    for start in range(0, len(parts), MOST_PARTS):
        for answer in http.read_batch(parts[start : start + MOST_PARTS]):
            page = answer.json()
            yield from page["value"]
            for rest in _linked(http, page.get("@odata.nextLink"), prefer):
                yield from rest["value"]


def count(http: Http, definition: TableDefinition, condition: str | None = None) -> int:
    """The exact number of rows. Beyond 5 000 the CRM stops counting, and the ids are read."""
    counted = _number(http.get(query(f"{definition.entity_set}/$count", filter=condition)))
    if counted < _COUNT_CAP:
        return counted
    return sum(map(len, pages(http, definition, select=[definition.primary_id], condition=condition)))


def _get(url: str, prefer: Sequence[str]) -> Part:
    return Part("GET", url, headers={"Prefer": ", ".join(prefer)})


def _linked(http: Http, url: str | None, prefer: Sequence[str]) -> Iterator[Row]:
    """The page at `url` and those that follow; the preferences are repeated on each (dataverse-web-api.md 5.3)."""
    while url:
        page = http.get(url, prefer=prefer).json()
        yield page
        url = page.get("@odata.nextLink")


def _number(answer: Answer) -> int:
    """The number in a `/$count` answer, which begins with a byte order mark (dataverse-web-api.md 5.2)."""
    try:
        return int(answer.content.decode("utf-8-sig"))
    except ValueError:
        raise NotDataverse(technical=f"{answer.content[:100]!r} is not a count") from None
