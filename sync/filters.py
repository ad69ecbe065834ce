"""What this room adds to the lists of mapped tables: records with open errors, and records that wait."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from coupling.listing import RecordFilter
from coupling.models import Coupling, TableMapping
from sync.models import Side, SynchError, Waiting


def failed_ids(mapping: TableMapping) -> QuerySet[Any, UUID]:
    """The ERP ids of the mapping's records with an open error, on whichever side it turned up."""
    return _erp_ids(mapping, SynchError.objects.filter(mapping=mapping, resolved_at=None))


def waiting_ids(mapping: TableMapping) -> QuerySet[Any, UUID]:
    """The ERP ids of the mapping's records that wait for another, on whichever side they were read (I7)."""
    return _erp_ids(mapping, Waiting.objects.filter(mapping=mapping))


def _erp_ids(mapping: TableMapping, rows: QuerySet[Any]) -> QuerySet[Any, UUID]:
    # Databases refuse an order inside a union.
    rows = rows.order_by()
    on_crm_side = rows.filter(side=Side.CRM).values("record_id")
    couplings = Coupling.objects.filter(mapping=mapping, crm_id__in=on_crm_side).order_by()
    coupled = couplings.values_list("erp_id", flat=True)
    return rows.filter(side=Side.ERP).values_list("record_id", flat=True).union(coupled)


WITH_ERRORS = RecordFilter("errors", _("With errors"), failed_ids)
WAITING = RecordFilter("waiting", _("Waiting"), waiting_ids)
