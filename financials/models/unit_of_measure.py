"""Units of measure."""

from django.utils.translation import gettext_lazy as _

from financials.models.fields import CodeField, TextColumn
from financials.models.record import ERPRecord


class UnitOfMeasure(ERPRecord):
    """A unit that items are counted in; on the CRM side, a unit of a unit group."""

    code = CodeField(_("Code"), max_length=10, unique=True)
    description = TextColumn(_("Description"), max_length=50, blank=True)

    class Meta(ERPRecord.Meta):
        verbose_name = _("Unit of Measure")
        verbose_name_plural = _("Units of Measure")
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.description}".rstrip()
