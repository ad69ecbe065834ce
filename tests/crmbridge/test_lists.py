"""The list and the record page that serve every mapped table."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from coupling.models import Coupling, CouplingState, Direction, TableMapping
from financials.factories import CustomerFactory, SalespersonFactory
from financials.models import Customer
from sync.models import Side
from tests.factories import (
    ChangeFactory,
    ConflictFactory,
    ConnectionFactory,
    CouplingFactory,
    FieldMappingFactory,
    SynchErrorFactory,
    TableMappingFactory,
    WaitingFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def mapping(db: None) -> TableMapping:
    made: TableMapping = TableMappingFactory.create()
    for field, column in {"name": "name", "city": "address1_city", "phone_no": "telephone1"}.items():
        FieldMappingFactory.create(mapping=made, erp_field=field, crm_column=column)
    return made


@pytest.fixture
def customer(mapping: TableMapping) -> Customer:
    made: Customer = CustomerFactory.create(no="C1", name="Blåbær AS", city="Bodø", phone_no="+47 1", blocked=0)
    return made


@pytest.fixture
def coupling(mapping: TableMapping, customer: Customer) -> Coupling:
    base = {"name": ["Blåbær AS", "Blåbær AS"], "telephone1": ["+47 2", "+47 2"]}
    made: Coupling = CouplingFactory.create(mapping=mapping, erp_id=customer.system_id, base=base)
    return made


def keys(desk: Client, query: str = "") -> list[str]:
    listing = desk.get(f"/tables/customer/?{query}").context["listing"]
    return [row.values[0][1] for row in listing.rows]


def record(desk: Client, customer: Customer) -> str:
    return desk.get(f"/tables/customer/{customer.system_id}/").content.decode()


def test_s56_the_customer_list_is_called_so_and_shows_couplings(
    desk: Client, customer: Customer, coupling: Coupling
) -> None:
    answer = desk.get("/tables/customer/")
    text = answer.content.decode()
    assert "<h1>Customer List</h1>" in text
    assert "Coupled</span>" in text
    captions = [column.caption for column in answer.context["listing"].columns]
    assert captions == ["No.", "Name", "City", "Phone No."]


def test_s58_every_mapped_table_has_its_list(desk: Client) -> None:
    SalespersonFactory.create(code="IS", name="Ingrid Solberg")
    TableMappingFactory.create(name="SALES PEOPLE", erp_table="financials.Salesperson", erp_key="code")
    text = desk.get("/tables/sales-people/").content.decode()
    assert "<h1>Salesperson List</h1>" in text
    assert "Ingrid Solberg" in text


def test_the_search_looks_into_the_columns_shown(desk: Client, customer: Customer) -> None:
    CustomerFactory.create(no="C2", name="Tyttebær AS", city="Oslo", phone_no="")
    assert keys(desk, "q=bodø") == ["C1"]
    assert keys(desk, "q=tytte oslo") == ["C2"]
    assert keys(desk, "q=tytte bodø") == []
    assert "No record matches" in desk.get("/tables/customer/?q=nothing").content.decode()


def test_the_list_is_narrowed_by_coupling_and_errors(desk: Client, customer: Customer, coupling: Coupling) -> None:
    alone = CustomerFactory.create(no="C2")
    in_crm = CustomerFactory.create(no="C3")
    there = CouplingFactory.create(mapping=coupling.mapping, erp_id=in_crm.system_id)
    SynchErrorFactory.create(mapping=coupling.mapping, record_id=alone.system_id)
    SynchErrorFactory.create(mapping=coupling.mapping, record_id=there.crm_id, side=Side.CRM)
    assert keys(desk, "show=coupled") == ["C1", "C3"]
    assert keys(desk, "show=uncoupled") == ["C2"]
    assert keys(desk, "show=errors") == ["C2", "C3"]
    assert keys(desk, "show=nonsense") == ["C1", "C2", "C3"]


def test_the_list_is_sorted_by_a_column_and_back(desk: Client, customer: Customer) -> None:
    CustomerFactory.create(no="C2", name="Aas AS")
    assert keys(desk, "sort=name") == ["C2", "C1"]
    assert keys(desk, "sort=-name") == ["C1", "C2"]
    assert keys(desk, "sort=client_secret") == ["C1", "C2"]
    assert 'aria-sort="descending"' in desk.get("/tables/customer/?sort=-name").content.decode()


def test_i9_a_page_of_the_list_costs_the_same_with_more_records(
    desk: Client, mapping: TableMapping, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    CustomerFactory.create()
    with django_assert_num_queries(11) as few:
        desk.get("/tables/customer/")
    for one in CustomerFactory.create_batch(55):
        CouplingFactory.create(mapping=mapping, erp_id=one.system_id)
    with django_assert_num_queries(len(few)):
        answer = desk.get("/tables/customer/")
    assert len(answer.context["listing"].rows) == 50
    assert "51–56 of 56" in desk.get("/tables/customer/?page=2").content.decode()


def test_the_record_page_compares_both_sides(desk: Client, customer: Customer, coupling: Coupling) -> None:
    answer = desk.get(f"/tables/customer/{customer.system_id}/")
    fields = {field.mapping.erp_field: (field.is_agreed, field.is_equal) for field in answer.context["fields"]}
    assert fields == {"name": (True, True), "city": (False, False), "phone_no": (True, False)}
    assert "Changed since" in answer.content.decode()


def test_an_amount_is_shown_alike_on_both_sides(desk: Client, customer: Customer, coupling: Coupling) -> None:
    FieldMappingFactory.create(mapping=coupling.mapping, erp_field="credit_limit_lcy", crm_column="creditlimit")
    Customer.objects.filter(pk=customer.pk).update(credit_limit_lcy="1500.50")
    coupling.base["creditlimit"] = ["1500.5", "1500.5"]
    coupling.save()
    assert record(desk, customer).count("1,500.50") == 2


def test_s60_a_coupled_record_opens_in_the_crm(desk: Client, customer: Customer, coupling: Coupling) -> None:
    ConnectionFactory.create()
    text = record(desk, customer)
    address = "https://contoso.crm4.dynamics.com/main.aspx?pagetype=entityrecord&amp;etn=account"
    assert f'href="{address}&amp;id={coupling.crm_id}" target="_blank" rel="noopener noreferrer"' in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_enabled": False}, "switched off"),
        ({"erp_filter": [["blocked", "eq", 1]]}, "Blocked is Not blocked"),
        ({"erp_filter": [["currency_code", "filled"]]}, "Currency Code is blank"),
        ({"direction": Direction.FROM_CRM}, "come from the CRM"),
        ({"only_coupled": True}, "Run a full synchronization"),
        ({"only_coupled": False}, "The next run takes it along"),
    ],
)
def test_i10_an_uncoupled_record_says_why(
    desk: Client, mapping: TableMapping, customer: Customer, change: dict[str, Any], reason: str
) -> None:
    TableMapping.objects.filter(pk=mapping.pk).update(**change)
    Customer.objects.filter(pk=customer.pk).update(currency_code="")
    assert reason in record(desk, customer)


def test_a_broken_coupling_counts_as_none(desk: Client, customer: Customer, coupling: Coupling) -> None:
    Coupling.objects.update(state=CouplingState.BROKEN)
    assert keys(desk, "show=uncoupled") == ["C1"]
    assert "Broken" in record(desk, customer)


def test_i10_the_story_of_a_record_is_told_to_htmx_and_without(
    desk: Client, customer: Customer, coupling: Coupling
) -> None:
    SynchErrorFactory.create(mapping=coupling.mapping, record_id=coupling.crm_id, side=Side.CRM)
    WaitingFactory.create(mapping=coupling.mapping, record_id=customer.system_id)
    ConflictFactory.create(coupling=coupling, field=coupling.mapping.fields.get(erp_field="name"))
    ChangeFactory.create(coupling=coupling)
    address = f"/sync/records/customer/{customer.system_id}/"
    assert f'hx-get="{address}"' in record(desk, customer)
    whole = desk.get(address).content.decode()
    part = desk.get(address, headers={"HX-Request": "true"}).content.decode()
    assert whole.startswith("<!doctype html>")
    assert "<html" not in part
    for text in ("The email is too long.", "Shorten it.", "CURRENCY SEK", "Berglunds AB", "+47 22 11 11 11"):
        assert text in part, text
        assert text in whole, text


def test_technical_detail_is_for_staff(client: Client, bob: User, customer: Customer, coupling: Coupling) -> None:
    SynchErrorFactory.create(mapping=coupling.mapping, record_id=customer.system_id)
    client.force_login(bob)
    for address in (f"/sync/records/customer/{customer.system_id}/", "/errors/"):
        text = client.get(address).content.decode()
        assert "The email is too long." in text
        assert "0x80040333" not in text
