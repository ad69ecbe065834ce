"""Exchange rates as the CRM defines them: units of a currency for one unit of its base currency (CU-4, gap 7.1)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from django.utils.translation import gettext as _

TEN_DECIMALS: Final = Decimal("1e-10")


class MissingExchangeRateError(Exception):
    """No exchange rate leads from a currency to the local currency at that date; entering one cures it."""


@dataclass(frozen=True)
class Rate:
    """From `starting_date` on, `amount` units of `currency` are worth `relational_amount` of `relational_currency`.

    A blank relational currency is the local currency.
    """

    currency: str
    starting_date: date
    amount: Decimal
    relational_currency: str
    relational_amount: Decimal


def units_per_base(currency: str, base: str, *, lcy: str, on: date, rates: Iterable[Rate]) -> Decimal:
    """Units of CURRENCY for one unit of BASE on that date, by way of the local currency, to ten decimals.

    A blank code stands for the local currency. Rates that start later are ignored.

    Raises:
        MissingExchangeRateError: a rate that is needed is missing, zero, or refers back to itself.
    """
    if (currency or lcy) == (base or lcy):
        return Decimal(1)
    newest = _newest(rates, on)
    units = _units_per_lcy(currency, lcy, newest) / _units_per_lcy(base, lcy, newest)
    return units.quantize(TEN_DECIMALS)


def _newest(rates: Iterable[Rate], on: date) -> dict[str, Rate]:
    started = (rate for rate in rates if rate.starting_date <= on)
    return {rate.currency: rate for rate in sorted(started, key=lambda rate: rate.starting_date)}


def _units_per_lcy(currency: str, lcy: str, newest: dict[str, Rate]) -> Decimal:
    units, seen = Decimal(1), {currency}
    while currency not in ("", lcy):
        rate = newest.get(currency)
        if rate is None or not rate.amount or not rate.relational_amount or rate.relational_currency in seen:
            raise MissingExchangeRateError(
                _("Currency %(code)s has no exchange rate to the local currency at this date. Enter one.")
                % {"code": currency}
            )
        units *= rate.amount / rate.relational_amount
        currency = rate.relational_currency
        seen.add(currency)
    return units
