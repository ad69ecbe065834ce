"""Updates and deletes rows in batches, with an outcome for each (dataverse-web-api.md 4.4, 4.5, 6)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from connection.dataverse import payload
from connection.dataverse.answer import Answer
from connection.dataverse.batch import Part
from connection.dataverse.errors import (
    LoginUnavailable,
    MappingFault,
    PayloadTooLarge,
    ServiceUnavailable,
    Throttled,
    Unreachable,
    Unsendable,
)
from connection.dataverse.http import Http
from connection.dataverse.metadata import TableDefinition
from connection.errors import CRMBridgeError, FixSetup

T = TypeVar("T")

_HINDRANCES = (FixSetup, LoginUnavailable, ServiceUnavailable, Throttled, Unreachable)


@dataclass(frozen=True, slots=True)
class RowUpdate:
    """New values of one row, ready for OData (`x@odata.bind` included), and the version they were judged by (I2)."""

    id: UUID
    values: Mapping[str, Any]
    etag: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row: done, or `error`. `etag` is its new version where the CRM tells."""

    error: CRMBridgeError | None = None
    etag: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the row was written."""
        return self.error is None


def update_part(definition: TableDefinition, update: RowUpdate) -> Part:
    """A PATCH that never creates: `If-Match` names the version, or any (`*`)."""
    headers = {"If-Match": update.etag or "*"}
    return Part("PATCH", f"{definition.entity_set}({update.id})", payload.encode(update.values), headers)


def delete_part(definition: TableDefinition, id: UUID, etag: str | None) -> Part:
    """A DELETE of the version that was judged, or of any."""
    return Part("DELETE", f"{definition.entity_set}({id})", headers={"If-Match": etag} if etag else {})


def create_part(definition: TableDefinition, row: Mapping[str, Any]) -> Part:
    """A POST of a row that holds its own id."""
    return Part("POST", definition.entity_set, payload.encode(row))


def upsert_part(address: str, values: Mapping[str, Any]) -> Part:
    """A PATCH that updates the row at `address` (a key) or creates it."""
    return Part("PATCH", address, payload.encode(values))


def write_rows(http: Http, rows: Sequence[T], part: Callable[[T], Part]) -> list[Outcome]:
    """The outcome of each row, whose `part` is sent with the others in one request; one that is Unsendable stays."""
    made = [_made(part, row) for row in rows]
    parts = [each for each in made if isinstance(each, Part)]
    outcomes = iter(write_parts(http, parts) if parts else ())
    return [each if isinstance(each, Outcome) else next(outcomes) for each in made]


def _made(part: Callable[[T], Part], row: T) -> Part | Outcome:
    try:
        return part(row)
    except Unsendable as error:
        return Outcome(error)


def write_parts(http: Http, parts: Sequence[Part]) -> list[Outcome]:
    """The outcome of each part, in one request; a refused or lost batch gives all parts its error."""
    try:
        return [_outcome(answer) for answer in http.write_batch(parts)]
    except PayloadTooLarge as error:
        if len(parts) == 1:
            return [Outcome(error)]
        return in_chunks(parts, (len(parts) + 1) // 2, lambda chunk: write_parts(http, chunk))
    except CRMBridgeError as error:
        return [Outcome(error)] * len(parts)


def in_chunks(items: Sequence[T], size: int, write: Callable[[Sequence[T]], list[Outcome]]) -> list[Outcome]:
    """The outcomes of `items`, written `size` at a time.

    Where a chunk shows that the CRM takes nothing at all right now, the rest gets the same error without being sent.
    """
    outcomes: list[Outcome] = []
    for chunk in _chunks(items, size):
        outcomes += write(chunk)
        if error := hindrance(outcomes[-len(chunk) :]):
            return outcomes + [Outcome(error)] * (len(items) - len(outcomes))
    return outcomes


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def hindrance(outcomes: Sequence[Outcome]) -> CRMBridgeError | None:
    """The one error of all `outcomes`, where it is about the connection and not about rows."""
    error = outcomes[0].error
    of_all = all(outcome.error is error for outcome in outcomes)
    return error if of_all and isinstance(error, _HINDRANCES) and not isinstance(error, MappingFault) else None


def _outcome(answer: Answer) -> Outcome:
    return Outcome(answer.error_of_write, answer.headers.get("ETag"))
