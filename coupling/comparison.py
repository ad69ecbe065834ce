"""One ERP record beside what both sides agreed on last, field by field."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import models

from coupling.listing import caption_of, erp_model, table_field
from coupling.models import Coupling, CouplingState, FieldKind, FieldMapping, TableMapping
from coupling.values import canonical


@dataclass(frozen=True)
class ComparedField:
    """One mapped field: the ERP's value now, and the value of the CRM when both agreed last."""

    mapping: FieldMapping
    caption: str
    erp_value: Any
    crm_value: Any
    is_agreed: bool
    is_equal: bool


def compare(mapping: TableMapping, record: models.Model, coupling: Coupling | None) -> list[ComparedField]:
    """Every enabled field mapping, with the record's value beside the one agreed on last."""
    base = coupling.base if coupling else {}
    return [_compared(field, record, base.get(field.crm_column)) for field in mapping.fields.all() if field.is_enabled]


def _compared(field: FieldMapping, record: models.Model, agreed: Sequence[Any] | None) -> ComparedField:
    column = table_field(type(record), field.erp_field)
    value = getattr(record, column.attname) if column else None
    return ComparedField(
        mapping=field,
        caption=caption_of(field.mapping, field.erp_field),
        erp_value=dict(column.flatchoices).get(value, value) if column else None,
        crm_value=_crm_value(field, column, agreed) if agreed else None,
        is_agreed=agreed is not None,
        is_equal=agreed is not None and canonical(value) == agreed[0],
    )


def _crm_value(field: FieldMapping, column: "models.Field[Any, Any] | None", agreed: Sequence[Any]) -> Any:
    """What the CRM held; a reference by the ERP's code for it, which people know, and an amount as the ERP shows it."""
    erp_value, crm_value = agreed
    if field.kind != FieldKind.VALUE and crm_value is not None:
        return erp_value or field.blank_means or crm_value
    if isinstance(column, models.DecimalField) and isinstance(crm_value, str):
        return Decimal(crm_value).quantize(Decimal(1).scaleb(-column.decimal_places))
    return crm_value


def erp_record(mapping: TableMapping, erp_id: object) -> models.Model | None:
    """The ERP record with this id, or None."""
    return erp_model(mapping)._default_manager.filter(**{mapping.erp_id_field: erp_id}).first()


def is_coupled(coupling: Coupling | None) -> bool:
    """Whether the coupling stands."""
    return coupling is not None and coupling.state != CouplingState.BROKEN
