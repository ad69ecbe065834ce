"""Who is there already is coupled, never created again; what could be either is left to a person."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from connection.dataverse.client import DataverseClient
from coupling.models import Coupling, Direction, TableMapping
from financials.models import Customer
from sync.engine import writing
from sync.engine.run import couple
from sync.models import SynchError, SynchJob
from tests.sync.sides import account_id, counters, new_account

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., dict[str, SynchJob]]


@pytest.fixture(autouse=True)
def _currencies(company: Any, run: Run) -> None:
    run("CURRENCY", full=True)


def test_customers_find_their_accounts_by_name_in_small_and_capital_letters(run: Run, crm: DataverseClient) -> None:
    Customer.objects.create(no="C1", name="Berg & Sønn AS")
    id_ = new_account(crm, name="BERG & Sønn as")
    run("CUSTOMER", direction=Direction.TO_CRM, full=True)
    assert account_id("C1") == id_
    assert (Customer.objects.count(), crm.count("account")) == (1, 1)


def test_accounts_find_their_customers_by_name_in_small_and_capital_letters(run: Run, crm: DataverseClient) -> None:
    Customer.objects.create(no="C1", name="ØDEGÅRD & Sønn AS")
    id_ = new_account(crm, name="Ødegård & sønn as")
    run("CUSTOMER", direction=Direction.FROM_CRM, full=True)
    assert account_id("C1") == id_
    assert (Customer.objects.count(), crm.count("account")) == (1, 1)


@pytest.mark.parametrize("direction", [Direction.TO_CRM, Direction.FROM_CRM])
def test_the_number_is_asked_before_the_name(run: Run, crm: DataverseClient, direction: Direction) -> None:
    Customer.objects.create(no="C1", name="Berg AS")
    Customer.objects.create(no="C2", name="Dal AS")
    ids = [new_account(crm, name="Dal AS", accountnumber="c1"), new_account(crm, name="Berg AS", accountnumber="C2")]
    run("CUSTOMER", direction=direction, full=True)
    assert [account_id("C1"), account_id("C2")] == ids


@pytest.mark.parametrize("direction", [Direction.TO_CRM, Direction.FROM_CRM])
@pytest.mark.parametrize(("customers", "accounts"), [(2, 1), (1, 2), (2, 2)])
def test_what_could_be_either_is_left_to_a_person(
    run: Run, crm: DataverseClient, direction: Direction, customers: int, accounts: int
) -> None:
    for n in range(customers):
        Customer.objects.create(no=f"C{n}", name="Berg AS")
    for _ in range(accounts):
        new_account(crm, name="Berg AS")
    job = run("CUSTOMER", direction=direction, full=True)[f"CUSTOMER {direction}"]
    asked = customers if direction == Direction.TO_CRM else accounts
    assert counters(job) == {"failed": asked}
    assert SynchError.objects.filter(resolved_at=None).count() == asked
    assert not Coupling.objects.filter(mapping__name="CUSTOMER").exists()
    assert (Customer.objects.count(), crm.count("account")) == (customers, accounts)


def test_coupling_alone_creates_and_writes_nothing_and_the_next_run_settles_the_pairs(
    run: Run, crm: DataverseClient, mappings: dict[str, TableMapping], sandbox: Any
) -> None:
    Customer.objects.create(no="C1", name="Berg AS", phone_no="1")
    Customer.objects.create(no="C2", name="Dal AS")
    id_ = new_account(crm, name="Berg AS", fax="2")
    writes = sandbox.calls()["writes"]
    job = couple(mappings["CUSTOMER"], crm)
    assert counters(job) == {"coupled": 1, "skipped": 1}
    assert sandbox.calls()["writes"] == writes
    run("CUSTOMER")
    assert Customer.objects.get(no="C1").fax_no == "2"
    assert crm.rows_by_id("account", [id_], select=["telephone1"])[id_]["telephone1"] == "1"
    assert crm.count("account") == 1


@pytest.mark.parametrize("way", ["to", "couple"])
def test_i6_who_is_coupled_by_somebody_else_meanwhile_is_left_to_a_person_and_hurts_nobody(
    run: Run, crm: DataverseClient, mappings: dict[str, TableMapping], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    Customer.objects.create(no="C1", name="Berg AS", phone_no="1")
    Customer.objects.create(no="C2", name="Dal AS", phone_no="2")
    berg, dal = new_account(crm, name="Berg AS"), new_account(crm, name="Dal AS")
    other, real = uuid4(), writing.claim_matches

    def couple_by_hand(*arguments: Any) -> None:
        if arguments[0].mapping.name == "CUSTOMER":
            Coupling.objects.create(mapping=mappings["CUSTOMER"], erp_id=other, crm_id=berg)
        real(*arguments)

    monkeypatch.setattr("sync.engine.run.claim_matches", couple_by_hand)
    if way == "couple":
        job = couple(mappings["CUSTOMER"], crm)
    else:
        job = run("CUSTOMER", direction=Direction.TO_CRM, full=True)["CUSTOMER to"]
    assert counters(job) == {"coupled": 1, "failed": 1}
    assert account_id("C2") == dal
    assert Coupling.objects.get(crm_id=berg).erp_id == other
    assert SynchError.objects.get(resolved_at=None).record_name == "C1"
    rows = crm.rows_by_id("account", [berg, dal], select=["telephone1"])
    assert rows[berg]["telephone1"] is None
    assert rows[dal]["telephone1"] == (None if way == "couple" else "2")


def test_i1_a_match_is_coupled_before_anything_is_written(
    run: Run, crm: DataverseClient, mappings: dict[str, TableMapping], monkeypatch: pytest.MonkeyPatch
) -> None:
    Customer.objects.create(no="C1", name="Berg AS", phone_no="1")
    berg = new_account(crm, name="Berg AS")

    def die(*arguments: object) -> None:
        raise SystemExit()

    with monkeypatch.context() as patch:
        patch.setattr(DataverseClient, "update_many", die)
        with pytest.raises(SystemExit):
            run("CUSTOMER", direction=Direction.TO_CRM, full=True)
    assert Coupling.objects.get(crm_id=berg).synchronized_at is None
    run("CUSTOMER", direction=Direction.TO_CRM)
    assert crm.rows_by_id("account", [berg], select=["telephone1"])[berg]["telephone1"] == "1"
    assert Coupling.objects.get(crm_id=berg).synchronized_at
