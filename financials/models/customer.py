"""Customers."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from financials.models.address import Addressed
from financials.models.fields import CodeField, CodeReferenceField, TextColumn
from financials.models.no_series import NumberedRecord


class CustomerBlocked(models.IntegerChoices):
    """What may not be done with a customer."""

    NONE = 0, _("Not blocked")
    SHIP = 1, _("Ship")
    INVOICE = 2, _("Invoice")
    ALL = 3, _("All")


class Customer(Addressed, NumberedRecord):
    """A company or person that buys; on the CRM side, an account of the type Customer (mappings.md 1.4)."""

    key_field = "no"
    series = "CUST"

    no = CodeField(_("No."), max_length=20, unique=True, blank=True, help_text=_("Blank: the next number"))
    name = TextColumn(_("Name"), max_length=100)
    contact = TextColumn(_("Contact"), max_length=100, blank=True)
    currency_code = CodeReferenceField(
        _("Currency Code"), max_length=10, to="financials.Currency", help_text=_("Blank: local currency")
    )
    credit_limit_lcy = models.DecimalField(
        _("Credit Limit (LCY)"),
        max_digits=20,
        decimal_places=2,
        default=Decimal(0),
        validators=[MinValueValidator(0)],
    )
    payment_terms_code = CodeReferenceField(_("Payment Terms Code"), max_length=10, to="financials.PaymentTerms")
    shipment_method_code = CodeReferenceField(_("Shipment Method Code"), max_length=10, to="financials.ShipmentMethod")
    shipping_agent_code = CodeReferenceField(_("Shipping Agent Code"), max_length=10, to="financials.ShippingAgent")
    salesperson_code = CodeReferenceField(_("Salesperson Code"), max_length=20, to="financials.Salesperson")
    primary_contact_no = CodeReferenceField(_("Primary Contact No."), max_length=20, to="financials.Contact")
    blocked = models.IntegerField(_("Blocked"), choices=CustomerBlocked.choices, default=CustomerBlocked.NONE)

    class Meta(NumberedRecord.Meta):
        verbose_name = _("Customer")
        verbose_name_plural = _("Customers")
        ordering = ["no"]

    def __str__(self) -> str:
        return f"{self.no} {self.name}".rstrip()

    def follow(self, before: Mapping[str, Any]) -> None:
        """Carry a new number through, and a new name to the contacts who work there."""
        from financials.models.contact import Contact

        super().follow(before)
        if before and before.get("name") != self.name:
            Contact.objects.filter(customer_no=self.no).exclude(company_name=self.name).update(company_name=self.name)
