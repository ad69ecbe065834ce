"""Where the record of an error is to be seen: errors name it by the id of the side where it turned up."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from coupling.models import Coupling
from sync.models import Side, SynchError


@dataclass(frozen=True)
class LinkedError:
    """An error with the ERP id of its record; None where the record is in the CRM only."""

    error: SynchError
    erp_id: UUID | None


def with_records(errors: Iterable[SynchError]) -> list[LinkedError]:
    """Each error with its ERP record, at one query for all of them."""
    errors = list(errors)
    crm_ids = {error.record_id for error in errors if error.side == Side.CRM}
    found = Coupling.objects.filter(crm_id__in=crm_ids).values_list("mapping_id", "crm_id", "erp_id")
    erp_ids = {(mapping, crm_id): erp_id for mapping, crm_id, erp_id in found} if crm_ids else {}
    return [
        LinkedError(
            error, error.record_id if error.side == Side.ERP else erp_ids.get((error.mapping_id, error.record_id))
        )
        for error in errors
    ]
