"""Makes believable records of Norwegian, American and German companies, for the demo and for tests.

All chance comes from one source: after `reseed(seed)` the same records come again.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeVar
from uuid import UUID

from factory import declarations
from factory import random as chance
from factory.django import DjangoModelFactory
from faker import Faker

from financials.models import (
    Contact,
    Currency,
    Customer,
    Item,
    ItemLedgerEntry,
    PaymentTerms,
    Salesperson,
    ShipmentMethod,
    ShippingAgent,
    UnitOfMeasure,
)
from financials.models.record import ERPRecord
from financials.places import COUNTRIES, Country, Place, ascii_slug

CREDIT_LIMITS: Final = [Decimal(limit) for limit in (0, 25_000, 50_000, 100_000, 250_000, 1_000_000)]
Choice = TypeVar("Choice")
Made = TypeVar("Made", bound=ERPRecord)

# factory-boy carries no type hints for what is used of it here.
LazyAttribute: Any = declarations.LazyAttribute
LazyFunction: Any = declarations.LazyFunction
SelfAttribute: Any = declarations.SelfAttribute
reseed: Any = chance.reseed_random


def one_of(choices: Sequence[Choice]) -> Choice:
    """One of the choices, by chance."""
    return choices[int(chance.randgen.random() * len(choices))]


def some_country() -> Country:
    """A country, by chance and weight."""
    return chance.randgen.choices(COUNTRIES, [country.weight for country in COUNTRIES])[0]


def some_uuid() -> UUID:
    """A random UUID from the one source of chance."""
    return UUID(int=chance.randgen.getrandbits(128), version=4)


@cache
def faker(locale: str) -> Any:
    """The Faker of a locale, drawing on the one source of chance."""
    made: Any = Faker(locale)
    made.random = chance.randgen
    return made


def company_name(country: Country, place: Place) -> str:
    """A company name as they are usual in the country."""
    people = faker(country.locale)
    return one_of(country.company_names).format(
        surname=people.last_name(), other=people.last_name(), trade=one_of(country.trades), city=place.city
    )


def domain(name: str) -> str:
    """The internet domain of a company or person, which nobody can own (RFC 2606)."""
    return f"{ascii_slug(name)[:40].strip('-')}.example"


class ERPFactory(DjangoModelFactory[Made]):
    """A record with a system id from the one source of chance."""

    class Meta:
        abstract = True

    system_id = LazyFunction(some_uuid)


class SalespersonFactory(ERPFactory[Salesperson]):
    """A salesperson of Fjord Nordic."""

    class Meta:
        model = Salesperson

    class Params:
        first = LazyFunction(lambda: faker("no_NO").first_name())
        last = LazyFunction(lambda: faker("no_NO").last_name())

    name = LazyAttribute(lambda it: f"{it.first} {it.last}")
    e_mail = LazyAttribute(lambda it: f"{ascii_slug(it.first)}.{ascii_slug(it.last)}@fjordnordic.example")
    phone_no = LazyFunction(lambda: faker("no_NO").numerify("+47 9## ## ###"))
    job_title = "Selger"


class CurrencyFactory(ERPFactory[Currency]):
    """A currency, the euro unless told otherwise."""

    class Meta:
        model = Currency
        django_get_or_create = ("code",)

    code = "EUR"
    iso_code = SelfAttribute("code")
    description = SelfAttribute("code")
    symbol = SelfAttribute("code")


class PaymentTermsFactory(ERPFactory[PaymentTerms]):
    """Payment terms, 30 days unless told otherwise."""

    class Meta:
        model = PaymentTerms
        django_get_or_create = ("code",)

    code = "30D"
    description = "Net 30"
    due_date_calculation = "30D"


class ShipmentMethodFactory(ERPFactory[ShipmentMethod]):
    """A shipment method, free on board unless told otherwise."""

    class Meta:
        model = ShipmentMethod
        django_get_or_create = ("code",)

    code = "FOB"
    description = "FOB"


class ShippingAgentFactory(ERPFactory[ShippingAgent]):
    """A shipping agent, DHL unless told otherwise."""

    class Meta:
        model = ShippingAgent
        django_get_or_create = ("code",)

    code = "DHL"
    name = "DHL"


class UnitOfMeasureFactory(ERPFactory[UnitOfMeasure]):
    """A unit of measure, the piece unless told otherwise."""

    class Meta:
        model = UnitOfMeasure
        django_get_or_create = ("code",)

    code = "STK"
    description = "Stykk"


class ItemFactory(ERPFactory[Item]):
    """An item, without any in stock."""

    class Meta:
        model = Item

    description = "Arbeidslampe"
    base_unit_of_measure = "STK"
    unit_price = Decimal(890)
    unit_cost = Decimal(410)


class ItemLedgerEntryFactory(ERPFactory[ItemLedgerEntry]):
    """Ten of an item that came in."""

    class Meta:
        model = ItemLedgerEntry

    class Params:
        item: Any = None

    item_no = LazyAttribute(lambda it: it.item.no)
    quantity = Decimal(10)


class CustomerFactory(ERPFactory[Customer]):
    """A customer. It refers to no other record; pass the codes of those that exist."""

    class Meta:
        model = Customer

    class Params:
        country = LazyFunction(some_country)
        place = LazyAttribute(lambda it: one_of(it.country.places))

    name = LazyAttribute(lambda it: company_name(it.country, it.place))
    address = LazyAttribute(lambda it: faker(it.country.locale).street_address())
    city = LazyAttribute(lambda it: it.place.city)
    county = LazyAttribute(lambda it: it.place.county)
    post_code = LazyAttribute(lambda it: it.place.post_code)
    country_region_code = LazyAttribute(lambda it: it.country.code)
    phone_no = LazyAttribute(lambda it: faker(it.country.locale).numerify(it.country.phone))
    e_mail = LazyAttribute(lambda it: f"post@{domain(it.name)}")
    home_page = LazyAttribute(lambda it: f"https://www.{domain(it.name)}")
    credit_limit_lcy = LazyFunction(lambda: one_of(CREDIT_LIMITS))


class ContactFactory(ERPFactory[Contact]):
    """A person; with `customer`, one who works there."""

    class Meta:
        model = Contact

    class Params:
        customer: Any = None
        country = LazyFunction(some_country)

    first_name = LazyAttribute(lambda it: faker(it.country.locale).first_name())
    surname = LazyAttribute(lambda it: faker(it.country.locale).last_name())
    job_title = LazyAttribute(lambda it: one_of(it.country.job_titles))
    customer_no = LazyAttribute(lambda it: it.customer.no if it.customer else "")
    address = LazyAttribute(lambda it: it.customer.address if it.customer else "")
    city = LazyAttribute(lambda it: it.customer.city if it.customer else "")
    county = LazyAttribute(lambda it: it.customer.county if it.customer else "")
    post_code = LazyAttribute(lambda it: it.customer.post_code if it.customer else "")
    country_region_code = LazyAttribute(lambda it: it.country.code)
    currency_code = LazyAttribute(lambda it: it.customer.currency_code if it.customer else "")
    salesperson_code = LazyAttribute(lambda it: it.customer.salesperson_code if it.customer else "")
    phone_no = LazyAttribute(lambda it: faker(it.country.locale).numerify(it.country.phone))
    mobile_phone_no = LazyAttribute(lambda it: faker(it.country.locale).numerify(it.country.mobile_phone))
    e_mail = LazyAttribute(
        lambda it: (
            f"{ascii_slug(it.first_name)}.{ascii_slug(it.surname)}"
            f"@{domain(it.customer.name if it.customer else it.surname)}"
        )
    )
