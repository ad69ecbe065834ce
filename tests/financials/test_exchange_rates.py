"""Exchange rates: units of a currency for one unit of the CRM's base currency."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from financials.exchange_rates import MissingExchangeRateError, Rate, units_per_base
from financials.models import CompanySettings, Currency, CurrencyExchangeRate

TODAY = date(2026, 6, 1)


def rate(currency: str, amount: str, relational: str, start: date = date(2026, 1, 1), to: str = "") -> Rate:
    return Rate(currency, start, Decimal(amount), to, Decimal(relational))


# One euro is worth 10 kroner, one dollar 8, one pound 12.
TRIANGLE = [rate("EUR", "100", "1000"), rate("USD", "1", "8"), rate("GBP", "10", "120")]


@pytest.mark.parametrize(
    ("currency", "base", "expected"),
    [
        ("NOK", "NOK", "1"),
        ("", "NOK", "1"),
        ("EUR", "EUR", "1"),
        ("EUR", "NOK", "0.1"),
        ("NOK", "EUR", "10"),
        ("USD", "EUR", "1.25"),
        ("EUR", "USD", "0.8"),
        ("GBP", "EUR", "0.8333333333"),
        ("EUR", "GBP", "1.2"),
        ("GBP", "USD", "0.6666666667"),
    ],
)
def test_cu_4_units_of_the_currency_for_one_of_the_base(currency: str, base: str, expected: str) -> None:
    assert units_per_base(currency, base, lcy="NOK", on=TODAY, rates=TRIANGLE) == Decimal(expected)


def test_cu_4_the_newest_rate_counts_and_future_ones_do_not() -> None:
    rates = [
        rate("EUR", "1", "20", date(2027, 1, 1)),
        rate("EUR", "1", "10", TODAY),
        rate("EUR", "1", "5", date(2020, 1, 1)),
    ]
    assert units_per_base("EUR", "NOK", lcy="NOK", on=TODAY, rates=rates) == Decimal("0.1")


def test_cu_4_a_rate_may_lead_through_another_currency() -> None:
    rates = [*TRIANGLE, rate("DKK", "100", "10", to="EUR")]
    assert units_per_base("DKK", "NOK", lcy="NOK", on=TODAY, rates=rates) == Decimal(1)


@pytest.mark.parametrize(
    "rates",
    [
        [],
        [rate("EUR", "1", "10", date(2027, 1, 1))],
        [rate("EUR", "0", "10")],
        [rate("EUR", "1", "0")],
        [rate("EUR", "1", "1", to="USD"), rate("USD", "1", "1", to="EUR")],
        [rate("EUR", "1", "1", to="EUR")],
    ],
    ids=["none", "future", "zero", "relational zero", "circle", "itself"],
)
def test_cu_4_no_usable_rate_is_an_error_that_names_the_currency(rates: list[Rate]) -> None:
    with pytest.raises(MissingExchangeRateError, match=r"EUR|USD"):
        units_per_base("EUR", "NOK", lcy="NOK", on=TODAY, rates=rates)


def entered(currency: Currency, start: date, worth: str) -> CurrencyExchangeRate:
    return CurrencyExchangeRate.objects.create(
        currency=currency, starting_date=start, exchange_rate_amount=100, relational_exch_rate_amount=Decimal(worth)
    )


@pytest.mark.django_db
def test_a_currency_knows_its_rate() -> None:
    CompanySettings.objects.create(company_name="Fjord Nordic AS", lcy_code="NOK")
    euro = Currency.objects.create(code="EUR")
    entered(euro, date(2026, 1, 1), "1000")
    entered(euro, date(2026, 7, 1), "1250")
    assert euro.exchange_rate("nok", on=TODAY) == Decimal("0.1")
    assert Currency.objects.get(code="NOK").exchange_rate("EUR", on=date(2026, 8, 1)) == Decimal("12.5")


@pytest.mark.django_db
def test_the_computed_rate_is_the_one_of_the_formula() -> None:
    CompanySettings.objects.create(company_name="Fjord Nordic AS", lcy_code="NOK")
    for code, worth, to in (("EUR", "1165.2", ""), ("USD", "1000", ""), ("DKK", "13.4", "EUR")):
        CurrencyExchangeRate.objects.create(
            currency=Currency.objects.create(code=code),
            starting_date=date(2026, 1, 1),
            exchange_rate_amount=100,
            relational_currency_code=to,
            relational_exch_rate_amount=Decimal(worth),
        )
    Currency.objects.create(code="GBP")
    entered(Currency.objects.get(code="EUR"), date(2025, 1, 1), "1")
    entered(Currency.objects.get(code="EUR"), date(2999, 1, 1), "1")
    currencies: Any = Currency.objects.annotate(**Currency.computed())
    computed = dict(currencies.values_list("code", "exchange_rate_lcy"))
    assert computed.pop("GBP") is None
    assert computed == {code: Currency.objects.get(code=code).exchange_rate("NOK") for code in computed}
    assert computed["EUR"] == Decimal("0.0858221765")


@pytest.mark.django_db
def test_gap_7_2_a_new_changed_or_deleted_rate_counts_as_a_change_of_its_currency() -> None:
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    euro, dollar = Currency.objects.create(code="EUR"), Currency.objects.create(code="USD")
    for write in (lambda: entered(euro, TODAY, "1000"), lambda: euro.exchange_rates.get().save(), delete_rate):
        Currency.objects.update(system_modified_at=long_ago)
        write()
        euro.refresh_from_db()
        dollar.refresh_from_db()
        assert euro.system_modified_at > long_ago
        assert dollar.system_modified_at == long_ago


def delete_rate() -> None:
    CurrencyExchangeRate.objects.get().delete()
