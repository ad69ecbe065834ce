"""The import of the solution under an administrator's sign-in (S21 to S32), over HTTP against the sandbox."""

import base64
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from connection.dataverse.session import CONNECT_TIMEOUT, READ_TIMEOUT
from connection.models import CRMConnection, SolutionImport
from connection.solution import build, importing, shipped
from coupling.defaults.install import DEFAULT_MAPPINGS
from coupling.models import Coupling, OptionMapping
from financials.models import CompanySettings, Customer, PaymentTerms
from sync.models import FullSynchronization, FullSynchState, SynchJob
from sync.working import work_once
from tests.sandbox_process import SandboxProcess, SandboxSession
from tests.solution.conftest import ADMINISTRATOR, Browser, give_role, take_role, user_named
from tests.sync.wire import Wire, lose, unavailable

pytestmark = pytest.mark.django_db(transaction=True)

IMPORTS = "POST ImportSolutionAsync"


def install(api: SandboxSession, version: str = "1.0.0.0", job: str = "") -> None:
    """Have a version of the solution in the CRM, as somebody else might have imported it."""
    package = build(replace(shipped(), version=version))
    body = {"CustomizationFile": base64.b64encode(package).decode(), "ImportJobId": job or str(uuid4())}
    assert api("POST", "ImportSolution", body).status_code == 204


def imports_of(sandbox: SandboxProcess) -> list[str]:
    return [caller for caller, call in sandbox.log() if call == IMPORTS]


def test_s21_s27_the_solution_is_imported_under_the_administrators_account(
    visitor: Browser, connection: CRMConnection, sandbox: SandboxProcess, api: SandboxSession
) -> None:
    page = visitor.client.get("/connection/solution/").content.decode()
    assert shipped().version in page
    said = visitor.errand("import")
    assert said.startswith("/connection/ ")
    assert "has begun" in said
    done = visitor.imported()
    assert (done["state"], done["progress"], done["reason"]) == ("succeeded", 100, "")
    assert imports_of(sandbox) == [ADMINISTRATOR]
    connection.refresh_from_db()
    assert connection.solution_version == shipped().version
    versions = api("GET", "solutions?$filter=uniquename eq 'crmbridge_core'").json()["value"]
    assert [row["version"] for row in versions] == [shipped().version]
    # The synchronization user has no role yet and may not look; the administrator did.
    state = visitor.client.get(f"/api/v1/connection/{connection.pk}/solution/").json()
    assert (state["standing"], state["installed"]) == ("current", shipped().version)
    assert state["error"]


@pytest.mark.parametrize("role", ["System Administrator", "System Customizer"])
def test_s29_a_missing_role_is_named(visitor: Browser, sandbox: SandboxProcess, api: SandboxSession, role: str) -> None:
    take_role(api, ADMINISTRATOR, role)
    said = visitor.errand("import")
    other = {"System Administrator": "Customizer", "System Customizer": "System Administrator"}[role]
    assert role in said
    assert f"lacks the security role “{role}" in said
    assert other not in said.partition("lacks")[2].replace(role, "").partition(".")[0].replace(
        "Solution Customizer", ""
    )
    assert imports_of(sandbox) == []
    assert not SolutionImport.objects.exists()


def test_s29_solution_customizer_is_accepted_too_and_two_missing_roles_are_both_named(
    visitor: Browser, api: SandboxSession
) -> None:
    take_role(api, ADMINISTRATOR, "System Customizer")
    take_role(api, ADMINISTRATOR, "System Administrator")
    said = visitor.errand("import")
    assert "no security role" in said
    give_role(api, user_named(api, ADMINISTRATOR), "Salesperson")
    said = visitor.errand("import")
    assert "“System Administrator”, “System Customizer (also called Solution Customizer)”" in said
    give_role(api, user_named(api, ADMINISTRATOR), "System Administrator")
    unit = api("GET", "businessunits?$select=businessunitid").json()["value"][0]["businessunitid"]
    named = {"name": "Solution Customizer", "businessunitid@odata.bind": f"/businessunits({unit})"}
    assert api("POST", "roles", named).status_code == 204
    give_role(api, user_named(api, ADMINISTRATOR), "Solution Customizer")
    assert "has begun" in visitor.errand("import")
    assert visitor.imported()["state"] == "succeeded"


