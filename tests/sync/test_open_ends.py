"""What earlier runs left open is taken up again, and what has ended is left alone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from connection.dataverse.client import DataverseClient
from connection.dataverse.writing import RowUpdate
from coupling.models import Coupling, CouplingState, Direction, FieldMapping, TableMapping
from financials.models import Contact, Customer, NoSeries
from sync.engine.chain import synchronize_all
from sync.engine.run import couple
from sync.engine.writing import new_id
from sync.models import Conflict, JobState, SynchError, SynchJob, Waiting
from tests.sync.sides import account, account_id, counters, edit_account, edit_customer, new_account

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., dict[str, SynchJob]]
Mappings = dict[str, TableMapping]


@pytest.fixture(autouse=True)
def _long_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run comes long after the changes, so that what it reads again for safety's sake hides nothing."""
    monkeypatch.setattr("coupling.tables.erp.OVERLAP", timedelta(0))


@pytest.fixture
def customers(company: Any, run: Run) -> None:
    """Three customers, coupled and equal."""
    for no in ("C1", "C2", "C3"):
        Customer.objects.create(no=no, name=f"Customer {no}", phone_no=f"phone {no}")
    run(full=True)


def promise(mapping: TableMapping, customer: Customer) -> UUID:
    """What a run leaves behind that dies between its promise and the call."""
    pending = CouplingState.PENDING
    return Coupling.objects.create(mapping=mapping, erp_id=customer.system_id, crm_id=new_id(), state=pending).crm_id


def open_errors() -> list[str]:
    return sorted(SynchError.objects.filter(resolved_at=None).values_list("record_name", flat=True))


def test_i1_a_promise_whose_erp_record_is_gone_is_settled(
    customers: None, run: Run, crm: DataverseClient, mappings: Mappings
) -> None:
    kept = Customer.objects.create(no="C4", name="Landed, then deleted")
    crm_id = promise(mappings["CUSTOMER"], kept)
    row = {"accountid": str(crm_id), "name": kept.name, "customertypecode": 3}
    assert crm.create_many("account", [row])[0].error is None
    withdrawn = Customer.objects.create(no="C5", name="Never sent, then deleted")
    promise(mappings["CUSTOMER"], withdrawn)
    Customer.objects.filter(no__in=["C4", "C5"]).delete()

    run("CUSTOMER", direction=Direction.FROM_CRM, full=True)
    run("CUSTOMER")

    assert not Coupling.objects.filter(state=CouplingState.PENDING).exists()
    assert Coupling.objects.get(crm_id=crm_id).state == CouplingState.BROKEN
    assert not Coupling.objects.filter(erp_id=withdrawn.system_id).exists()
    assert Customer.objects.count() == 3


def test_i1_a_promise_whose_record_left_the_filter_is_settled(
    customers: None, run: Run, crm: DataverseClient, mappings: Mappings
) -> None:
    landed = Customer.objects.create(no="C4", name="Landed", blocked=3)
    crm_id = promise(mappings["CUSTOMER"], landed)
    row = {"accountid": str(crm_id), "name": landed.name, "customertypecode": 3}
    assert crm.create_many("account", [row])[0].error is None
    never_sent = Customer.objects.create(no="C5", name="Never sent", blocked=3)
    promise(mappings["CUSTOMER"], never_sent)

    run("CUSTOMER")

    assert Coupling.objects.get(erp_id=landed.system_id).state == CouplingState.COUPLED
    assert not Coupling.objects.filter(erp_id=never_sent.system_id).exists()
    assert crm.count("account") == 4


def test_i7_a_child_is_created_by_the_next_run_once_its_parent_is_there(
    customers: None, run: Run, crm: DataverseClient
) -> None:
    Customer.objects.bulk_create([Customer(no="C9", name="Refused at first", credit_limit_lcy=-1)])
    Contact.objects.create(no="K9", first_name="Åse", surname="Ødegård", customer_no="C9")
    run(full=True)
    assert Waiting.objects.get().record_name == "K9"
    Customer.objects.filter(no="C9").update(credit_limit_lcy=1)

    jobs = run()

    assert jobs["CUSTOMER to"].inserted == 1, "a record whose creation was asked for goes in once it is corrected"
    assert crm.count("contact") == 1
    assert not Waiting.objects.exists()
    assert open_errors() == []
    assert len(synchronize_all(mappings_of(jobs), crm)) == len(jobs), "nothing is released any more"


