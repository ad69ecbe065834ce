"""Each side lets in by itself exactly what the filters let in here."""

from typing import Any

import pytest

from connection.dataverse.client import DataverseClient
from coupling.counting import crm_count
from coupling.filters import Filter
from coupling.narrowing import erp_records
from coupling.values import canonical
from financials.models import Customer

FILTERS: list[list[list[Any]]] = [
    [["city", "eq", "Bergen"]],
    [["city", "ne", "Bergen"]],
    [["city", "in", ["Bergen", "Oslo's"]]],
    [["city", "blank"]],
    [["city", "filled"], ["city", "ne", "Oslo's"]],
    [],
]
CITIES = ["Bergen", "Oslo's", "", "Molde"]


@pytest.mark.django_db
@pytest.mark.parametrize("lines", FILTERS, ids=str)
def test_the_erp_lets_in_what_the_filter_does(lines: list[list[Any]]) -> None:
    Customer.objects.bulk_create(Customer(no=f"C{place}", name="A", city=city) for place, city in enumerate(CITIES))
    wanted = [city for city in CITIES if Filter.parse(lines).accepts({"city": canonical(city)})]
    assert sorted(record.city for record in erp_records(Customer, lines)) == sorted(wanted)


def test_the_crm_lets_in_what_the_filter_does(crm: DataverseClient) -> None:
    rows = [{"name": "A"} | ({"address1_city": city} if city else {}) for city in CITIES]
    assert all(outcome.ok for outcome in crm.create_many("account", rows))
    for lines in FILTERS:
        wanted = [city for city in CITIES if Filter.parse(lines).accepts({"city": canonical(city)})]
        theirs = [["address1_city", *rest] for _city, *rest in lines]
        assert crm_count(crm, "account", theirs) == len(wanted), lines
