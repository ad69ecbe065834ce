"""The ERP side of the table protocol, on the real customer table."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from coupling.errors import RecordChanged
from coupling.models import TableMapping
from coupling.tables.erp import OVERLAP, ERPTable
from coupling.tables.table import Write
from financials.models import CompanySettings, Currency, CurrencyExchangeRate, Customer

pytestmark = pytest.mark.django_db

FIELDS = ["name", "city", "credit_limit_lcy", "currency_code"]


@pytest.fixture
def table() -> ERPTable:
    mapping = TableMapping(name="CUSTOMER", erp_table="financials.Customer", erp_filter=[["blocked", "eq", 0]])
    mapping.erp_template = {"city": "Oslo"}
    return ERPTable(mapping, FIELDS)


def test_pages_follow_the_keyset_even_where_stamps_are_equal(table: ERPTable) -> None:
    Customer.objects.bulk_create(Customer(no=f"C{n}", name=f"N{n}") for n in range(25))
    Customer.objects.update(name="same stamp")
    pages = list(table.changes("", 10))
    assert [len(page.records) for page in pages] == [10, 10, 5]
    assert len({record.id for page in pages for record in page.records}) == 25


def test_i4_the_cursor_reads_again_only_what_lies_within_the_overlap(table: ERPTable) -> None:
    Customer.objects.create(no="OLD", name="Old")
    (page,) = table.changes("", 10)
    Customer.objects.update(system_modified_at=Customer.objects.get().system_modified_at - OVERLAP * 2)
    Customer.objects.create(no="NEW", name="New")
    assert page.cursor is not None
    (again,) = table.changes(page.cursor, 10)
    assert [record.name for record in again.records] == ["NEW"]


def test_i4_a_commit_that_was_overtaken_is_not_missed(table: ERPTable) -> None:
    Customer.objects.create(no="FAST", name="Fast")
    (page,) = table.changes("", 10)
    late = Customer.objects.create(no="LATE", name="Late")
    earlier = late.system_modified_at - timedelta(seconds=5)
    Customer.objects.filter(no="LATE").update(system_modified_at=earlier)
    assert page.cursor is not None
    (again,) = table.changes(page.cursor, 10)
    assert "LATE" in {record.name for record in again.records}


def test_i9_what_was_read_twice_is_not_read_for_ever(table: ERPTable, monkeypatch: pytest.MonkeyPatch) -> None:
    Customer.objects.bulk_create(Customer(no=f"C{n}", name=f"N{n}") for n in range(25))
    cursor = [page.cursor for page in table.changes("", 10)][-1] or ""
    early = [page.cursor for page in table.changes(cursor, 10)]
    assert len(early) == 3
    later = timezone.now() + OVERLAP
    monkeypatch.setattr(timezone, "now", lambda: later)
    again = [page.cursor for page in table.changes(early[-1] or "", 10)]
    assert len(again) == 3
    assert list(table.changes(again[-1] or "", 10)) == []
    Customer.objects.filter(no="C3").update(city="Bergen")
    (page,) = table.changes(again[-1] or "", 10)
    assert [record.name for record in page.records] == ["C3"]


def test_values_are_canonical(table: ERPTable) -> None:
    Customer.objects.create(no="C1", name="A", credit_limit_lcy="1500.50")
    (record,) = next(iter(table.changes("", 10))).records
    assert record.values["credit_limit_lcy"] == "1500.5"
    assert record.values["city"] is None


def test_creating_applies_the_template_and_the_tables_own_rules(table: ERPTable) -> None:
    good, bad = uuid4(), uuid4()
    with transaction.atomic():
        first, second = table.create([Write(good, {"name": "Good"}), Write(bad, {"currency_code": "XXX"})])
    assert first.record is not None
    assert first.record.values["city"] == "Oslo"
    assert Customer.objects.get().no
    assert second.error is not None
    assert "XXX" in str(second.error.text)


def test_i2_a_record_that_changed_since_it_was_judged_is_not_written(table: ERPTable) -> None:
    customer = Customer.objects.create(no="C1", name="Before")
    judged = table.fetch([customer.system_id])[customer.system_id]
    Customer.objects.filter(no="C1").update(city="Bergen")
    with transaction.atomic():
        (written,) = table.update([Write(judged.id, {"name": "After"}, judged.version)])
    assert isinstance(written.error, RecordChanged)
    assert Customer.objects.get().name == "Before"


def test_finding_ignores_the_case_of_letters(table: ERPTable) -> None:
    Customer.objects.create(no="C1", name="Ålesund Fisk")
    Customer.objects.create(no="C2", name="BERGEN Fisk")
    assert [record.name for record in table.find("name", ["bergen fisk"])] == ["C2"]
    assert [record.name for record in table.find("name", ["ålesund FISK"])] == ["C1"]


def test_a_code_is_found_however_it_is_spelled() -> None:
    Customer.objects.create(no="ÅL-1", name="Ålesund Fisk")
    table = ERPTable(TableMapping(name="CUSTOMER", erp_table="financials.Customer"), ["no"])
    assert [[record.name for record in table.find("no", [no])] for no in ("ÅL-1", "ål-1", "AL-1")] == [
        ["ÅL-1"],
        ["ÅL-1"],
        [],
    ]


def test_the_filter_decides_about_records(table: ERPTable) -> None:
    Customer.objects.create(no="C1", name="Free")
    Customer.objects.create(no="C2", name="Blocked", blocked=3)
    records = next(iter(table.changes("", 10))).records
    assert {record.name: table.accepts(record) for record in records} == {"C1": True, "C2": False}


def test_computed_columns_are_read_with_the_page() -> None:
    CompanySettings.objects.create(company_name="X", lcy_code="NOK")
    euro = Currency.objects.create(code="EUR")
    CurrencyExchangeRate.objects.create(
        currency=euro, starting_date="2020-01-01", exchange_rate_amount=100, relational_exch_rate_amount=1000
    )
    mapping = TableMapping(name="CURRENCY", erp_table="financials.Currency", erp_key="code")
    records = next(iter(ERPTable(mapping, ["exchange_rate_lcy"]).changes("", 10))).records
    assert {record.name: record.values["exchange_rate_lcy"] for record in records} == {"NOK": "1", "EUR": "0.1"}
