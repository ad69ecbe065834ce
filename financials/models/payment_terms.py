"""Payment terms: when an invoice is due, and what early payment earns."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from financials.models.fields import CodeField, TextColumn
from financials.models.record import ERPRecord


class PaymentTerms(ERPRecord):
    """Terms of payment; on the CRM side, an option of the account's payment terms."""

    code = CodeField(_("Code"), max_length=10, unique=True)
    description = TextColumn(_("Description"), max_length=100, blank=True)
    due_date_calculation = TextColumn(_("Due Date Calculation"), max_length=32, blank=True)
    discount_date_calculation = TextColumn(_("Discount Date Calculation"), max_length=32, blank=True)
    discount_pct = models.DecimalField(
        _("Discount %"),
        max_digits=9,
        decimal_places=5,
        default=Decimal(0),
        validators=[MinValueValidator(0), MaxValueValidator(100)],
    )

    class Meta(ERPRecord.Meta):
        verbose_name = _("Payment Terms")
        verbose_name_plural = _("Payment Terms")
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.description}".rstrip()
