"""Lost answers, concurrent edits, a CRM that goes away in the middle of a page: nothing is lost, nothing doubled."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from connection.dataverse.client import DataverseClient
from connection.errors import Recovery
from connection.models import CRMConnection
from coupling.models import Coupling, CouplingState, Direction, TableMapping
from financials.models import Contact, Customer
from sync.engine.chain import synchronize_all
from sync.lease import LeaseLost
from sync.models import COUNTERS, Change, Conflict, JobState, SynchError, SynchJob, SynchState, Waiting
from tests.sandbox_process import SandboxProcess
from tests.sync.sides import account, edit_account, edit_customer
from tests.sync.wire import CREATE, UPDATE, Wire, away, fault, lose, wired

pytestmark = pytest.mark.django_db(transaction=True)

Go = Callable[..., dict[str, SynchJob]]


@pytest.fixture
def line(connection: CRMConnection) -> tuple[DataverseClient, Wire]:
    return wired(connection)


@pytest.fixture
def wire(line: tuple[DataverseClient, Wire]) -> Wire:
    return line[1]


@pytest.fixture
def go(line: tuple[DataverseClient, Wire], mappings: dict[str, TableMapping], company: Any) -> Go:
    """Synchronize over the wire, whatever comes of it; each mapping's first job by `MAPPING direction`."""

    def run(*names: str, direction: Direction | None = None, full: bool = False) -> dict[str, SynchJob]:
        chosen = [mappings[name] for name in names or mappings]
        jobs: Sequence[SynchJob] = synchronize_all(chosen, line[0], direction=direction, full=full)
        for job in jobs:
            job.refresh_from_db()
            assert job.read == sum(getattr(job, name) for name in COUNTERS)  # I12
        return {f"{job.mapping.name} {job.direction}": job for job in reversed(jobs)}

    run("CURRENCY", full=True)
    return run


def customers(count: int) -> None:
    Customer.objects.bulk_create(Customer(no=f"C{n}", name=f"N{n}", phone_no="0") for n in range(count))


def assert_settled(go: Go, crm: DataverseClient, sandbox: SandboxProcess) -> None:
    """Both sides have each record once, nothing is open, and another run writes nothing."""
    assert crm.count("account") == Customer.objects.count()
    coupled = Coupling.objects.filter(mapping__name="CUSTOMER")
    assert set(coupled.values_list("state", flat=True)) <= {CouplingState.COUPLED}
    assert coupled.count() == Customer.objects.count()
    assert not SynchError.objects.filter(resolved_at=None).exists()
    assert not Waiting.objects.exists()
    assert not SynchState.objects.exclude(lease_owner="").exists()
    writes = sandbox.calls()["writes"]
    assert all(job.state == JobState.FINISHED for job in go().values())
    assert sandbox.calls()["writes"] == writes


