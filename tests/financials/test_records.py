"""What holds for every ERP record, whichever way it is written."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext

from financials.factories import (
    ContactFactory,
    CurrencyFactory,
    CustomerFactory,
    PaymentTermsFactory,
    SalespersonFactory,
)
from financials.models import CompanySettings, Contact, Currency, Customer, PaymentTerms, Salesperson, WebServiceKey
from financials.models.record import ERPRecord

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


def aged(record: Any) -> Any:
    """The record, as if it had last been written long ago."""
    type(record).objects.filter(pk=record.pk).update(system_modified_at=LONG_AGO)
    return type(record).objects.get(pk=record.pk)


def reasons(record: models.Model) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as refused:
        record.full_clean()
    return refused.value.message_dict


# An access key belongs to a user, and is no data of the company.
TABLES = [model for model in apps.get_app_config("financials").get_models() if model is not WebServiceKey]


@pytest.mark.parametrize("model", TABLES)
def test_every_table_has_system_id_stamps_and_their_index(model: type[models.Model]) -> None:
    assert issubclass(model, ERPRecord)
    assert model._meta.pk.name == "system_id"
    assert ["system_modified_at", "system_id"] in [index.fields for index in model._meta.indexes]


@pytest.mark.parametrize(
    "write",
    [
        lambda customer: customer.save(),
        lambda customer: customer.save(update_fields=["phone_no"]),
        lambda customer: Customer.objects.filter(pk=customer.pk).update(phone_no="2"),
        lambda customer: Customer.objects.bulk_update([customer], ["phone_no"]),
        lambda customer: Customer.objects.update_or_create(no=customer.no, defaults={"phone_no": "2"}),
        lambda customer: Customer.objects.bulk_create(
            [customer], update_conflicts=True, unique_fields=["system_id"], update_fields=["phone_no"]
        ),
    ],
    ids=["save", "save fields", "update", "bulk_update", "update_or_create", "upsert"],
)
def test_every_write_stamps_the_record(write: Callable[[Customer], Any]) -> None:
    customer = aged(CustomerFactory.create(phone_no="1"))
    customer.phone_no, created_at = "2", customer.system_created_at
    write(customer)
    stored = Customer.objects.get(pk=customer.pk)
    assert stored.phone_no == "2"
    assert stored.system_modified_at > LONG_AGO
    assert stored.system_created_at == created_at


def test_reading_stamps_nothing() -> None:
    customer = aged(CustomerFactory.create())
    customer.full_clean()
    customer.refresh_from_db()
    assert customer.system_modified_at == LONG_AGO


def test_codes_have_one_spelling_and_nothing_is_blank() -> None:
    customer = Customer(no="  alfki ", name="Alfreds", post_code=" wa1 1dp", address_2=None, currency_code=None)
    customer.full_clean()
    customer.save()
    assert (customer.no, customer.post_code, customer.address_2, customer.currency_code) == ("ALFKI", "WA1 1DP", "", "")
    assert Customer.objects.get(no="alfki") == customer
    assert Customer.objects.filter(no__in=["Alfki "], no__icontains="lfk").exists()


def test_bulk_writes_spell_codes_the_same_way() -> None:
    (customer,) = Customer.objects.bulk_create([Customer(no="c1 ", name="One")])
    Customer.objects.filter(pk=customer.pk).update(country_region_code=" no")
    assert Customer.objects.values_list("no", "country_region_code").get() == ("C1", "NO")


def test_the_caller_may_choose_the_system_id() -> None:
    chosen = UUID("12345678-1234-4234-8234-123456789abc")
    customer = Customer(system_id=chosen, name="Chosen")
    customer.full_clean()
    customer.save()
    assert Customer.objects.get(pk=chosen).no == "C00001"


def test_numbers_are_unique_in_any_spelling() -> None:
    CustomerFactory.create(no="C1")
    assert "no" in reasons(CustomerFactory.build(no="c1"))
    with pytest.raises(IntegrityError), transaction.atomic():
        CustomerFactory.create(no=" c1")


def test_new_records_are_numbered_from_their_series() -> None:
    assert [CustomerFactory.create().no, CustomerFactory.create().no] == ["C00001", "C00002"]
    assert ContactFactory.create().no == "KT00001"


def test_s_1_new_salespeople_get_sp_no_codes() -> None:
    assert [SalespersonFactory.create().code, SalespersonFactory.create().code] == ["SP NO. 00001", "SP NO. 00002"]


def test_numbers_given_by_hand_are_passed_over() -> None:
    CustomerFactory.create(no="C00002")
    made = Customer.objects.bulk_create([CustomerFactory.build(), CustomerFactory.build(no="MINE")])
    assert [customer.no for customer in made] == ["C00001", "MINE"]
    assert CustomerFactory.create().no == "C00003"


def test_a_stored_record_keeps_a_number() -> None:
    customer = CustomerFactory.create()
    customer.no = " "
    assert "no" in reasons(customer)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("currency_code", "Currency XX does not exist. Create it first, or choose another one."),
        ("payment_terms_code", "Payment Terms XX does not exist. Create it first, or choose another one."),
        ("shipment_method_code", "Shipment Method XX does not exist. Create it first, or choose another one."),
        ("shipping_agent_code", "Shipping Agent XX does not exist. Create it first, or choose another one."),
        ("salesperson_code", "Salesperson XX does not exist. Create it first, or choose another one."),
        ("primary_contact_no", "Contact XX does not exist. Create it first, or choose another one."),
    ],
)
def test_a_reference_must_name_a_record(field: str, message: str) -> None:
    assert reasons(CustomerFactory.build(**{field: "xx"})) == {field: [message]}


def test_a_reference_to_an_existing_record_is_accepted_in_any_spelling() -> None:
    PaymentTermsFactory.create(code="30D")
    customer = CustomerFactory.build(payment_terms_code=" 30d")
    customer.full_clean()
    customer.save()
    assert Customer.objects.get().payment_terms_code == "30D"


def test_history_stays_when_what_it_names_is_deleted() -> None:
    CustomerFactory.create(payment_terms_code=PaymentTermsFactory.create().code)
    PaymentTerms.objects.all().delete()
    customer = Customer.objects.get()
    customer.phone_no = "22 33 44 55"
    customer.full_clean()
    customer.save()
    assert customer.payment_terms_code == "30D"


def test_a_renamed_code_is_renamed_where_it_is_used() -> None:
    customer = aged(CustomerFactory.create(payment_terms_code=PaymentTermsFactory.create().code))
    terms = PaymentTerms.objects.get()
    terms.code = "net30"
    terms.save()
    customer.refresh_from_db()
    assert customer.payment_terms_code == "NET30"
    assert customer.system_modified_at > LONG_AGO


def test_a_renamed_customer_keeps_its_contacts_and_its_system_id() -> None:
    customer = CustomerFactory.create(no="OLD")
    ContactFactory.create(customer=customer)
    customer.no = "NEW"
    customer.save()
    assert Contact.objects.get().customer_no == "NEW"
    assert Customer.objects.get().pk == customer.pk


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"e_mail": "nobody"}, "e_mail"),
        ({"credit_limit_lcy": "-1"}, "credit_limit_lcy"),
        ({"blocked": 9}, "blocked"),
    ],
)
def test_a_customer_that_makes_no_sense_is_refused(values: dict[str, Any], field: str) -> None:
    assert list(reasons(Customer(**{"name": "A", **values}))) == [field]


def test_a_person_is_named_after_the_parts_of_the_name() -> None:
    contact = Contact.objects.create(first_name="Åse", middle_name=" Marie ", surname="Østby")
    assert contact.name == "Åse Marie Østby"
    contact.surname = "Ås"
    contact.save(update_fields=["surname"])
    assert Contact.objects.get().name == "Åse Marie Ås"


def test_a_contact_needs_a_name() -> None:
    assert reasons(Contact()) == {
        "__all__": ["Enter a first name or a surname, or the name of a company."],
    }


def test_a_contact_carries_the_name_of_its_customer() -> None:
    customer = CustomerFactory.create(no="C1", name="Ålesund Sjømat AS")
    contact = Contact.objects.create(first_name="Kari", customer_no="c1")
    assert contact.company_name == "Ålesund Sjømat AS"
    customer.name = "Ålesund Fisk AS"
    customer.save()
    contact.refresh_from_db()
    assert contact.company_name == "Ålesund Fisk AS"


def test_a_customer_change_without_a_new_name_leaves_its_contacts_alone() -> None:
    customer = CustomerFactory.create()
    contact = aged(ContactFactory.create(customer=customer))
    customer.phone_no = "1"
    customer.save()
    contact.refresh_from_db()
    assert contact.system_modified_at == LONG_AGO


def test_creating_many_costs_a_constant_number_of_queries() -> None:
    customers = Customer.objects.bulk_create([CustomerFactory.build() for _ in range(3)])

    def queries(count: int) -> int:
        contacts = [ContactFactory.build(customer=customers[i % 3]) for i in range(count)]
        with CaptureQueriesContext(connection) as captured:
            Contact.objects.bulk_create(contacts)
        return len(captured)

    queries(1)
    assert queries(5) == queries(20)


def test_there_is_one_company_and_its_currency_exists() -> None:
    assert CompanySettings.current().lcy_code == ""
    assert not CompanySettings.objects.exists()
    CompanySettings.objects.create(company_name="Fjord Nordic AS", lcy_code="nok", local_currency_symbol="kr")
    assert CompanySettings.current().experience == "Suite"
    assert Currency.objects.values_list("code", "iso_code", "symbol").get() == ("NOK", "NOK", "kr")
    with pytest.raises(IntegrityError), transaction.atomic():
        CompanySettings.objects.create(company_name="Another", lcy_code="SEK")
    assert "lcy_code" in reasons(CompanySettings(company_name="Blank"))


def test_saving_the_settings_leaves_the_currency_alone() -> None:
    CurrencyFactory.create(code="NOK", description="Norske kroner", symbol="kr")
    before = Currency.objects.values().get()
    CompanySettings.objects.create(company_name="Fjord Nordic AS", lcy_code="NOK")
    assert Currency.objects.values().get() == before


def test_salespeople_read_as_code_and_name() -> None:
    assert str(Salesperson(code="KN", name="Kari Nilsen")) == "KN Kari Nilsen"
