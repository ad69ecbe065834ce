"""Creates rows in bulk and finds the bad ones when the CRM refuses (dataverse-web-api.md 7; I6).

CreateMultiple is all or nothing, and its error does not say which row it means. A refused call is therefore halved;
halves without a bad row land whole, and once few rows are left they go one by one in a batch, with an answer each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from connection.dataverse.errors import MappingFault, ServerFault
from connection.dataverse.http import Http
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.writing import Outcome, create_part, in_chunks, write_parts
from connection.errors import CRMBridgeError, FixRecord

NewRow = Mapping[str, Any]

# Below this many rows, one batch with an answer a row costs less than further halves.
_FEW = 32


def create_many(http: Http, definition: TableDefinition, rows: Sequence[NewRow], *, batch_size: int) -> list[Outcome]:
    """Create `rows`, each holding the id that was chosen for it, and say for each what became of it, in their order.

    A row whose id exists already is a `DuplicateKey`; when an answer is lost, all rows of that call are
    `OutcomeUnknown` and are not sent again (I1). Raises nothing of ours.
    """
    if not definition.bulk_create:
        return in_chunks(rows, batch_size, lambda chunk: _create_singly(http, definition, chunk))
    return in_chunks(rows, batch_size, lambda chunk: _create(http, definition, chunk))


def _create(http: Http, definition: TableDefinition, rows: Sequence[NewRow]) -> list[Outcome]:
    try:
        http.post(f"{definition.entity_set}/Microsoft.Dynamics.CRM.CreateMultiple", _targets(definition, rows))
    except (FixRecord, MappingFault, ServerFault) as refusal:
        return _narrowed(http, definition, rows, refusal)
    except CRMBridgeError as error:
        return [Outcome(error)] * len(rows)
    return [Outcome()] * len(rows)


def _narrowed(
    http: Http, definition: TableDefinition, rows: Sequence[NewRow], refusal: CRMBridgeError
) -> list[Outcome]:
    """The outcomes of `rows`, which were refused together with `refusal`."""
    if len(rows) == 1:
        return [Outcome(refusal)]
    if len(rows) <= _FEW:
        return _create_singly(http, definition, rows)
    half = (len(rows) + 1) // 2
    return in_chunks(rows, half, lambda chunk: _create(http, definition, chunk))


def _create_singly(http: Http, definition: TableDefinition, rows: Sequence[NewRow]) -> list[Outcome]:
    return write_parts(http, [create_part(definition, row) for row in rows])


def _targets(definition: TableDefinition, rows: Sequence[NewRow]) -> dict[str, Any]:
    kind = f"Microsoft.Dynamics.CRM.{definition.name}"
    return {"Targets": [{"@odata.type": kind, **row} for row in rows]}