def test_i1_a_lost_answer_to_a_create_is_looked_up(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    customers(5)
    wire.on(CREATE, after=lose)
    jobs = go(full=True)
    assert (jobs["CUSTOMER to"].state, jobs["CUSTOMER to"].inserted) == (JobState.FINISHED, 5)
    assert Change.objects.filter(is_insert=True, coupling__mapping__name="CUSTOMER").count() == 5
    assert_settled(go, crm, sandbox)


def test_i1_what_landed_before_the_crm_went_away_is_recorded(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    customers(300)

    def lose_and_stay_away() -> Any:
        wire.on("", before=away, times=100)
        lose()

    wire.on('"name":"N299"', after=lose_and_stay_away)
    jobs = go("CUSTOMER", full=True)
    job = jobs["CUSTOMER to"]
    assert (job.state, job.inserted, job.failed) == (JobState.FAILED, 250, 50)
    assert Coupling.objects.filter(state=CouplingState.PENDING).count() == 50
    wire.clear()
    go()
    assert_settled(go, crm, sandbox)


def test_i1_a_create_that_never_arrived_is_sent_again_under_its_id(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    customers(5)
    wire.on(CREATE, before=lose)
    assert go("CUSTOMER", full=True)["CUSTOMER to"].state == JobState.FAILED
    promised = set(Coupling.objects.filter(mapping__name="CUSTOMER").values_list("crm_id", flat=True))
    go()
    assert set(Coupling.objects.filter(mapping__name="CUSTOMER").values_list("crm_id", flat=True)) == promised
    assert_settled(go, crm, sandbox)


def test_i1_i2_edits_on_both_sides_of_a_row_whose_create_was_lost_survive(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    customers(2)

    def lose_and_stay_away() -> Any:
        wire.on("", before=away, times=100)
        lose()

    wire.on(CREATE, after=lose_and_stay_away)
    go("CUSTOMER", full=True)
    wire.clear()
    edit_customer("C0", phone_no="erp")
    edit_account(crm, "C0", fax="crm")
    go()
    row = account(crm, "C0", "telephone1", "fax")
    assert (row["telephone1"], row["fax"]) == ("erp", "crm")
    assert Customer.objects.get(no="C0").fax_no == "crm"
    assert_settled(go, crm, sandbox)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_i1_a_server_fault_on_a_create_makes_no_duplicate_and_heals(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess, moment: str
) -> None:
    customers(1)
    if moment == "before":
        wire.on(CREATE, before=fault)
    else:
        wire.on(CREATE, after=fault)
    go("CUSTOMER", full=True)
    error = SynchError.objects.get()
    assert error.kind == Recovery.RETRY_LATER
    assert "Nothing to do: crmbridge" in error.fix_text  # nobody pressed a button who would have to do so again
    go()
    assert_settled(go, crm, sandbox)


def test_i2_a_lost_answer_to_an_update_is_no_conflict(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    customers(3)
    go(full=True)
    edit_customer("C0", phone_no="1")
    wire.on(UPDATE, after=lose)
    assert go()["CUSTOMER to"].state == JobState.FAILED
    go()
    assert account(crm, "C0", "telephone1")["telephone1"] == "1"
    assert not Conflict.objects.exists()
    assert_settled(go, crm, sandbox)


def test_i2_an_edit_between_reading_and_writing_survives(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    customers(3)
    go(full=True)
    edit_customer("C0", phone_no="1")
    edit_customer("C1", phone_no="1")
    wire.on(UPDATE, before=lambda: [edit_account(crm, "C0", fax="2"), edit_account(crm, "C1", telephone1="2")])
    go()
    row = account(crm, "C0", "telephone1", "fax")
    assert (row["telephone1"], row["fax"], Customer.objects.get(no="C0").fax_no) == ("1", "2", "2")
    conflict = Conflict.objects.get(resolved_at=None)
    assert (conflict.erp_value, conflict.crm_value) == ("1", "2")
    assert account(crm, "C1", "telephone1")["telephone1"] == "2"
    edit_customer("C1", phone_no="2")
    go()
    assert not Conflict.objects.filter(resolved_at=None).exists()
    assert_settled(go, crm, sandbox)


def test_i2_an_erp_edit_between_reading_and_writing_survives(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    customers(3)
    go(full=True)
    edit_customer("C0", phone_no="1")
    edit_account(crm, "C0", fax="2")
    wire.on(UPDATE, before=lambda: edit_customer("C0", city="Ålesund"))
    go()
    go()
    customer, row = Customer.objects.get(no="C0"), account(crm, "C0", "telephone1", "fax", "address1_city")
    assert (customer.phone_no, customer.fax_no, customer.city) == ("1", "2", "Ålesund")
    assert (row["telephone1"], row["fax"], row["address1_city"]) == ("1", "2", "Ålesund")
    assert_settled(go, crm, sandbox)


def test_i11_a_row_that_never_holds_still_is_tried_again_even_after_a_run_that_was_stopped(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coupling.tables.erp.OVERLAP", timedelta(0))
    customers(3)
    go(full=True)
    edit_customer("C0", phone_no="1")
    numbers = iter(range(100))
    wire.on(UPDATE, before=lambda: edit_account(crm, "C0", fax=str(next(numbers))), times=100)
    go("CUSTOMER", direction=Direction.TO_CRM)
    assert SynchError.objects.get(resolved_at=None).kind == Recovery.RETRY_LATER
    wire.on(UPDATE, before=away, times=100)
    go("CUSTOMER", direction=Direction.TO_CRM)
    assert SynchError.objects.filter(resolved_at=None).exists()
    wire.clear()
    go()
    assert account(crm, "C0", "telephone1")["telephone1"] == "1"
    assert_settled(go, crm, sandbox)


def test_i7_a_reference_that_is_released_while_the_crm_is_away_is_filled_in_later(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coupling.tables.erp.OVERLAP", timedelta(0))
    customers(1)
    Contact.objects.create(no="K1", first_name="Åse", customer_no="C0")
    edit_customer("C0", primary_contact_no="K1")
    go("CUSTOMER", full=True)
    assert Waiting.objects.get().is_optional
    wire.on(UPDATE, before=away, times=100)
    go("CONTACT", full=True)
    failed = go("CUSTOMER")
    assert failed["CUSTOMER to"].state == JobState.FAILED
    wire.clear()
    go()
    assert account(crm, "C0", "primarycontactid")["_primarycontactid_value"] is not None
    assert_settled(go, crm, sandbox)


@pytest.mark.parametrize("moment", ["In(PropertyName", CREATE])
def test_i5_who_loses_the_lease_promises_and_records_nothing_more(
    go: Go, wire: Wire, crm: DataverseClient, sandbox: SandboxProcess, moment: str
) -> None:
    customers(3)
    mine = SynchState.objects.filter(mapping__name="CUSTOMER")

    def take_over() -> None:
        mine.update(lease_owner="elsewhere:1:x")

    wire.on(moment, before=take_over)
    with pytest.raises(LeaseLost):
        go("CUSTOMER", full=True)
    assert crm.count("account") == (3 if moment == CREATE else 0)
    assert Coupling.objects.filter(mapping__name="CUSTOMER").count() == crm.count("account")
    mine.update(lease_owner="")
    assert go(full=True)["CUSTOMER to"].inserted == 3
    assert_settled(go, crm, sandbox)


def test_i4_changes_survive_a_delta_link_that_has_expired(
    go: Go, crm: DataverseClient, sandbox: SandboxProcess
) -> None:
    customers(3)
    go(full=True)
    edit_account(crm, "C0", fax="1")
    sandbox.expire_changes()
    go()
    assert Customer.objects.get(no="C0").fax_no == "1"
    assert_settled(go, crm, sandbox)
