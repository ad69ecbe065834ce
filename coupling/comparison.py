"""One ERP record beside what both sides agreed on last, field by field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.text import capfirst

from coupling.listing import erp_model, table_field
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

    @property
    def is_reference(self) -> bool:
        """Whether the CRM's value is an id or a number that only stands for what the ERP calls by its code."""
        return self.mapping.kind != FieldKind.VALUE


def compare(mapping: TableMapping, record: models.Model, coupling: Coupling | None) -> list[ComparedField]:
    """Every enabled field mapping, with the record's value beside the one agreed on last."""
    base = coupling.base if coupling else {}
    return [_compared(field, record, base.get(field.crm_column)) for field in mapping.fields.all() if field.is_enabled]


def _compared(field: FieldMapping, record: models.Model, agreed: Sequence[Any] | None) -> ComparedField:
    column = table_field(type(record), field.erp_field)
    value = getattr(record, column.attname) if column else None
    return ComparedField(
        mapping=field,
        caption=capfirst(str(column.verbose_name)) if column else field.erp_field,
        erp_value=dict(column.flatchoices).get(value, value) if column else None,
        crm_value=_crm_value(field, agreed),
        is_agreed=agreed is not None,
        is_equal=agreed is not None and canonical(value) == agreed[0],
    )


def _crm_value(field: FieldMapping, agreed: Sequence[Any] | None) -> Any:
    """What the CRM held; a reference is shown by the ERP's code for it, which people know."""
    if agreed is None:
        return None
    return agreed[1] if field.kind == FieldKind.VALUE or agreed[0] is None else agreed[0]


def erp_record(mapping: TableMapping, erp_id: object) -> models.Model | None:
    """The ERP record with this id, or None."""
    return erp_model(mapping)._default_manager.filter(**{mapping.erp_id_field: erp_id}).first()


def is_coupled(coupling: Coupling | None) -> bool:
    """Whether the coupling stands."""
    return coupling is not None and coupling.state != CouplingState.BROKEN
