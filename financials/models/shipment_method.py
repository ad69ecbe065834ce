"""Shipment methods: who pays for the freight."""

from django.utils.translation import gettext_lazy as _

from financials.models.fields import CodeField, TextColumn
from financials.models.record import ERPRecord


class ShipmentMethod(ERPRecord):
    """A shipment method; on the CRM side, an option of the account's freight terms."""

    code = CodeField(_("Code"), max_length=10, unique=True)
    description = TextColumn(_("Description"), max_length=100, blank=True)

    class Meta(ERPRecord.Meta):
        verbose_name = _("Shipment Method")
        verbose_name_plural = _("Shipment Methods")
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.description}".rstrip()