def mappings_of(jobs: dict[str, SynchJob]) -> list[TableMapping]:
    return list({job.mapping.pk: job.mapping for job in jobs.values()}.values())


@pytest.mark.parametrize("end", ["deleted", "out of the filter"])
def test_i7_who_is_gone_waits_no_longer(customers: None, run: Run, crm: DataverseClient, end: str) -> None:
    Customer.objects.bulk_create([Customer(no="C9", name="Refused at first", credit_limit_lcy=-1)])
    Contact.objects.create(no="K9", first_name="Åse", customer_no="C9")
    run(full=True)
    if end == "deleted":
        Contact.objects.all().delete()
    else:
        Contact.objects.update(type=0)
    Customer.objects.filter(no="C9").update(credit_limit_lcy=1)
    run("CUSTOMER", full=True)
    jobs = run()
    assert not Waiting.objects.exists()
    assert len(synchronize_all(mappings_of(jobs), crm)) == len(jobs)
    assert crm.count("contact") == 0


def test_i11_an_error_stays_until_its_record_is_settled(
    customers: None, run: Run, crm: DataverseClient, mappings: Mappings
) -> None:
    Customer.objects.bulk_create([Customer(no="C9", name="Refused", credit_limit_lcy=-1)])
    run(full=True)
    run()
    couple(mappings["CUSTOMER"], crm)
    assert open_errors() == ["C9"]
    Customer.objects.filter(no="C9").delete()
    run()
    couple(mappings["CUSTOMER"], crm)
    SynchError.objects.update(kind="retry_later")
    run()
    assert open_errors() == []


def test_i11_coupling_alone_resolves_no_error_of_a_coupled_record(
    customers: None, run: Run, crm: DataverseClient, mappings: Mappings
) -> None:
    Customer.objects.filter(no="C1").update(credit_limit_lcy=-1)
    run()
    couple(mappings["CUSTOMER"], crm)
    assert open_errors() == ["C1"]


def test_i10_a_deleted_row_stays_an_error_until_it_is_restored(customers: None, run: Run, crm: DataverseClient) -> None:
    crm_id = account_id("C1")
    assert crm.delete_many("account", [(crm_id, None)])[0].error is None
    run()
    edit_customer("C1", phone_no="1")
    run()
    run(full=True)
    assert Coupling.objects.get(crm_id=crm_id).state == CouplingState.BROKEN
    assert "C1" in open_errors()
    assert crm.count("account") == 2

    row = {"accountid": str(crm_id), "name": "Customer C1", "customertypecode": 3, "telephone1": "phone C1"}
    assert crm.create_many("account", [row])[0].error is None
    run()
    assert Coupling.objects.get(crm_id=crm_id).state == CouplingState.COUPLED
    assert account(crm, "C1", "telephone1")["telephone1"] == "1"
    assert open_errors() == []


def test_i2_what_a_run_in_one_direction_may_not_send_is_sent_by_the_next_in_both(
    customers: None, run: Run, crm: DataverseClient
) -> None:
    edit_account(crm, "C1", creditlimit=77)
    run("CUSTOMER", direction=Direction.FROM_CRM)
    assert account(crm, "C1", "creditlimit")["creditlimit"] == 77
    run()
    assert account(crm, "C1", "creditlimit")["creditlimit"] == 0


@pytest.mark.parametrize("direction", [Direction.FROM_CRM, Direction.BOTH])
def test_i2_a_conflict_that_ends_because_one_side_takes_its_edit_back_loses_nothing(
    customers: None, run: Run, crm: DataverseClient, direction: Direction
) -> None:
    edit_customer("C1", phone_no="erp")
    edit_account(crm, "C1", telephone1="crm")
    run()
    edit_account(crm, "C1", telephone1="phone C1")
    run("CUSTOMER", direction=direction)
    run()
    assert account(crm, "C1", "telephone1")["telephone1"] == "erp"
    assert not Conflict.objects.filter(resolved_at=None).exists()


