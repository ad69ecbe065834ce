"""Shipping agents: who carries the goods."""

from django.utils.translation import gettext_lazy as _

from financials.models.fields import CodeField, TextColumn
from financials.models.record import ERPRecord


class ShippingAgent(ERPRecord):
    """A carrier; on the CRM side, an option of the account's shipping method."""

    code = CodeField(_("Code"), max_length=10, unique=True)
    name = TextColumn(_("Name"), max_length=50, blank=True)

    class Meta(ERPRecord.Meta):
        verbose_name = _("Shipping Agent")
        verbose_name_plural = _("Shipping Agents")
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.name}".rstrip()
