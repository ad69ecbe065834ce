"""Reads what has changed since the last time (dataverse-web-api.md 8)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from connection.dataverse.http import Http
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.query import query
from connection.dataverse.reading import Row, preferences, read_names


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Rows that were created or changed, in the order of their versions, and ids of deleted rows.

    The last page alone carries the `delta_link` to continue from: save it when all pages are settled (I4).
    """

    rows: list[Row]
    deleted: list[UUID]
    delta_link: str | None


def changes(
    http: Http, definition: TableDefinition, *, select: Sequence[str], delta_link: str | None, page_size: int
) -> Iterator[ChangePage]:
    """The pages of changes since `delta_link`, or all rows where there is none.

    A row that was created and deleted in between comes only as deleted, so an id may be unknown.
    Raises DeltaExpired, and ChangeTrackingOff where the table does not track changes.
    """
    prefer = ["odata.track-changes", *preferences(definition, select, page_size)]
    url: str | None = delta_link or query(definition.entity_set, select=",".join(read_names(definition, select)))
    while url:
        answer = http.get(url, prefer=prefer).json()
        url = answer.get("@odata.nextLink")
        yield _page(answer["value"], None if url else answer.get("@odata.deltaLink"))


def _page(values: list[dict[str, Any]], delta_link: str | None) -> ChangePage:
    rows = [value for value in values if not _is_deletion(value)]
    deleted = [UUID(value["id"]) for value in values if _is_deletion(value)]
    return ChangePage(rows, deleted, delta_link)


def _is_deletion(value: dict[str, Any]) -> bool:
    return str(value.get("@odata.context", "")).endswith("/$deletedEntity")
