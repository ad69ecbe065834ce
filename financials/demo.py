"""Fjord Nordic AS, a company that never was: the financials of the demo, the same for the same seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import chain, count
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from financials.factories import (
    ContactFactory,
    CustomerFactory,
    ItemFactory,
    ItemLedgerEntryFactory,
    SalespersonFactory,
    company_name,
    one_of,
    reseed,
    some_country,
    some_uuid,
)
from financials.models import (
    CompanySettings,
    Contact,
    Currency,
    CurrencyExchangeRate,
    Customer,
    ItemLedgerEntry,
    NoSeries,
    PaymentTerms,
    Salesperson,
    ShipmentMethod,
    ShippingAgent,
    UnitOfMeasure,
)
from financials.models.record import ERPRecord
from financials.places import Country, Place

SEED: Final = 20261122
COMPANY_NAME: Final = "Fjord Nordic AS"
SALESPEOPLE: Final = ("Ingrid Solberg", "Lars Haugen", "Kari Nilsen", "Erik Lund", "Sofie Bakke", "Jonas Weber")
CURRENCIES: Final = (("NOK", "Norske kroner", "kr"), ("EUR", "Euro", "€"), ("USD", "US dollar", "$"))
# What 100 units are worth in NOK, from a date on.
EXCHANGE_RATES: Final = (
    ("EUR", date(2025, 1, 1), "1176.50"),
    ("EUR", date(2026, 1, 1), "1183.40"),
    ("EUR", date(2026, 7, 1), "1165.20"),
    ("USD", date(2025, 1, 1), "1132.80"),
    ("USD", date(2026, 1, 1), "1010.60"),
    ("USD", date(2026, 7, 1), "1004.30"),
)
# Descriptions are the labels of the CRM's options (mappings.md 1.3), so that a person sees what belongs together.
PAYMENT_TERMS: Final = (
    ("30D", "Net 30", "30D", "", 0),
    ("10D2%", "2% 10, Net 30", "30D", "10D", 2),
    ("45D", "Net 45", "45D", "", 0),
    ("60D", "Net 60", "60D", "", 0),
)
SHIPMENT_METHODS: Final = (("FOB", "FOB"), ("NOCHARGE", "No Charge"))
SHIPPING_AGENTS: Final = (
    ("AIRBORNE", "Airborne"),
    ("DHL", "DHL"),
    ("FEDEX", "FedEx"),
    ("UPS", "UPS"),
    ("POSTAL", "Postal Mail"),
    ("FULLLOAD", "Full Load"),
    ("WILLCALL", "Will Call"),
)
UNITS_OF_MEASURE: Final = (("STK", "Stykk"), ("ESKE", "Eske"), ("TIME", "Time"))
# Description, unit, price, cost, and what came in and went out; one is sold out, one sold too often.
ITEMS: Final = (
    ("Arbeidslampe LED", "STK", "890.00", "410.00", (120, -34)),
    ("Redningsvest Fjord", "STK", "1290.00", "640.00", (60, -60)),
    ("Fiskekasse 40 kg", "STK", "349.00", "180.00", (500, -212)),
    ("Tau 12 mm, 100 m", "ESKE", "1150.00", "590.00", (40, -3)),
    ("Varmedrakt Nordlys", "STK", "4990.00", "2750.00", (25, -31, 2)),
    ("Gummistøvler Brygge", "STK", "799.00", "355.00", (180, -77)),
)


class CompanyNotEmptyError(Exception):
    """There are customers, contacts or salespeople already; the demo company is made in empty financials only."""


@dataclass(frozen=True)
class DemoSummary:
    """What was made."""

    company_name: str
    salespeople: int
    customers: int
    contacts: int


@transaction.atomic
def create_demo_company(customers: int = 500, seed: int = SEED) -> DemoSummary:
    """Make a believable company with so many customers, and one or two contacts for each.

    The same seed makes the same records, system ids included.

    Raises:
        CompanyNotEmptyError: there is a company already; nothing was written.
    """
    if Customer.objects.exists() or Contact.objects.exists() or Salesperson.objects.exists():
        raise CompanyNotEmptyError(
            _("The financials hold records already. The demo company can only be made in an empty database.")
        )
    reseed(seed)
    _create_settings()
    salespeople = Salesperson.objects.bulk_create(_salespeople())
    employers = _customers(customers, [person.code for person in salespeople])
    contacts = _contacts(employers)
    Customer.objects.bulk_create([customer for customer, _country in employers], batch_size=1000)
    Contact.objects.bulk_create(contacts, batch_size=1000)
    _create_items()
    return DemoSummary(COMPANY_NAME, len(salespeople), len(employers), len(contacts))


def _create_settings() -> None:
    """The company's own settings, and the tables that its customers refer to."""
    for code, description, symbol in CURRENCIES:
        _ensure(Currency, code, iso_code=code, description=description, symbol=symbol)
    for code, description, due, discount_date, discount in PAYMENT_TERMS:
        _ensure(
            PaymentTerms,
            code,
            description=description,
            due_date_calculation=due,
            discount_date_calculation=discount_date,
            discount_pct=Decimal(discount),
        )
    for code, description in SHIPMENT_METHODS:
        _ensure(ShipmentMethod, code, description=description)
    for code, name in SHIPPING_AGENTS:
        _ensure(ShippingAgent, code, name=name)
    _create_exchange_rates()
    settings = CompanySettings.current()
    settings.company_name = COMPANY_NAME
    settings.lcy_code, settings.local_currency_description, settings.local_currency_symbol = CURRENCIES[0]
    settings.save()


