"""Currencies and their exchange rates."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Case, DecimalField, Expression, FloatField, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Cast, Round
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from financials.exchange_rates import Rate, units_per_base
from financials.models.fields import CodeField, CodeReferenceField, TextColumn, normalized
from financials.models.record import ERPRecord


class Currency(ERPRecord):
    """A currency. On customers and documents a blank currency code means the local currency (CU-1)."""

    code = CodeField(_("Code"), max_length=10, unique=True)
    iso_code = CodeField(_("ISO Code"), max_length=3, blank=True)
    description = TextColumn(_("Description"), max_length=30, blank=True)
    symbol = TextColumn(_("Symbol"), max_length=10, blank=True)
    amount_decimal_places = TextColumn(_("Amount Decimal Places"), max_length=5, blank=True)

    class Meta(ERPRecord.Meta):
        verbose_name = _("Currency")
        verbose_name_plural = _("Currencies")
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.description}".rstrip()

    @classmethod
    def computed(cls) -> Mapping[str, Expression]:
        """Columns worked out on reading: `exchange_rate_lcy`, which is `exchange_rate` with the local currency as base.

        It is null where no rate leads to the local currency directly or through one other currency.
        """
        from financials.models.company_settings import CompanySettings

        is_local = Q(code=CompanySettings.current().lcy_code)
        rate = Case(When(is_local, then=Value(1.0)), default=_units_per_lcy("code"), output_field=FloatField())
        return {"exchange_rate_lcy": Round(Cast(rate, DecimalField(max_digits=23, decimal_places=10)), precision=10)}

    def exchange_rate(self, base: str, on: date | None = None) -> Decimal:
        """Units of this currency for one unit of BASE on a date (today by default), future rates ignored (CU-4).

        Raises:
            MissingExchangeRateError: a rate that is needed is missing.
        """
        from financials.models.company_settings import CompanySettings

        rates = CurrencyExchangeRate.objects.select_related("currency")
        return units_per_base(
            self.code,
            normalized(base),
            lcy=CompanySettings.current().lcy_code,
            on=on or timezone.localdate(),
            rates=[rate.as_rate() for rate in rates],
        )


def _units_per_lcy(code: str, depth: int = 2) -> "Subquery[Any]":
    """Units of the currency in the column CODE of the outer query for one of the local currency, by its newest rate."""
    started = CurrencyExchangeRate.objects.filter(
        starting_date__lte=timezone.localdate(), currency__code=OuterRef(code)
    )
    # Floats, because SQLite divides decimals that happen to be whole as integers.
    units = Cast("exchange_rate_amount", FloatField()) / Cast("relational_exch_rate_amount", FloatField())
    through = units * _units_per_lcy("relational_currency_code", depth - 1) if depth > 1 else Value(None)
    answer = Case(When(relational_currency_code="", then=units), default=through, output_field=FloatField())
    return Subquery(started.order_by("-starting_date").annotate(units=answer).values("units")[:1])


class CurrencyExchangeRate(ERPRecord):
    """What a currency is worth from a date on: `amount` of it for `relational amount` of another."""

    currency = models.ForeignKey(
        Currency, verbose_name=_("Currency Code"), on_delete=models.CASCADE, related_name="exchange_rates"
    )
    starting_date = models.DateField(_("Starting Date"))
    exchange_rate_amount = models.DecimalField(
        _("Exchange Rate Amount"), max_digits=20, decimal_places=5, validators=[MinValueValidator(Decimal("0.00001"))]
    )
    relational_currency_code = CodeReferenceField(
        _("Relational Currency Code"), max_length=10, to="financials.Currency", help_text=_("Blank: local currency")
    )
    relational_exch_rate_amount = models.DecimalField(
        _("Relational Exch. Rate Amount"),
        max_digits=20,
        decimal_places=5,
        validators=[MinValueValidator(Decimal("0.00001"))],
    )

    class Meta(ERPRecord.Meta):
        verbose_name = _("Currency Exchange Rate")
        verbose_name_plural = _("Currency Exchange Rates")
        ordering = ["currency", "starting_date"]
        constraints = [models.UniqueConstraint(fields=["currency", "starting_date"], name="one_rate_per_date")]

    @property
    def key(self) -> str:
        """Currency and date, which together are unique; blank while an entry form lacks the currency."""
        return f"{self.currency.code} {self.starting_date}" if self.currency_id else ""

    def as_rate(self) -> Rate:
        """The plain value that exchange rates are worked out from."""
        return Rate(
            currency=self.currency.code,
            starting_date=self.starting_date,
            amount=self.exchange_rate_amount,
            relational_currency=self.relational_currency_code,
            relational_amount=self.relational_exch_rate_amount,
        )

    def follow(self, before: Mapping[str, Any]) -> None:
        """Count the currency as modified too, so that its new rate travels to the CRM (gap 7.2)."""
        Currency.objects.filter(pk=self.currency_id).touch()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the rate; its currency counts as modified (gap 7.2)."""
        Currency.objects.filter(pk=self.currency_id).touch()
        return super().delete(*args, **kwargs)
