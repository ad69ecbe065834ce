"""Another environment of the CRM never inherits couplings and positions of the one before unasked."""

import re
from io import StringIO
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connection.models import CRMConnection
from coupling.defaults.install import install_defaults
from coupling.models import Coupling, CouplingState, Direction, TableMapping
from financials.factories import CurrencyFactory, CustomerFactory
from financials.models import CompanySettings
from sync.lease import lease
from sync.models import (
    Change,
    JobQueueLogEntry,
    JobState,
    JobStatus,
    LogState,
    SynchError,
    SynchJob,
    SynchState,
    Waiting,
)
from sync.queue import enqueue
from sync.working import work_once
from tests.factories import ConflictFactory, SynchErrorFactory, SynchJobFactory, WaitingFactory
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db

QUESTION = "/connection/environment/"


@pytest.fixture
def desk(alice: User, client: Client) -> Client:
    """Alice, the administrator, at her browser."""
    client.force_login(alice)
    return client


@pytest.fixture
def synchronized(desk: Client, connection: CRMConnection) -> CRMConnection:
    """The connection, enabled in the browser, after a full synchronization of one customer, and disabled again."""
    CompanySettings.objects.create(company_name="Fjordkraft", lcy_code="NOK")
    install_defaults("NOK", "NOK")
    TableMapping.objects.exclude(name__in=["CUSTOMER", "CURRENCY"]).update(is_enabled=False)
    CurrencyFactory.create(code="NOK")
    CustomerFactory.create(name="Rattlesnake Canyon Grocery")
    desk.post("/connection/disable/")
    desk.post("/connection/enable/")
    synchronize_fully()
    assert Coupling.objects.count() == 2
    desk.post("/connection/disable/")
    return CRMConnection.objects.get()


def synchronize_fully() -> dict[str, int]:
    """How many records were inserted under each mapping; every run succeeded."""
    before = SynchJob.objects.count()
    call_command("synchronize", full=True, stdout=StringIO())
    jobs = SynchJob.objects.order_by("pk")[before:]
    assert {job.state for job in jobs} == {JobState.FINISHED}, [job.message for job in jobs]
    inserted: dict[str, int] = {}
    for job in jobs.select_related("mapping"):
        inserted[job.mapping.name] = inserted.get(job.mapping.name, 0) + job.inserted
    return inserted


def incremental() -> set[str]:
    before = SynchJob.objects.count()
    call_command("synchronize", stdout=StringIO())
    return {job.state for job in SynchJob.objects.order_by("pk")[before:]}


def belongs_elsewhere() -> None:
    """As if all of it had been synchronized with another environment under another address."""
    other = "https://trial.crm4.dynamics.com"
    CRMConnection.objects.update(enabled_organization_id=uuid4(), enabled_address=other)
    links_lead_to(other)


def links_lead_to(other: str) -> None:
    for state in SynchState.objects.exclude(crm_cursor=""):
        cursor = state.crm_cursor.replace(CRMConnection.objects.get().address, other)
        assert other in cursor
        SynchState.objects.filter(pk=state.pk).update(crm_cursor=cursor)


def answered(desk: Client, **answer: str) -> str:
    """Open the question and give the answer; the text of the page to which it leads."""
    found = re.search(r'name="seen" value="([\w-]+)"', desk.get(QUESTION).content.decode())
    assert found
    return desk.post(QUESTION, {"seen": found[1], **answer}, follow=True).content.decode()


def is_refused(desk: Client) -> bool:
    page = desk.post("/connection/enable/")
    said = page.status_code == 200 and "The couplings belong to another environment" in page.content.decode()
    return said and not CRMConnection.objects.get().is_enabled


def test_every_door_refuses_to_enable_over_couplings_of_another_environment(
    desk: Client, synchronized: CRMConnection
) -> None:
    assert "another environment" not in desk.get("/connection/").content.decode()
    assert desk.get(QUESTION)["Location"] == "/connection/"
    belongs_elsewhere()
    assert is_refused(desk)
    assert QUESTION in desk.get("/connection/").content.decode()
    own = f"/api/v1/connection/{synchronized.pk}/"
    refused = desk.post(f"{own}enable/").json()
    assert refused["ok"] is False
    assert "another environment" in refused["steps"][-1]["error"]
    page = desk.post(reverse("admin:connection_crmconnection_enable", args=[synchronized.pk])).content.decode()
    assert "The couplings belong to another environment" in page
    findings = desk.get("/api/v1/preflight/?stage=access").json()["findings"]
    blockers = [each["text"] for each in findings if each["level"] == "blocker"]
    assert "The couplings belong to another environment of Dynamics CRM than the one that answers now." in blockers
    assert not CRMConnection.objects.get().is_enabled
    assert Coupling.objects.count() == 2