def _ensure(model: type[ERPRecord], code: str, **values: Any) -> None:
    model.objects.get_or_create(**{model.key_field: code}, defaults={"system_id": some_uuid(), **values})


def _create_exchange_rates() -> None:
    currencies = Currency.objects.in_bulk(field_name="code")
    for code, starting_date, worth in EXCHANGE_RATES:
        CurrencyExchangeRate.objects.get_or_create(
            currency=currencies[code],
            starting_date=starting_date,
            defaults={
                "system_id": some_uuid(),
                "exchange_rate_amount": Decimal(100),
                "relational_exch_rate_amount": Decimal(worth),
            },
        )


def _create_items() -> None:
    """A few items with movements, so that there is an inventory to look at."""
    for code, description in UNITS_OF_MEASURE:
        _ensure(UnitOfMeasure, code, description=description)
    for description, unit, price, cost, movements in ITEMS:
        item = ItemFactory.create(
            description=description,
            base_unit_of_measure=unit,
            unit_price=Decimal(price),
            unit_cost=Decimal(cost),
        )
        entries = [ItemLedgerEntryFactory.build(item=item, quantity=Decimal(quantity)) for quantity in movements]
        ItemLedgerEntry.objects.bulk_create(entries)


def _salespeople() -> list[Salesperson]:
    people: list[Salesperson] = []
    for name in SALESPEOPLE:
        first, last = name.split()
        people.append(SalespersonFactory.build(code=first[0] + last[0], first=first, last=last))
    return people


def _customers(number: int, salespeople: Sequence[str]) -> list[tuple[Customer, Country]]:
    taken: set[str] = set()
    return [_customer(no, salespeople, taken) for no in NoSeries.take(Customer.series, number)]


def _customer(no: str, salespeople: Sequence[str], taken: set[str]) -> tuple[Customer, Country]:
    country = some_country()
    place = one_of(country.places)
    customer = CustomerFactory.build(
        no=no,
        country=country,
        place=place,
        name=_unused_name(country, place, taken),
        currency_code=country.currency_code,
        payment_terms_code=one_of(PAYMENT_TERMS)[0],
        shipment_method_code=one_of(SHIPMENT_METHODS)[0],
        shipping_agent_code=one_of(SHIPPING_AGENTS)[0],
        salesperson_code=one_of(salespeople),
    )
    return customer, country


def _unused_name(country: Country, place: Place, taken: set[str]) -> str:
    """A company name that no other customer has; where chance runs dry, with a number."""
    candidates = (company_name(country, place) for _attempt in range(10))
    base = company_name(country, place)
    numbered = (f"{base} {number}" for number in count(2))
    name = next(name for name in chain(candidates, numbered) if name not in taken)
    taken.add(name)
    return name


def _contacts(customers: Sequence[tuple[Customer, Country]]) -> list[Contact]:
    """One or two contacts for each customer, of whom the first becomes the primary one."""
    employers = [employer for employer in customers for _each in range(one_of((1, 1, 2)))]
    numbers = NoSeries.take(Contact.series, len(employers))
    contacts = [
        ContactFactory.build(no=no, customer=customer, country=country)
        for no, (customer, country) in zip(numbers, employers, strict=True)
    ]
    for contact, (customer, _country) in reversed(list(zip(contacts, employers, strict=True))):
        customer.primary_contact_no, customer.contact = contact.no, contact.full_name()
    return contacts
