"""The settings of the one company whose financials these are."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from financials.models.currency import Currency
from financials.models.fields import CodeField, TextColumn
from financials.models.record import ERPRecord

THE_ONLY_ID: Final = UUID("00000000-0000-4000-8000-000000000001")


class Experience(models.TextChoices):
    """How much of the product the company uses."""

    ESSENTIALS = "Essentials", _("Essentials")
    PREMIUM = "Premium", _("Premium")
    SUITE = "Suite", _("Suite")


class CompanySettings(ERPRecord):
    """Company name, experience and local currency: one row for the database, which the database ensures."""

    key_field = "company_name"

    system_id = models.UUIDField(_("System ID"), primary_key=True, default=THE_ONLY_ID, editable=False)
    company_name = TextColumn(_("Company Name"), max_length=100)
    experience = models.CharField(_("Experience"), max_length=10, choices=Experience.choices, default=Experience.SUITE)
    lcy_code = CodeField(_("LCY Code"), max_length=10, help_text=_("The local currency, such as NOK"))
    local_currency_symbol = TextColumn(_("Local Currency Symbol"), max_length=10, blank=True)
    local_currency_description = TextColumn(_("Local Currency Description"), max_length=60, blank=True)

    class Meta(ERPRecord.Meta):
        verbose_name = _("Company Settings")
        verbose_name_plural = _("Company Settings")
        constraints = [models.CheckConstraint(condition=models.Q(system_id=THE_ONLY_ID), name="one_company")]

    @classmethod
    def current(cls) -> "CompanySettings":
        """The company's settings; unsaved and blank where none were entered yet."""
        return cls.objects.first() or cls()

    def follow(self, before: Mapping[str, Any]) -> None:
        """See to it that the local currency is in the currency table."""
        if not self.lcy_code:
            return
        description = self.local_currency_description or self.lcy_code
        Currency.objects.get_or_create(
            code=self.lcy_code,
            defaults={
                "iso_code": self.lcy_code[:3],
                "symbol": self.local_currency_symbol,
                "description": description[:30],
            },
        )
