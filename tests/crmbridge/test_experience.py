"""The integration belongs to the experience Suite; elsewhere it is hidden and refused, with the way out (S7, S8)."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import ResolverMatch
from django.utils import timezone
from pytest_django import Settings

from connection.models import CRMConnection
from coupling.defaults.install import install_defaults
from coupling.models import TableMapping
from crmbridge.experience import belongs_to_integration
from financials.models import CompanySettings, Experience
from sync import tasks
from sync.models import JobQueueEntry, JobStatus, SynchJob, SynchState
from sync.working import sweep
from tests.crmbridge.test_doors import address, answer_to, routes, things
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db
__all__ = ["things"]  # the fixture

# What a company of any experience has; every other address is the integration's.
EVERYBODYS = {"home", "login", "logout", "set_language", "choose_theme", "company", "search", "help", "help_topic"}
EVERYBODYS |= {"users:list", "users:card", "users:change_web_service_key", "api:schema", "api:docs", "api-v1:api-root"}
# A process that serves another experience lives too: who asks whether it does must not restart it.
EVERYBODYS |= {"healthz", "readyz", "metrics"}
TABLES = ("company", "contact", "currenc", "customer", "item", "noser", "payment", "salesp", "ship", "unit", "webserv")
INTEGRATION_APPS = ("connection_", "coupling_", "sync_")


def is_everybodys(route: str) -> bool:
    namespace, _, name = route.rpartition(":")
    if namespace == "admin":
        return not name.startswith(INTEGRATION_APPS) and name != "app_list"
    return route in EVERYBODYS or (namespace == "api-v1" and name.startswith(TABLES))


@pytest.fixture
def company(db: None) -> CompanySettings:
    return CompanySettings.objects.create(company_name="Fjord Nordic AS", lcy_code="NOK")


def choose(experience: Experience) -> None:
    CompanySettings.objects.update(experience=experience)


@pytest.mark.any_database
def test_s07_every_address_of_the_integration_is_refused_below_suite(
    client: Client, alice: User, things: dict[str, Any]
) -> None:
    choose(Experience.PREMIUM)
    client.force_login(alice)
    wrong = []
    for route, pattern in routes():
        where = address(route, pattern, things)
        for method in ("GET", "POST"):
            if is_everybodys(route) and method == "POST":
                continue
            answer = answer_to(client, method, where)
            is_refused = answer.status_code == 403 and b"/company/" in answer.content
            if is_refused == is_everybodys(route):
                wrong.append((route, method, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


def test_s07_the_refusal_says_why_on_the_page_and_in_the_api(client: Client, alice: User, company: Any) -> None:
    choose(Experience.ESSENTIALS)
    client.force_login(alice)
    page = client.get("/connection/")
    assert (page.status_code, "belongs to the experience Suite" in page.content.decode()) == (403, True)
    answer = client.get("/api/v1/connection/")
    assert (answer.status_code, answer.json()["code"]) == (403, "needs_suite")
    assert answer.json()["settings"] == "http://testserver/company/"
    assert "experience Suite" in answer.json()["detail"]
    assert "until then jobs rest" in answer.json()["detail"]


def test_s07_nothing_of_the_integration_is_in_navigation_home_or_administration(
    client: Client, alice: User, company: Any
) -> None:
    client.force_login(alice)
    shown = ['href="/connection/"', 'href="/jobs/"', 'href="/errors/"']
    assert all(link in client.get("/").content.decode() for link in shown)
    assert "/admin/sync/synchjob/" in client.get("/admin/").content.decode()
    choose(Experience.PREMIUM)
    home = client.get("/").content.decode()
    assert not [link for link in shown if link in home]
    assert "belongs to the experience Suite" in home
    administration = client.get("/admin/").content.decode()
    assert "/admin/sync/" not in administration
    assert "/admin/financials/customer/" in administration


def test_s08_the_refusal_leads_to_the_setting_and_suite_brings_everything_back(client: Client, alice: User) -> None:
    CompanySettings.objects.create(company_name="Fjord Nordic AS", lcy_code="NOK", experience=Experience.PREMIUM)
    client.force_login(alice)
    assert 'href="/company/"' in client.get("/jobs/").content.decode()
    assert "Suite" in client.get("/company/").content.decode()
    values = {"company_name": "Fjord Nordic AS", "lcy_code": "NOK", "experience": "Suite"}
    assert client.post("/company/", values)["Location"] == "/company/"
    for where in ("/jobs/", "/connection/", "/api/v1/connection/", "/admin/sync/synchjob/"):
        assert client.get(where).status_code == 200, where


@pytest.fixture
def due(connection: CRMConnection, company: CompanySettings) -> JobQueueEntry:
    """A due job of a mapping whose changes in the CRM are looked for as well."""
    install_defaults("NOK", "NOK")
    mapping = TableMapping.objects.get(name="SALESPEOPLE")
    SynchState.objects.create(mapping=TableMapping.objects.get(name="CUSTOMER"), crm_cursor="read to its end")
    sweep()
    JobQueueEntry.objects.filter(mapping=mapping).update(earliest_start=timezone.now() - timedelta(hours=1))
    return JobQueueEntry.objects.get(mapping=mapping)


@pytest.fixture
def set_experience(client: Client, alice: User) -> Callable[[str], None]:
    """Choose it on the page."""
    client.force_login(alice)

    def set_experience(name: str) -> None:
        values = {"company_name": "Fjord Nordic AS", "lcy_code": "NOK", "experience": name}
        assert client.post("/company/", values)["Location"] == "/company/"

    return set_experience


def work() -> None:
    """What supervisor and workers do again and again."""
    sweep()
    tasks.work()
    tasks.probe()


def test_s07_below_suite_jobs_rest_and_at_suite_they_go_on_by_themselves(
    set_experience: Callable[[str], None],
    client: Client,
    due: JobQueueEntry,
    sandbox: SandboxProcess,
    settings: Settings,
) -> None:
    settings.PROBE_SECONDS = 0
    set_experience("Premium")
    before = list(JobQueueEntry.objects.values())
    work()
    assert sandbox.log() == []
    assert list(JobQueueEntry.objects.values()) == before
    assert "Jobs rest meanwhile." in client.get("/").content.decode()
    assert client.get("/readyz").json()["worker"] == "ok"
    set_experience("Suite")
    tasks.work()
    due.refresh_from_db()
    assert due.status in (JobStatus.READY, JobStatus.INACTIVE)
    assert due.last_success_at
    assert SynchJob.objects.filter(mapping=due.mapping).exists()
    assert sandbox.log()


def test_s07_below_suite_the_command_refuses_with_the_reason(
    set_experience: Callable[[str], None], due: JobQueueEntry, sandbox: SandboxProcess
) -> None:
    set_experience("Essentials")
    with pytest.raises(CommandError, match="needs the experience Suite"):
        call_command("synchronize", stdout=StringIO(), stderr=StringIO())
    assert not SynchJob.objects.exists()
    assert sandbox.log() == []


def test_s90_only_administrators_change_the_experience(client: Client, bob: User, company: Any) -> None:
    client.force_login(bob)
    assert "An administrator changes these settings" in client.get("/company/").content.decode()
    assert client.post("/company/", {"experience": "Premium"}).status_code == 403
    assert CompanySettings.current().experience == Experience.SUITE


def test_an_address_that_nobody_listed_belongs_to_the_integration() -> None:
    assert belongs_to_integration(ResolverMatch(print, (), {}, url_name="something_new"))
