"""Items and their ledger, from which the inventory is worked out (mappings.md 6.3)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Self

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Expression, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from financials.models.fields import CodeField, CodeReferenceField, TextColumn
from financials.models.no_series import NoSeries, NumberedRecord
from financials.models.record import ERPRecord


class ItemType(models.IntegerChoices):
    """Whether an item is kept in stock."""

    INVENTORY = 0, _("Inventory")
    SERVICE = 1, _("Service")
    NON_INVENTORY = 2, _("Non-Inventory")


def _quantity(label: Any, **details: Any) -> "models.DecimalField[Any, Any]":
    return models.DecimalField(label, max_digits=20, decimal_places=5, default=Decimal(0), **details)


class Item(NumberedRecord):
    """Something that is sold; on the CRM side, a product."""

    key_field = "no"
    series = "ITEM"

    no = CodeField(_("No."), max_length=20, unique=True, blank=True, help_text=_("Blank: the next number"))
    description = TextColumn(_("Description"), max_length=100)
    type = models.IntegerField(_("Type"), choices=ItemType.choices, default=ItemType.INVENTORY)
    base_unit_of_measure = CodeReferenceField(
        _("Base Unit of Measure"), max_length=10, to="financials.UnitOfMeasure", blank=False
    )
    unit_price = _quantity(_("Unit Price"), validators=[MinValueValidator(0)])
    unit_cost = _quantity(_("Unit Cost"), validators=[MinValueValidator(0)])
    blocked = models.BooleanField(_("Blocked"), default=False)
    sales_blocked = models.BooleanField(_("Sales Blocked"), default=False)

    class Meta(NumberedRecord.Meta):
        verbose_name = _("Item")
        verbose_name_plural = _("Items")
        ordering = ["no"]

    def __str__(self) -> str:
        return f"{self.no} {self.description}".rstrip()

    @classmethod
    def computed(cls) -> Mapping[str, Expression]:
        """Columns worked out on reading: `inventory`, the sum of the ledger; negative where too much was sold."""
        ledger: Any = ItemLedgerEntry.objects
        entries = ledger.filter(item_no=OuterRef("no")).order_by().values("item_no")
        total = Subquery(entries.annotate(total=Sum("quantity")).values("total"))
        return {"inventory": Coalesce(total, Decimal(0), output_field=models.DecimalField())}


class ItemLedgerEntry(ERPRecord):
    """A movement of an item: what came in, or, negative, what went out. Entries are added and never changed."""

    key_field = "entry_no"

    entry_no = models.PositiveBigIntegerField(_("Entry No."), unique=True, editable=False)
    item_no = CodeReferenceField(_("Item No."), max_length=20, to="financials.Item", blank=False)
    posting_date = models.DateField(_("Posting Date"), default=timezone.localdate)
    quantity = _quantity(_("Quantity"))
    document_no = CodeField(_("Document No."), max_length=20, blank=True)

    class Meta(ERPRecord.Meta):
        verbose_name = _("Item Ledger Entry")
        verbose_name_plural = _("Item Ledger Entries")
        ordering = ["entry_no"]

    def __str__(self) -> str:
        return f"{self.entry_no} {self.item_no} {self.quantity:f}"

    @classmethod
    def derive(cls, records: Sequence[Self]) -> None:
        """Number the new entries one after the other."""
        new = [record for record in records if record.entry_no is None]
        for record, number in zip(new, NoSeries.take("ITEMLEDG", len(new)), strict=True):
            record.entry_no = int(number)
