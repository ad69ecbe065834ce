"""The engine end to end: real ERP tables, the real client over https, the sandbox's own store."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from connection.dataverse.client import DataverseClient
from coupling.models import Coupling, CouplingState, Direction
from financials.models import Contact, Customer, Salesperson
from sync.models import Change, Conflict, SynchError, SynchJob, Waiting
from tests.sync.sides import account, counters, edit_account, edit_customer

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., dict[str, SynchJob]]
Look = Callable[[], dict[str, Any]]


def test_i1_i12_northwind_arrives_whole(northwind: None, run: Run, crm: DataverseClient) -> None:
    assert (Customer.objects.count(), Contact.objects.count(), Salesperson.objects.count()) == (91, 91, 9)
    jobs = run(full=True)
    assert counters(jobs["CUSTOMER to"])["inserted"] == 91
    assert counters(jobs["CONTACT to"]) == {"inserted": 91}
    assert not SynchError.objects.exists()
    assert not Waiting.objects.exists()
    accounts = [row for page in crm.pages("account", select=["name", "address1_city"]) for row in page]
    contacts = [row for page in crm.pages("contact", select=["fullname", "parentcustomerid"]) for row in page]
    assert sorted(row["name"] for row in accounts) == sorted(Customer.objects.values_list("name", flat=True))
    assert "Antonio Moreno Taquería" in {row["name"] for row in accounts}
    assert "México D.F." in {row["address1_city"] for row in accounts}
    account_of = dict(Coupling.objects.filter(mapping__name="CUSTOMER").values_list("erp_id", "crm_id"))
    customer_of = dict(Customer.objects.values_list("no", "system_id"))
    parents = {each.name: str(account_of[customer_of[each.customer_no]]) for each in Contact.objects.all()}
    assert {row["fullname"]: row["_parentcustomerid_value"] for row in contacts} == parents


def test_i7_the_primary_contact_is_filled_in_once_the_contact_is_coupled(
    northwind: None, run: Run, crm: DataverseClient
) -> None:
    run(full=True)
    row = account(crm, "ALFKI", "primarycontactid")
    contact = Contact.objects.get(no=Customer.objects.get(no="ALFKI").primary_contact_no)
    assert row["_primarycontactid_value"] == str(Coupling.objects.get(erp_id=contact.system_id).crm_id)


def test_a_second_run_changes_nothing_and_writes_nothing(
    northwind: None, run: Run, whole_state: Look, sandbox: Any
) -> None:
    run(full=True)
    before, changes = whole_state(), Change.objects.count()
    writes = sandbox.calls()["writes"]
    for full in (False, True):
        jobs = run(full=full)
        assert all(set(counters(job)) <= {"unchanged", "skipped"} for job in jobs.values())
    assert sandbox.calls()["writes"] == writes
    assert whole_state() == before
    assert Change.objects.count() == changes


def test_i9_an_idle_run_costs_one_request_a_mapping(northwind: None, run: Run, crm: DataverseClient) -> None:
    run(full=True)
    run()
    before = crm.requests_sent
    run()
    # SALESPEOPLE, CUSTOMER and CONTACT ask for changes; CURRENCY only sends.
    assert crm.requests_sent - before == 3


def test_i2_phone_in_the_erp_and_fax_in_the_crm_both_survive(northwind: None, run: Run, crm: DataverseClient) -> None:
    run(full=True)
    edit_customer("ALFKI", phone_no="+47 900 00 001")
    edit_account(crm, "ALFKI", fax="+47 900 00 002")
    run()
    customer, row = Customer.objects.get(no="ALFKI"), account(crm, "ALFKI", "telephone1", "fax")
    assert (customer.phone_no, customer.fax_no) == ("+47 900 00 001", "+47 900 00 002")
    assert (row["telephone1"], row["fax"]) == ("+47 900 00 001", "+47 900 00 002")
    assert not Conflict.objects.exists()
    assert not SynchError.objects.exists()


def test_i2_the_same_field_on_both_sides_is_recorded_and_left_alone(
    northwind: None, run: Run, crm: DataverseClient
) -> None:
    run(full=True)
    edit_customer("ALFKI", phone_no="1", fax_no="11")
    edit_account(crm, "ALFKI", telephone1="2")
    jobs = run()
    assert jobs["CUSTOMER to"].conflicts == 1
    conflict = Conflict.objects.get()
    assert (conflict.erp_value, conflict.crm_value) == ("1", "2")
    row = account(crm, "ALFKI", "telephone1", "fax")
    assert (Customer.objects.get(no="ALFKI").phone_no, row["telephone1"]) == ("1", "2")
    assert row["fax"] == "11"
    edit_customer("ALFKI", phone_no="2")
    run()
    assert not Conflict.objects.filter(resolved_at__isnull=True).exists()


def test_s5_a_change_travels_in_either_direction(northwind: None, run: Run, crm: DataverseClient) -> None:
    run(full=True)
    edit_customer("BERGS", city="Ålesund")
    edit_account(crm, "BLONP", name="Blondesddsl père & fils")
    run()
    assert account(crm, "BERGS", "address1_city")["address1_city"] == "Ålesund"
    assert Customer.objects.get(no="BLONP").name == "Blondesddsl père & fils"


def test_a_direction_can_be_asked_for_alone(northwind: None, run: Run, crm: DataverseClient) -> None:
    run(full=True)
    edit_customer("BERGS", city="Ålesund")
    edit_account(crm, "BERGS", fax="1")
    run("CUSTOMER", direction=Direction.TO_CRM)
    assert account(crm, "BERGS", "address1_city")["address1_city"] == "Ålesund"
    assert Customer.objects.get(no="BERGS").fax_no != "1"
    run("CUSTOMER", direction=Direction.FROM_CRM)
    assert Customer.objects.get(no="BERGS").fax_no == "1"


def test_a_new_account_and_its_contact_become_customer_and_contact(run: Run, crm: DataverseClient) -> None:
    account_id, contact_id = uuid4(), uuid4()
    row = {"accountid": str(account_id), "name": "Fjord & Fjell AS", "customertypecode": 3, "telephone1": "55 00 00 00"}
    assert crm.create_many("account", [row])[0].error is None
    person = {
        "contactid": str(contact_id),
        "firstname": "Åse",
        "lastname": "Ødegård",
        "parentcustomerid_account@odata.bind": f"/accounts({account_id})",
    }
    assert crm.create_many("contact", [person])[0].error is None
    jobs = run(full=True)
    assert jobs["CUSTOMER from"].inserted == 1
    assert jobs["CONTACT from"].inserted == 1
    customer = Customer.objects.get()
    assert (customer.name, customer.phone_no) == ("Fjord & Fjell AS", "55 00 00 00")
    assert customer.no
    contact = Contact.objects.get()
    assert (contact.name, contact.customer_no) == ("Åse Ødegård", customer.no)
    assert set(Coupling.objects.values_list("erp_id", "crm_id", "state")) >= {
        (customer.system_id, account_id, CouplingState.COUPLED),
        (contact.system_id, contact_id, CouplingState.COUPLED),
    }


def test_scheduled_runs_create_nothing(northwind: None, run: Run, crm: DataverseClient) -> None:
    jobs = run()
    assert counters(jobs["CUSTOMER to"]) == {"skipped": 91}
    assert crm.count("account") == 0


def test_i6_three_refused_rows_stop_only_themselves(company: Any, run: Run, crm: DataverseClient) -> None:
    bad = {"C0017", "C0500", "C0998"}
    numbers = [f"C{number:04}" for number in range(1000)]
    Customer.objects.bulk_create(
        Customer(no=no, name=f"Customer {no}", credit_limit_lcy=-1 if no in bad else 1) for no in numbers
    )
    jobs = run("CURRENCY", "CUSTOMER", full=True)
    assert counters(jobs["CUSTOMER to"]) == {"inserted": 997, "failed": 3}
    errors = SynchError.objects.filter(mapping__name="CUSTOMER")
    assert {error.record_name for error in errors} == bad
    assert all("creditlimit" in error.message_text for error in errors), errors.first()
    assert Coupling.objects.filter(mapping__name="CUSTOMER", state=CouplingState.COUPLED).count() == 997
    assert not Coupling.objects.filter(state=CouplingState.PENDING).exists()
