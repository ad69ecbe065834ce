"""Creates, updates and upserts rows in bulk and finds the bad ones when the CRM refuses (dataverse-web-api.md 7; I6).

A bulk call is all or nothing, and its error does not say which row it means. A refused call is therefore halved;
halves without a bad row land whole, and once few rows are left they go one by one in a batch, with an answer each.
Tables without the bulk message get batches from the start.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from connection.dataverse.batch import Part
from connection.dataverse.errors import MappingFault, RowRefused, ServerFault
from connection.dataverse.http import Http
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.parallel import spread
from connection.dataverse.query import key_of
from connection.dataverse.reading import read_names
from connection.dataverse.sizing import BatchSize
from connection.dataverse.writing import (
    Outcome,
    RowUpdate,
    create_part,
    delete_part,
    in_chunks,
    update_part,
    upsert_part,
    write_rows,
)
from connection.errors import CRMBridgeError, FixRecord

NewRow = Mapping[str, Any]

# Not even percent-encoded (dataverse-web-api.md 3.4); halves of characters have no such form.
_NOT_IN_ADDRESSES = re.compile(r"[/<>*%&:\\?+\ud800-\udfff]")
# Below this many rows, one batch with an answer a row costs less than further halves.
_FEW = 32


@dataclass(frozen=True, slots=True)
class _Bulk:
    """A bulk message, what it takes for a row, and the request that does the same for one row."""

    message: str
    entity_set: str
    target: Callable[[Any], Mapping[str, Any]]
    part: Callable[[Any], Part]

    def write(self, http: Http, rows: Sequence[Any]) -> list[Outcome]:
        """The outcomes of `rows`, sent in one call where the CRM takes them all."""
        try:
            http.post(
                f"{self.entity_set}/Microsoft.Dynamics.CRM.{self.message}", {"Targets": [*map(self.target, rows)]}
            )
        except (FixRecord, MappingFault, ServerFault) as refusal:
            return self._narrowed(http, rows, refusal)
        except CRMBridgeError as error:
            return [Outcome(error)] * len(rows)
        return [Outcome()] * len(rows)

    def singly(self, http: Http, rows: Sequence[Any]) -> list[Outcome]:
        """The outcomes of `rows`, each a request of its own in a batch."""
        return write_rows(http, rows, self.part)

    def _narrowed(self, http: Http, rows: Sequence[Any], refusal: CRMBridgeError) -> list[Outcome]:
        """The outcomes of `rows`, which were refused together with `refusal`."""
        if len(rows) == 1:
            return [Outcome(refusal)]
        if len(rows) <= _FEW:
            return self.singly(http, rows)
        return in_chunks(rows, (len(rows) + 1) // 2, lambda chunk: self.write(http, chunk))


def create_many(http: Http, definition: TableDefinition, rows: Sequence[NewRow], *, size: BatchSize) -> list[Outcome]:
    """Create `rows`, each holding the id that was chosen for it, and say for each what became of it, in their order.

    A row whose id exists already is a `DuplicateKey`; when an answer is lost, all rows of that call are
    `OutcomeUnknown` and are not sent again (I1). Raises nothing of ours.
    """
    bulk = _Bulk(
        "CreateMultiple",
        definition.entity_set,
        lambda row: {"@odata.type": definition.odata_type, **row},
        lambda row: create_part(definition, row),
    )
    return spread(http, rows, bulk.write if definition.bulk_create else bulk.singly, size)


def update_many(
    http: Http, definition: TableDefinition, updates: Sequence[RowUpdate], *, size: BatchSize
) -> list[Outcome]:
    """Update rows, never creating one, and say for each what became of it, in their order. Raises nothing of ours.

    The bulk message cannot name versions (I2), and applies only the first of two updates of a row; those go in batches.
    """
    bulk = _Bulk(
        "UpdateMultiple",
        definition.entity_set,
        lambda update: {"@odata.type": definition.odata_type, definition.primary_id: str(update.id), **update.values},
        lambda update: update_part(definition, update),
    )
    unversioned = all(update.etag is None for update in updates)
    distinct = len({update.id for update in updates}) == len(updates)
    return spread(
        http, updates, bulk.write if definition.bulk_update and unversioned and distinct else bulk.singly, size
    )


def upsert_many(
    http: Http, definition: TableDefinition, rows: Sequence[NewRow], key: Sequence[str], *, size: BatchSize
) -> list[Outcome]:
    """Create or update `rows`, each found by its columns of the alternate `key`; an outcome each, in their order.

    The CRM does not tell which were created. Sending a row twice does no harm. A key that no address can hold (3.4)
    refuses its row. Raises nothing of ours.
    """
    refused = {at: Outcome(_unaddressable()) for at, row in enumerate(rows) if not all(map(_fits, _key(row, key)))}
    bulk = _upserts(definition, key)
    sent = [row for at, row in enumerate(rows) if at not in refused]
    distinct = len({_key(row, key) for row in sent}) == len(sent)
    outcomes = iter(spread(http, sent, bulk.write if definition.bulk_upsert and distinct else bulk.singly, size))
    return [refused[at] if at in refused else next(outcomes) for at in range(len(rows))]


def _upserts(definition: TableDefinition, key: Sequence[str]) -> _Bulk:
    names = read_names(definition, key)

    def values(row: NewRow) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name not in key}

    def address(row: NewRow) -> str:
        return f"{definition.entity_set}({key_of(dict(zip(names, _key(row, key), strict=True)))})"

    return _Bulk(
        "UpsertMultiple",
        definition.entity_set,
        lambda row: {"@odata.type": definition.odata_type, "@odata.id": address(row), **values(row)},
        lambda row: upsert_part(address(row), values(row)),
    )


def _key(row: NewRow, key: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in key)


def _fits(value: Any) -> bool:
    return not _NOT_IN_ADDRESSES.search(str(value)) if isinstance(value, str) else True


def _unaddressable() -> RowRefused:
    return RowRefused(
        _("Dynamics CRM cannot find a record by a key with a percent sign or one of these: / < > * & : \\ ? +")
    )


def delete_many(
    http: Http, definition: TableDefinition, rows: Sequence[tuple[Any, str | None]], *, size: BatchSize
) -> list[Outcome]:
    """Delete rows in the version that was judged, or in any; an outcome each, in their order."""
    return spread(
        http,
        rows,
        lambda hand, chunk: write_rows(hand, chunk, lambda row: delete_part(definition, *row)),
        size,
    )