def test_s28_only_an_existing_enabled_and_licensed_user_may_import(
    visitor: Browser, sandbox: SandboxProcess, api: SandboxSession
) -> None:
    assert "is not a user of this" in visitor.errand("import", "outsider@fjordkraft.example")
    address = f"systemusers({user_named(api, ADMINISTRATOR)})"
    api("PATCH", address, {"islicensed": False})
    assert "no license" in visitor.errand("import")
    api("PATCH", address, {"islicensed": True, "isdisabled": True})
    assert "is disabled" in visitor.errand("import")
    assert imports_of(sandbox) == []


def test_s32_a_later_import_asks_for_the_administrator_again_and_repairs_or_upgrades(
    visitor: Browser, connection: CRMConnection, sandbox: SandboxProcess, api: SandboxSession
) -> None:
    install(api, "0.9.0.5")
    state = visitor.client.get(f"/api/v1/connection/{connection.pk}/solution/").json()
    assert state["standing"] == "unknown"  # the synchronization user has no role yet
    visitor.errand("import")
    assert visitor.imported()["state"] == "succeeded"
    answer: Any = visitor.client.get("/connection/signed-in/", {"code": "c", "state": "s"})
    assert answer.status_code == 302
    assert imports_of(sandbox) == [ADMINISTRATOR]  # without a sign-in, nothing is imported
    visitor.errand("import")
    assert visitor.imported()["state"] == "succeeded"
    assert imports_of(sandbox) == [ADMINISTRATOR] * 2


def test_a_newer_solution_is_left_alone(visitor: Browser, sandbox: SandboxProcess, api: SandboxSession) -> None:
    install(api, "99.1.0.0")
    said = visitor.errand("import")
    assert "99.1.0.0" in said
    assert "Update crmbridge" in said
    assert imports_of(sandbox) == []


