"""The integration belongs to the experience Suite; elsewhere it is hidden and refused, with the way out (S7, S8)."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import ResolverMatch

from crmbridge.experience import belongs_to_integration
from financials.models import CompanySettings, Experience
from tests.crmbridge.test_doors import address, answer_to, routes, things

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


def test_s90_only_administrators_change_the_experience(client: Client, bob: User, company: Any) -> None:
    client.force_login(bob)
    assert "An administrator changes these settings" in client.get("/company/").content.decode()
    assert client.post("/company/", {"experience": "Premium"}).status_code == 403
    assert CompanySettings.current().experience == Experience.SUITE


def test_an_address_that_nobody_listed_belongs_to_the_integration() -> None:
    assert belongs_to_integration(ResolverMatch(print, (), {}, url_name="something_new"))
