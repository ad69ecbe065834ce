"""Three changes on each side, and whether each of them arrived on the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import models
from django.utils import timezone

from connection.dataverse.client import DataverseClient
from connection.dataverse.writing import RowUpdate
from coupling.models import Coupling, CouplingState
from financials.models import Contact, Customer


@dataclass(frozen=True, slots=True)
class Edit:
    """One field that one side changes: the ERP record, the CRM row, the field on either side, the new value."""

    in_crm: bool
    name: str
    table: str
    erp_model: type[Customer] | type[Contact]
    erp_id: UUID
    crm_id: UUID
    field: str
    column: str
    value: str

    def __str__(self) -> str:
        side = "CRM" if self.in_crm else "ERP"
        return f"{side}: {self.field.removesuffix('_no').replace('_', ' ')} of {self.name} is now {self.value}"


def plan_edits() -> list[Edit]:
    """Three changes on each side. The first customer is changed on both, in different fields (I2)."""
    now = timezone.localtime().strftime("%H %M %S")
    customers, contacts = _coupled("CUSTOMER", Customer, 3), _coupled("CONTACT", Contact, 2)
    phone, fax, mobile = f"+47 22 {now}", f"+47 23 {now}", f"+47 94 {now}"
    street, mail = f"Storgata {now.replace(' ', '')[-3:]}", f"post.{now.replace(' ', '')}@example.com"
    return [
        _edit(customers[0], "phone_no", "telephone1", phone, in_crm=False),
        _edit(customers[1], "address", "address1_line1", street, in_crm=False),
        _edit(contacts[0], "e_mail", "emailaddress1", mail, in_crm=False),
        _edit(customers[0], "fax_no", "fax", fax, in_crm=True),
        _edit(customers[2], "phone_no", "telephone1", phone, in_crm=True),
        _edit(contacts[1], "mobile_phone_no", "mobilephone", mobile, in_crm=True),
    ]


def make_edits(edits: Sequence[Edit], client: DataverseClient) -> None:
    """Change the ERP's records as its users would, and the CRM's rows as its users would, whatever their version."""
    for edit in edits:
        if edit.in_crm:
            (outcome,) = client.update_many(edit.table, [RowUpdate(edit.crm_id, {edit.column: edit.value}, None)])
            if outcome.error:
                raise outcome.error
        else:
            record = edit.erp_model.objects.get(pk=edit.erp_id)
            setattr(record, edit.field, edit.value)
            record.save()


def lost_edits(edits: Sequence[Edit], client: DataverseClient) -> list[str]:
    """The changes that do not stand on both sides."""
    return [f"{edit} · lost" for edit in edits if _values(edit, client) != (edit.value, edit.value)]


def _values(edit: Edit, client: DataverseClient) -> tuple[Any, Any]:
    rows = client.rows_by_id(edit.table, [edit.crm_id], select=[edit.column])
    return getattr(edit.erp_model.objects.get(pk=edit.erp_id), edit.field), rows[edit.crm_id][edit.column]


Pair = tuple[models.Model, Coupling]


def _coupled(mapping: str, model: type[Customer] | type[Contact], count: int) -> list[Pair]:
    """The first records, by number, that are coupled."""
    couplings = Coupling.objects.filter(mapping__name=mapping, state=CouplingState.COUPLED)
    by_record = {coupling.erp_id: coupling for coupling in couplings.select_related("mapping")}
    records = model.objects.filter(pk__in=by_record.keys()).order_by("no")[:count]
    return [(record, by_record[record.pk]) for record in records]


def _edit(pair: Pair, field: str, column: str, value: str, *, in_crm: bool) -> Edit:
    record, coupling = pair
    model = type(record)
    assert issubclass(model, Customer | Contact)
    table = coupling.mapping.crm_table
    return Edit(in_crm, str(record), table, model, coupling.erp_id, coupling.crm_id, field, column, value)