def test_the_failing_component_is_named(
    visitor: Browser, connection: CRMConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = shipped().roles
    broken = replace(shipped(), roles=(*roles[:-1], replace(roles[-1], privileges=("prvReadNothing",))))
    monkeypatch.setattr(importing, "build", lambda: build(broken))
    visitor.errand("import")
    done = visitor.imported()
    assert done["state"] == "failed"
    assert roles[-1].name in done["reason"]
    assert "prvReadNothing" in done["reason"]
    visitor.client.cookies["django_language"] = "nb"
    assert roles[-1].name in visitor.client.get("/connection/solution/").content.decode()
    monkeypatch.undo()


def test_two_administrators_start_one_import(visitor: Browser, sandbox: SandboxProcess, django_user_model: Any) -> None:
    second = Client(SERVER_NAME="localhost")
    second.force_login(django_user_model.objects.create_superuser("second"))
    other = Browser(second, sandbox, visitor.turns)
    pages = visitor.begin("import"), other.begin("import")
    assert "has begun" in visitor.come_back(visitor.at_login(pages[0], ADMINISTRATOR))
    assert "is being imported already" in other.come_back(other.at_login(pages[1], ADMINISTRATOR))
    page = other.client.get("/connection/solution/").content.decode()
    assert "alice" in page
    assert "<progress" in page
    assert visitor.imported()["state"] == "succeeded"
    assert imports_of(sandbox) == [ADMINISTRATOR]


@contextmanager
def importing_another(sandbox: SandboxProcess, api: SandboxSession) -> Iterator[None]:
    """The CRM has begun to import a solution, and comes to the end of it afterwards: its store is held meanwhile."""
    store = sqlite3.connect(sandbox.folder / "sandbox.sqlite3", isolation_level=None)
    body = {"CustomizationFile": base64.b64encode(build(replace(shipped(), version="0.9.0.0"))).decode()}

    def begun() -> str:
        while (answer := api("POST", "ImportSolutionAsync", body)).status_code != 200:
            pass  # the one before has not quite ended
        store.execute("BEGIN IMMEDIATE")
        return f"importjobs({answer.json()['ImportJobKey']})"

    def is_over(job: str) -> bool:
        return api("GET", job).json()["completedon"] is not None

    with closing(store):
        while is_over(job := begun()):
            store.execute("ROLLBACK")
        yield
        store.execute("ROLLBACK")
        while not is_over(job):
            pass


def test_another_solution_being_imported_is_said(
    visitor: Browser, sandbox: SandboxProcess, api: SandboxSession
) -> None:
    """The CRM takes one at a time."""
    visitor.errand("import")
    with importing_another(sandbox, api):
        done = visitor.imported()
    assert done["state"] == "failed"
    assert "Another solution is being imported" in done["reason"]


@pytest.mark.parametrize("arrived", [True, False])
def test_an_import_whose_server_was_killed_is_settled_at_the_next_sign_in(
    visitor: Browser, connection: CRMConnection, api: SandboxSession, arrived: bool
) -> None:
    long_ago = timezone.now() - timedelta(minutes=6)
    row = SolutionImport.objects.create(
        connection=connection, address=connection.address, version=shipped().version, heartbeat_at=long_ago
    )
    if arrived:
        install(api, shipped().version, str(row.import_job_id))
    page = visitor.client.get("/connection/solution/").content.decode()
    assert "Interrupted" in page
    assert "The server was stopped during the import" in page
    assert "has begun" in visitor.errand("import")
    assert visitor.imported()["state"] == "succeeded"
    row.refresh_from_db()
    assert row.state == ("succeeded" if arrived else "failed")
    assert ("did not reach" in row.reason) is not arrived


def test_an_import_whose_end_cannot_be_asked_for_at_once_is_no_failure(visitor: Browser, wire: Wire) -> None:
    visitor.errand("import")
    wire.on("/solutions?", before=unavailable)
    done = visitor.imported()
    assert wire.times == 0
    assert (done["state"], done["reason"]) == ("succeeded", "")


def test_a_crm_that_is_not_available_leaves_the_import_to_the_next_sign_in(visitor: Browser, wire: Wire) -> None:
    visitor.errand("import")
    wire.on("ImportSolutionAsync", before=unavailable)
    broken = visitor.imported()
    assert broken["state"] == "interrupted"
    assert broken["reason"].endswith("is not available right now. Sign in again to see how the import ended.")
    visitor.errand("import")
    assert visitor.imported()["state"] == "succeeded"
    first = SolutionImport.objects.earliest("pk")
    assert (first.state, first.reason) == ("failed", "The package did not reach Dynamics CRM.")


def test_a_request_may_take_as_long_as_it_is_allowed_to(visitor: Browser) -> None:
    visitor.errand("import")
    silent_since = timezone.now() - timedelta(seconds=CONNECT_TIMEOUT + READ_TIMEOUT)
    SolutionImport.objects.update(heartbeat_at=silent_since)
    assert "is being imported already" in visitor.errand("import")
    assert SolutionImport.objects.get().state == "running"
    assert visitor.imported()["state"] == "succeeded"


def test_a_package_that_comes_late_after_a_lost_answer_is_waited_for(
    visitor: Browser, wire: Wire, api: SandboxSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.errand("import")
    wire.on("ImportSolutionAsync", before=lose)
    row = SolutionImport.objects.get()
    # While the answer was waited for, the import was taken for stopped.
    SolutionImport.objects.update(state="interrupted")

    def pauses() -> Iterator[float]:
        yield 0.0  # the CRM has no job yet
        row.refresh_from_db()
        assert (row.state, row.reason) == ("running", "")
        install(api, row.version, str(row.import_job_id))
        yield 1.0

    monkeypatch.setattr(importing, "_pauses", pauses)
    assert visitor.imported()["state"] == "succeeded"


def test_a_package_that_never_comes_is_not_waited_for_long(
    visitor: Browser, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.errand("import")
    wire.on("ImportSolutionAsync", before=lose)
    monkeypatch.setattr(importing, "_pauses", lambda: iter([0.0, 600.0]))
    done = visitor.imported()
    assert (done["state"], done["reason"]) == ("failed", "The package did not reach Dynamics CRM.")


def test_an_interrupted_import_that_waits_for_its_turn_in_the_crm_is_not_taken_for_lost(
    visitor: Browser, connection: CRMConnection, sandbox: SandboxProcess, api: SandboxSession
) -> None:
    """The CRM makes the import job only when its system job has its turn."""
    row = SolutionImport.objects.create(
        connection=connection, address=connection.address, version="1.0.0.0", state="interrupted"
    )
    waiting = api("POST", "asyncoperations", {"name": "Import Solution", "operationtype": 203})
    assert "still works on the import" in visitor.errand("import")
    row.refresh_from_db()
    assert row.state == "interrupted"
    assert imports_of(sandbox) == []
    install(api, row.version, str(row.import_job_id))
    api("PATCH", waiting.headers["OData-EntityId"].partition("/v9.2/")[2], {"statecode": 3, "statuscode": 30})
    visitor.errand("import")
    row.refresh_from_db()
    assert row.state == "succeeded"
    assert visitor.imported()["state"] == "succeeded"


def test_a_database_that_is_busy_does_not_lose_the_outcome(
    visitor: Browser, connection: CRMConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.errand("import")
    update = QuerySet.update
    refused: list[Any] = []

    def busy(rows: Any, **values: Any) -> int:
        if rows.model is SolutionImport and len(refused) < 2:
            refused.append(values)
            raise OperationalError("database is locked")
        return update(rows, **values)

    monkeypatch.setattr(QuerySet, "update", busy)
    assert visitor.imported()["state"] == "succeeded"
    assert len(refused) == 2


def test_a_page_settles_an_interrupted_import_where_the_synchronization_user_may_ask(
    visitor: Browser, connection: CRMConnection, api: SandboxSession, sandbox: SandboxProcess
) -> None:
    connection.client_id = sandbox.details["client_id"]
    connection.set_secret(sandbox.details["client_secret"])
    connection.save()
    long_ago = timezone.now() - timedelta(minutes=6)
    row = SolutionImport.objects.create(
        connection=connection, address=connection.address, version=shipped().version, heartbeat_at=long_ago
    )
    install(api, shipped().version, str(row.import_job_id))
    assert "Succeeded" in visitor.client.get("/connection/solution/").content.decode()


def send(client: Client, page: str, **values: Any) -> Any:
    """Open a page of the set-up, fill in its form, press the button."""
    seen = re.search(r'name="seen" value="(\w*)"', client.get(page).content.decode())
    assert seen
    return client.post(page, {"seen": seen[1], **values})


def run_full_synchronization(client: Client) -> list[SynchJob]:
    """Prepare, start, and let a worker do it all; the jobs that it made."""
    known = list(SynchJob.objects.values_list("pk", flat=True))
    client.post("/full-synchronization/prepare/")
    full = FullSynchronization.objects.get(is_current=True)
    client.post(f"/full-synchronization/{full.pk}/start/")
    while work_once():
        pass
    full.refresh_from_db()
    assert full.state == FullSynchState.FINISHED
    client.post(f"/full-synchronization/{full.pk}/reset/")
    return list(SynchJob.objects.exclude(pk__in=known))


def test_s30_s31_s34_afterwards_everything_runs_through_the_synchronization_user_alone(
    ready: Browser, connection: CRMConnection, sandbox: SandboxProcess, api: SandboxSession
) -> None:
    assert "Roles given" in ready.errand("roles")
    before = len(sandbox.log())
    assert any(caller == ADMINISTRATOR for caller, _call in sandbox.log())
    api("PATCH", f"systemusers({user_named(api, ADMINISTRATOR)})", {"isdisabled": True})
    CompanySettings.objects.create(company_name="Fjordheim", lcy_code="NOK")
    PaymentTerms.objects.create(code="30D", description="Net 30")
    customer = Customer.objects.create(no="C1", name="Fjordheim", payment_terms_code="30D")
    tables = [default.name for default in DEFAULT_MAPPINGS]
    assert send(ready.client, "/connection/set-up/data/", tables=tables).status_code == 302
    ready.client.post("/connection/enable/")
    connection.refresh_from_db()
    assert connection.is_enabled
    jobs = run_full_synchronization(ready.client)
    assert jobs
    assert [job.failed for job in jobs] == [0] * len(jobs), [job.message_text for job in jobs]
    account = api("GET", f"accounts({Coupling.objects.get(erp_id=customer.system_id).crm_id})").json()
    assert account["paymenttermscode"] == OptionMapping.objects.get(erp_code="30D").option_value
    state = ready.client.get(f"/api/v1/connection/{connection.pk}/solution/").json()
    assert (state["standing"], state["error"]) == ("current", None)
    writes = sandbox.calls()["writes"]
    run_full_synchronization(ready.client)
    assert sandbox.calls()["writes"] == writes  # what it wrote itself is no change to it
    callers = {caller for caller, _call in sandbox.log()[before:]}
    assert callers == {sandbox.details["sync_client_id"], sandbox.details["client_id"]}  # ours, and the test's own