def test_i2_a_pair_found_by_a_one_way_run_is_equal_after_the_next_in_both(
    customers: None, run: Run, crm: DataverseClient
) -> None:
    Customer.objects.create(no="C9", name="Fjord AS", phone_no="erp")
    run()
    new_account(crm, name="Fjord AS", telephone1="crm", fax="7")
    jobs = run("CUSTOMER", direction=Direction.FROM_CRM, full=True)
    assert Customer.objects.get(no="C9").fax_no == "7"
    assert jobs["CUSTOMER from"].inserted == 0
    run()
    assert account(crm, "C9", "telephone1")["telephone1"] == "erp"


def test_i6_a_value_that_is_no_number_stops_one_record(
    customers: None, run: Run, crm: DataverseClient, mappings: Mappings
) -> None:
    FieldMapping.objects.create(
        mapping=mappings["CUSTOMER"], erp_field="mobile_phone_no", crm_column="numberofemployees", direction="to"
    )
    edit_customer("C1", mobile_phone_no="12")
    edit_customer("C2", mobile_phone_no="a dozen")
    jobs = run(direction=Direction.TO_CRM)
    assert counters(jobs["CUSTOMER to"])["failed"] == 1
    assert open_errors() == ["C2"]
    assert account(crm, "C1", "numberofemployees")["numberofemployees"] == 12


def test_i6_a_record_that_the_erp_cannot_number_stops_alone(customers: None, run: Run, crm: DataverseClient) -> None:
    NoSeries.objects.create(code="CUST", last_no_used="9" * 20)
    new_account(crm, name="One too many")
    edit_account(crm, "C1", fax="1")
    jobs = run(full=True)
    assert counters(jobs["CUSTOMER from"])["failed"] == 1
    assert Customer.objects.get(no="C1").fax_no == "1"
    assert "used up" in SynchError.objects.get().message_text


def test_i12_a_page_full_of_conflicts_is_recorded(company: Any, run: Run, crm: DataverseClient) -> None:
    fields = {
        "phone_no": "telephone1",
        "fax_no": "fax",
        "contact": "address1_primarycontactname",
        "address": "address1_line1",
        "address_2": "address1_line2",
        "city": "address1_city",
        "county": "address1_stateorprovince",
    }
    Customer.objects.bulk_create(Customer(no=f"C{n}", name=f"N{n}") for n in range(160))
    run(full=True)
    Customer.objects.update(**dict.fromkeys(fields, "erp"))
    edits = dict.fromkeys(fields.values(), "crm")
    ids = Coupling.objects.filter(mapping__name="CUSTOMER").values_list("crm_id", flat=True)
    assert all(each.ok for each in crm.update_many("account", [RowUpdate(id_, edits, None) for id_ in ids]))
    jobs = run("CUSTOMER")
    assert jobs["CUSTOMER to"].conflicts == 160
    assert Conflict.objects.filter(resolved_at=None).count() == 160 * len(fields)
    assert all(job.state == JobState.FINISHED for job in SynchJob.objects.all())


def test_i6_i11_what_the_erp_refuses_stops_one_record_until_it_is_corrected(
    customers: None, run: Run, crm: DataverseClient
) -> None:
    edit_account(crm, "C1", emailaddress1="no address", fax="1")
    edit_account(crm, "C2", fax="2")
    jobs = run()
    assert counters(jobs["CUSTOMER from"])["failed"] == 1
    assert [Customer.objects.get(no=no).fax_no for no in ("C1", "C2")] == ["", "2"]
    assert "e_mail" in SynchError.objects.get().message_text
    run()
    assert len(open_errors()) == 1
    edit_account(crm, "C1", emailaddress1="post@berg.no")
    run()
    customer = Customer.objects.get(no="C1")
    assert (customer.e_mail, customer.fax_no) == ("post@berg.no", "1")
    assert open_errors() == []
