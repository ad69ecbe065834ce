"""I9: the cost of a run grows with its pages, not with its records."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from connection.dataverse.client import DataverseClient
from coupling.models import Direction, TableMapping
from financials.models import Customer
from sync.engine.reading import released
from sync.models import Side, SynchJob, Waiting

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., dict[str, SynchJob]]
FEW, MANY = 100, 900


def cost(run: Run, crm: DataverseClient, **how: Any) -> tuple[int, int]:
    """The queries and requests of a run."""
    before = crm.requests_sent
    with CaptureQueriesContext(database) as queries:
        run("CUSTOMER", **how)
    return len(queries), crm.requests_sent - before


def test_i9_a_page_costs_the_same_whatever_the_number_of_its_records(
    company: Any, run: Run, crm: DataverseClient
) -> None:
    run("CURRENCY", full=True)
    costs: dict[str, list[tuple[int, int]]] = {"create": [], "update": [], "echo": [], "look": [], "idle": []}
    for count in (FEW, MANY):
        Customer.objects.bulk_create(Customer(no=f"{count}-{n}", name=f"{count}-{n}") for n in range(count))
        costs["create"].append(cost(run, crm, full=True, direction=Direction.TO_CRM))
        run("CUSTOMER")
        Customer.objects.filter(no__startswith=f"{count}-").update(city="Ålesund")
        costs["update"].append(cost(run, crm, direction=Direction.TO_CRM))
        costs["echo"].append(cost(run, crm))
        costs["look"].append(cost(run, crm, full=True))
        costs["idle"].append(cost(run, crm))
    print(costs)
    # Bulk statements take 200 or 500 rows each, bulk requests 250: some more of them, but never one a record.
    for what, ((few_queries, few_requests), (queries, requests)) in costs.items():
        assert queries - few_queries <= 12, what
        assert requests - few_requests <= (4 if what in ("create", "update") else 1), what


def test_i9_waiting_records_are_looked_through_some_at_a_time(
    mappings: dict[str, TableMapping], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    run("CURRENCY", full=True)
    monkeypatch.setattr("sync.engine.reading.PAGE_SIZE", 10)
    for n in range(35):
        key = "NOK" if n % 3 else "EUR"
        waiting = {"side": Side.ERP, "record_id": f"{n:032}", "waits_for": mappings["CURRENCY"], "waits_for_key": key}
        Waiting.objects.create(mapping=mappings["CUSTOMER"], **waiting)
    slices = list(released(mappings["CUSTOMER"], Side.ERP))
    assert len(slices) == 4
    assert sum(map(len, slices)) == 23
