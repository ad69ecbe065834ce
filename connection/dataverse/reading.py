"""Reads rows: pages, rows by id or by any column, counts (dataverse-web-api.md 5)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote

from connection.dataverse.answer import Answer
from connection.dataverse.batch import Part
from connection.dataverse.errors import AnswerTooLong, NotDataverse, PayloadTooLarge, TimedOut
from connection.dataverse.http import Http
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.query import MOST_VALUES, both, chunks_of_values, is_in, query
from connection.dataverse.sizing import READING, BatchSize

T = TypeVar("T")
Row = dict[str, Any]

MOST_ROWS_A_PAGE = READING.most
# `/$count` and `$count=true` stop counting here (dataverse-web-api.md 5.2).
_COUNT_CAP = 5000
# Tells which table a lookup with several targets points to.
TARGET_NAMES = 'odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'


def read_names(definition: TableDefinition, columns: Sequence[str]) -> list[str]:
    """The properties to select for `columns`: logical names of lookups become `_x_value`, anything else stays."""
    known = definition.columns
    return [known[column].read_name if column in known else column for column in columns]


@dataclass(frozen=True, slots=True)
class Reading:
    """One sort of read: what it prefers, and pages whose size follows what they cost; `most` rows at the caller's wish.

    Which rows are read, and in which order, does not depend on the size.
    """

    http: Http
    preferences: Sequence[str]
    size: BatchSize
    most: int = MOST_ROWS_A_PAGE

    @property
    def rows(self) -> int:
        """The size of the next page."""
        return min(self.size.rows, self.most)

    def pages(self, url: str | None) -> Iterator[dict[str, Any]]:
        """The page at `url` and those that follow; the preferences are repeated on each (dataverse-web-api.md 5.3)."""
        rows = self.rows
        while url:
            free = _may_resize(url)
            rows = self.rows if free else rows
            answer = self._asked(partial(self._page, url), rows, free=free)
            rows = self.rows if free else rows
            page = answer.json()
            number = len(page["value"])
            self.size.learn(number, answer.seconds, len(answer.content), full=number >= rows)
            yield page
            url = page.get("@odata.nextLink")

    def batch(self, urls: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The first pages of `urls`, each for MOST_VALUES values: as many in a request as one page may have of them."""
        at = 0
        while at < len(urls):
            answers = self._asked(partial(self._parts, urls[at:]), self.rows)
            at += len(answers)
            self.size.learn(len(answers) * MOST_VALUES, answers[0].seconds, sum(len(each.content) for each in answers))
            for answer in answers:
                yield answer.json()

    def _asked(self, ask: Callable[[int], T], rows: int, *, free: bool = True) -> T:
        """What `ask` gets for `rows` at a time; where that is too much and may change, for the fewest."""
        try:
            return ask(rows)
        except (TimedOut, AnswerTooLong, PayloadTooLarge):
            self.size.collapse()
            if not free or self.rows >= rows:
                raise
            return ask(self.rows)

    def _page(self, url: str, rows: int) -> Answer:
        return self.http.get(url, prefer=self._prefer(rows))

    def _parts(self, urls: Sequence[str], rows: int) -> list[Answer]:
        headers = {"Prefer": ", ".join(self._prefer(rows))}
        return self.http.read_batch([Part("GET", url, headers=headers) for url in urls[: max(1, rows // MOST_VALUES)]])

    def _prefer(self, rows: int) -> list[str]:
        return [f"odata.maxpagesize={rows}", *self.preferences]


def _may_resize(url: str) -> bool:
    """Whether the page at `url` begins where it does whatever the size of pages is.

    True of first pages, and of links that go on after the values of the last row. Where the CRM cannot say where it is
    by values, it counts pages, and pages of another size would skip rows or repeat them.
    """
    return "skiptoken=" not in url.lower() or 'pagingcookie="' in unquote(url).lower()


def reading(
    http: Http,
    definition: TableDefinition,
    columns: Sequence[str],
    size: BatchSize,
    *,
    most: int = MOST_ROWS_A_PAGE,
    prefer: Sequence[str] = (),
) -> Reading:
    """How `columns` are read; `prefer` besides what they need by themselves."""
    asked = set(columns)
    wanted = [column for column in definition.columns.values() if asked & {column.name, column.read_name}]
    targets = [TARGET_NAMES] if any(len(column.targets) > 1 for column in wanted) else []
    return Reading(http, [*prefer, *targets], size, min(most, MOST_ROWS_A_PAGE))


def pages(
    http: Http,
    definition: TableDefinition,
    *,
    select: Sequence[str],
    size: BatchSize,
    condition: str | None = None,
    orderby: str | None = None,
    page_size: int = MOST_ROWS_A_PAGE,
) -> Iterator[list[Row]]:
    """The rows page by page, streamed: the next page is asked for when it is wanted."""
    names = ",".join(read_names(definition, select))
    first = query(definition.entity_set, select=names, filter=condition, orderby=orderby)
    for answer in reading(http, definition, select, size, most=page_size).pages(first):
        yield answer["value"]


def rows_where_in(
    http: Http,
    definition: TableDefinition,
    column: str,
    values: Sequence[Any],
    *,
    select: Sequence[str],
    size: BatchSize,
    condition: str | None = None,
) -> Iterator[Row]:
    """The rows whose `column` is one of `values`: one request for thousands of values, however long they are (I9)."""
    names = ",".join(read_names(definition, select))
    (searched,) = read_names(definition, [column])
    read = reading(http, definition, select, size)
    urls = [
        query(definition.entity_set, select=names, filter=both(is_in(searched, chunk), condition))
        for chunk in chunks_of_values(values)
    ]
    for page in read.batch(urls):
        yield from page["value"]
        for rest in read.pages(page.get("@odata.nextLink")):
            yield from rest["value"]


def count(http: Http, definition: TableDefinition, size: BatchSize, condition: str | None = None) -> int:
    """The exact number of rows. Beyond 5 000 the CRM stops counting, and the ids are read."""
    counted = _number(http.get(query(f"{definition.entity_set}/$count", filter=condition)))
    if counted < _COUNT_CAP:
        return counted
    return sum(map(len, pages(http, definition, select=[definition.primary_id], size=size, condition=condition)))


def _number(answer: Answer) -> int:
    """The number in a `/$count` answer, which begins with a byte order mark (dataverse-web-api.md 5.2)."""
    try:
        return int(answer.content.decode("utf-8-sig"))
    except ValueError:
        raise NotDataverse(technical=f"{answer.content[:100]!r} is not a count") from None
