"""The demo company: believable, valid, and the same for the same seed."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from financials.demo import CompanyNotEmptyError, create_demo_company
from financials.models import (
    CompanySettings,
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
from financials.places import ascii_slug

pytestmark = pytest.mark.django_db
TABLES: tuple[type[ERPRecord], ...] = (
    Customer,
    Contact,
    Salesperson,
    Currency,
    PaymentTerms,
    ShipmentMethod,
    ShippingAgent,
    UnitOfMeasure,
    Item,
    ItemLedgerEntry,
)
STAMPS = ("system_created_at", "system_modified_at")


def everything() -> list[list[dict[str, object]]]:
    return [
        [{name: value for name, value in row.items() if name not in STAMPS} for row in table.objects.values()]
        for table in TABLES
    ]


def test_the_company_is_complete_and_valid() -> None:
    made = create_demo_company(customers=60)
    assert (made.company_name, made.salespeople, made.customers) == ("Fjord Nordic AS", 6, 60)
    assert made.contacts == Contact.objects.count() >= 60
    for table in TABLES:
        for record in table.objects.all():
            record.stored = {}  # So that references count as new and are looked up.
            record.full_clean()


def test_the_same_seed_makes_the_same_records() -> None:
    create_demo_company(customers=20, seed=7)
    first = everything()
    for table in TABLES:
        table.objects.all().delete()
    reset_numbers()
    create_demo_company(customers=20, seed=7)
    assert everything() == first


def reset_numbers() -> None:
    from financials.models import NoSeries

    NoSeries.objects.all().delete()
    CompanySettings.objects.all().delete()


def test_another_seed_makes_another_company() -> None:
    create_demo_company(customers=5, seed=7)
    first = set(Customer.objects.values_list("name", flat=True))
    for table in (Customer, Contact, Salesperson):
        table.objects.all().delete()
    create_demo_company(customers=5, seed=8)
    assert first != set(Customer.objects.values_list("name", flat=True))


def test_customers_are_norwegian_american_and_german_with_their_currencies() -> None:
    create_demo_company(customers=100)
    pairs = set(Customer.objects.values_list("country_region_code", "currency_code"))
    assert pairs == {("NO", ""), ("US", "USD"), ("DE", "EUR")}
    assert len(set(Customer.objects.values_list("name", flat=True))) == 100
    assert Customer.objects.filter(city="Ålesund").exists()


def test_the_first_contact_of_a_customer_is_its_primary_one() -> None:
    create_demo_company(customers=20)
    for customer in Customer.objects.all():
        contacts = list(Contact.objects.filter(customer_no=customer.no))
        assert len(contacts) in (1, 2)
        assert (customer.primary_contact_no, customer.contact) == (contacts[0].no, contacts[0].name)
        assert {contact.company_name for contact in contacts} == {customer.name}


def test_options_are_described_as_the_crm_labels_them() -> None:
    create_demo_company(customers=1)
    assert set(PaymentTerms.objects.values_list("description", flat=True)) == {
        "Net 30",
        "2% 10, Net 30",
        "Net 45",
        "Net 60",
    }
    assert set(ShipmentMethod.objects.values_list("description", flat=True)) == {"FOB", "No Charge"}
    assert ShippingAgent.objects.filter(name="Postal Mail").exists()


def test_salespeople_have_the_addresses_their_crm_users_have() -> None:
    create_demo_company(customers=1)
    assert Salesperson.objects.get(code="IS").e_mail == "ingrid.solberg@fjordnordic.example"


def test_new_records_are_numbered_after_the_demo() -> None:
    create_demo_company(customers=3)
    assert Customer.objects.create(name="The fourth").no == "C00004"


def test_the_demo_is_not_poured_over_a_company() -> None:
    Customer.objects.create(name="Mine")
    with pytest.raises(CompanyNotEmptyError):
        create_demo_company(customers=1)
    with pytest.raises(CommandError, match="only be made in an empty database"):
        call_command("seed_financials", customers=1)
    assert Customer.objects.get().name == "Mine"


def test_the_command_states_what_it_made() -> None:
    said = StringIO()
    call_command("seed_financials", "--customers", "4", "--seed", "1", stdout=said)
    assert said.getvalue().startswith("Fjord Nordic AS: 4 customers, ")
    with pytest.raises(CommandError, match="at least one"):
        call_command("seed_financials", "--customers", "0")


def test_slugs_are_readable_in_norwegian_and_german() -> None:
    assert ascii_slug("Blåbær & Sønn AS") == "blabaer-sonn-as"
    assert ascii_slug("Großhandel Müller") == "grosshandel-mueller"