def test_in_a_copy_couplings_hold_and_the_crm_is_read_anew(desk: Client, synchronized: CRMConnection) -> None:
    before = list(Coupling.objects.order_by("pk").values())
    belongs_elsewhere()
    assert "The couplings are kept." in answered(desk, answer="same")
    assert not SynchState.objects.exclude(crm_cursor="").exists()
    assert desk.post("/connection/enable/")["Location"] == "/connection/"
    assert incremental() == {JobState.FINISHED}
    assert list(Coupling.objects.order_by("pk").values()) == before
    assert synchronize_fully() == {"CURRENCY": 0, "CUSTOMER": 0}
    assert desk.get(QUESTION)["Location"] == "/connection/"


def test_in_another_environment_couplings_are_deleted_once_that_is_sure_and_history_stays(
    desk: Client, synchronized: CRMConnection, sandbox: SandboxProcess
) -> None:
    customer = Coupling.objects.get(mapping__name="CUSTOMER")
    ConflictFactory.create(coupling=customer)
    WaitingFactory.create(mapping=customer.mapping)
    SynchErrorFactory.create(mapping=customer.mapping)
    history = list(Change.objects.order_by("pk").values("pk", "job", "side", "fields", "at"))
    sandbox.reset(empty=True)
    belongs_elsewhere()
    assert "Tick the box to delete the couplings." in answered(desk, answer="other")
    assert Coupling.objects.count() == 2
    assert "2 couplings were deleted." in answered(desk, answer="other", is_sure="on")
    assert not Coupling.objects.exists()
    assert not Waiting.objects.exists()
    assert not SynchError.objects.filter(resolved_at=None).exists()
    assert list(Change.objects.order_by("pk").values("pk", "job", "side", "fields", "at")) == history
    record = f"/customer/{customer.erp_id}/"
    job = Change.objects.get(former_erp_id=customer.erp_id).job_id
    assert record in desk.get(f"/jobs/{job}/").content.decode()
    assert "Rattlesnake Canyon Grocery" in desk.get(f"/sync/records{record}").content.decode()
    assert desk.get("/admin/sync/change/").status_code == 200
    assert desk.post("/connection/enable/")["Location"] == "/connection/"
    assert synchronize_fully() == {"CURRENCY": 0, "CUSTOMER": 1}
    assert synchronize_fully() == {"CURRENCY": 0, "CUSTOMER": 0}


def test_a_run_that_failed_half_way_begins_anew_in_another_environment(
    desk: Client, synchronized: CRMConnection, sandbox: SandboxProcess
) -> None:
    customers = TableMapping.objects.get(name="CUSTOMER")
    entry = enqueue(customers, full=True)
    failed = JobQueueLogEntry.objects.create(entry=entry, state=LogState.FAILED, finished_at=timezone.now())
    half = {"mapping": customers, "execution": failed, "is_full": True}
    SynchJobFactory.create(**half, direction=Direction.TO_CRM)
    link = "changes:https://trial.crm4.dynamics.com/api/data/v9.2/accounts?$skiptoken=1"
    SynchJobFactory.create(**half, direction=Direction.FROM_CRM, state=JobState.FAILED, position=link)
    sandbox.reset(empty=True)
    belongs_elsewhere()
    answered(desk, answer="other", is_sure="on")
    desk.post("/connection/enable/")
    call_command("synchronize", "CURRENCY", full=True, stdout=StringIO())
    while work_once():
        pass
    entry.refresh_from_db()
    assert entry.status == JobStatus.FINISHED, entry.message_text
    assert Coupling.objects.get(mapping=customers).state == CouplingState.COUPLED


def test_the_same_environment_under_another_address_is_read_anew_unasked(
    desk: Client, synchronized: CRMConnection
) -> None:
    CRMConnection.objects.update(enabled_address="https://old.crm4.dynamics.com")
    links_lead_to("https://old.crm4.dynamics.com")
    assert desk.post("/connection/enable/")["Location"] == "/connection/"
    assert incremental() == {JobState.FINISHED}
    assert Coupling.objects.count() == 2


def test_the_answer_counts_once_for_the_environment_that_was_seen(desk: Client, synchronized: CRMConnection) -> None:
    own = f"/api/v1/connection/{synchronized.pk}/"
    assert desk.post(f"{own}delete-couplings/").status_code == 409
    belongs_elsewhere()
    page = desk.post(QUESTION, {"seen": str(uuid4()), "answer": "same"}, follow=True).content.decode()
    assert "changed meanwhile" in page
    with lease(TableMapping.objects.get(name="CUSTOMER")):
        assert desk.post(f"{own}delete-couplings/").status_code == 409
    assert Coupling.objects.count() == 2
    assert desk.post(f"{own}delete-couplings/").json()["is_enabled"] is False
    assert not Coupling.objects.exists()
    assert desk.post(f"{own}keep-couplings/").status_code == 409
