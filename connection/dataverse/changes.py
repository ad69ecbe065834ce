"""Reads what has changed since the last time (dataverse-web-api.md 8)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from connection.dataverse.http import Http
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.query import query
from connection.dataverse.reading import Row, read_names, reading
from connection.dataverse.sizing import BatchSize


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Rows that were created or changed, in the order of their versions, and ids of deleted rows.

    The last page alone carries the `delta_link` to continue from: save it when all pages are settled (I4). Until then
    `next_link` takes its place for whoever stops in the middle.
    """

    rows: list[Row]
    deleted: list[UUID]
    delta_link: str | None
    next_link: str | None = None


def changes(
    http: Http,
    definition: TableDefinition,
    *,
    select: Sequence[str],
    size: BatchSize,
    delta_link: str | None,
    page_size: int,
) -> Iterator[ChangePage]:
    """The pages of changes since `delta_link` (or from a `next_link` on), or all rows where there is none.

    A row that was created and deleted in between comes only as deleted, so an id may be unknown.
    Raises DeltaExpired, and ChangeTrackingOff where the table does not track changes.
    """
    read = reading(http, definition, select, size, most=page_size, prefer=["odata.track-changes"])
    first = delta_link or query(definition.entity_set, select=",".join(read_names(definition, select)))
    for answer in read.pages(first):
        yield _page(answer["value"], answer.get("@odata.deltaLink"), answer.get("@odata.nextLink"))


def _page(values: list[dict[str, Any]], delta_link: str | None, next_link: str | None) -> ChangePage:
    rows = [value for value in values if not _is_deletion(value)]
    deleted = [UUID(value["id"]) for value in values if _is_deletion(value)]
    return ChangePage(rows, deleted, None if next_link else delta_link, next_link)


def _is_deletion(value: dict[str, Any]) -> bool:
    return str(value.get("@odata.context", "")).endswith("/$deletedEntity")
