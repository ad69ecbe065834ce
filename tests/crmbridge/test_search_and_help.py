"""Every page is found by its names, in both languages (S6, S88), and has help that leads on (S33, S41, S89)."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from crmbridge.help import TOPICS, topic_of
from crmbridge.search import PAGES
from financials.models import CompanySettings, Experience
from tests.factories import ConnectionFactory, TableMappingFactory

pytestmark = pytest.mark.django_db
HELP = Path(__file__).parents[2] / "templates" / "help"

# What the founding article prints → where it leads.
NAMES = {
    "Dynamics CRM Connection Setup": "/connection/guide/",
    "Tilkoblingsoppsett for Dynamics CRM": "/connection/guide/",
    "CRM Connection Setup": "/connection/",
    "Konfigurasjon for CRM-tilkobling": "/connection/",
    "CRM Tilkoblingsoppsett": "/connection/",
    "Integration Table Mappings": "/connection/mappings/",
    "Tilordninger for integreringstabell": "/connection/mappings/",
    "Customer List": "/tables/customer/",
    "customer": "/tables/customer/",
    "Change Web Service Key": "/users/",
    "Endre webtjenestenøkkel": "/users/",
    "experience": "/company/",
}
WORDS = ("integration", "synchronize", "map", "Dynamics CRM", "Dynamics 365 for Sales", "integrasjon", "synkronisere")


def found(client: Client, query: str) -> list[str]:
    page = client.get("/search/", {"q": query}).content.decode()
    return re.findall(r'<li><a href="([^"]+)">', page.partition('id="hits"')[2].partition("</ul>")[0])


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    CompanySettings.objects.create(company_name="Fjord Nordic AS", lcy_code="NOK")
    TableMappingFactory.create()
    client.force_login(alice)
    return client


@pytest.mark.parametrize("language", ["en", "nb"])
def test_s88_every_printed_name_and_search_word_finds_its_page(desk: Client, language: str) -> None:
    desk.post("/language/", {"language": language})
    missing = [name for name, address in NAMES.items() if address not in found(desk, name)]
    assert not missing
    for word in WORDS:
        hits = found(desk, word.upper())
        assert {"/connection/guide/", "/connection/", "/help/connection-setup/"} <= set(hits), word
    assert found(desk, "zebra") == []
    assert "No page is called that" in desk.get("/search/?q=zebra").content.decode() or language == "nb"


def test_s88_what_is_called_so_comes_first(desk: Client) -> None:
    assert found(desk, "integration table mappings")[0] == "/connection/mappings/"
    assert found(desk, "connection setup")[:2] == ["/connection/guide/", "/connection/"]


def test_only_what_one_may_open_is_found(desk: Client, bob: User, charlie: User) -> None:
    desk.force_login(bob)
    assert "/connection/guide/" not in found(desk, "connection")
    assert "/connection/" in found(desk, "connection")
    for address in found(desk, "synchronize"):
        assert desk.get(address).status_code == 200, address
    desk.force_login(charlie)
    assert all(address.startswith("/help/") for address in found(desk, "integration"))


def test_s07_below_suite_only_help_and_the_setting_are_found(desk: Client) -> None:
    CompanySettings.objects.update(experience=Experience.PREMIUM)
    assert all(address.startswith("/help/") for address in found(desk, "integration"))
    assert "/company/" in found(desk, "suite")


def test_every_page_that_is_searched_for_exists(desk: Client) -> None:
    for page in PAGES:
        if page.route != "sync:full_synchronization":
            assert desk.get(reverse(page.route), follow=True).status_code == 200, page.route


@pytest.mark.parametrize("language", ["en", "nb"])
def test_s89_help_leads_on_and_no_link_is_dead(desk: Client, language: str) -> None:
    desk.post("/language/", {"language": language})
    seen, waiting = set[str](), ["/help/"]
    while waiting:
        address = waiting.pop()
        answer = desk.get(address, follow=True)
        assert answer.status_code == 200, address
        seen.add(address)
        if address.startswith("/help/"):
            main = answer.content.decode().partition('<main class="page"')[2]
            links = re.findall(r'href="(/[^"]*)"', main)
            waiting += [each for each in links if each not in seen and each not in waiting]
            assert not re.search(r'href="http://', main)
    assert {f"/help/{name}/" for name in TOPICS} <= seen


def test_s33_s41_s89_the_topics_that_the_article_leads_to(desk: Client) -> None:
    page = desk.get("/help/connection-setup/").content.decode()
    for topic in ("crm-users-and-roles", "users-and-permissions", "experience"):
        assert f'href="/help/{topic}/"' in page
    assert "System Customizer" in desk.get("/help/crm-users-and-roles/").content.decode()
    assert {"relationship-management", "working-with-crmbridge", "onboarding"} <= set(TOPICS)


def test_s87_help_says_the_same_in_both_languages(desk: Client) -> None:
    for name in TOPICS:
        english, norwegian = (main_of(desk, f"/help/{name}/", language) for language in ("en", "nb"))
        assert english != norwegian
        for tag in ("<p", "<h2", "<li", "<em", "<strong"):
            assert english.count(tag) == norwegian.count(tag), (name, tag)
        assert links_in(english) == links_in(norwegian), name
    assert {path.stem for path in HELP.glob("??/*.html")} == set(TOPICS)


def main_of(client: Client, address: str, language: str) -> str:
    """What the page is about, in this language."""
    client.post("/language/", {"language": language})
    answer: Any = client.get(address, follow=True)
    page: str = answer.content.decode()
    assert (answer.status_code, f'<html lang="{language}"' in page) == (200, True), address
    return page.partition('<main class="page"')[2].partition("</main>")[0]


def links_in(text: str) -> list[str]:
    """Where it leads on to, whatever the language there."""
    return sorted(re.findall(r'href="([^"]+)"', text.replace("microsoft.com/nb-no/", "microsoft.com/en-us/")))


def test_s87_every_page_that_is_searched_for_is_there_in_both_languages(desk: Client) -> None:
    ConnectionFactory.create()
    for page in PAGES:
        if page.route == "api:docs":  # for programmers, and in their language
            continue
        english, norwegian = (main_of(desk, reverse(page.route), language) for language in ("en", "nb"))
        titles = [re.findall(r"<h1[^>]*>(.*?)</h1>", each, re.DOTALL) for each in (english, norwegian)]
        assert all(titles), page.route
        assert titles[0] != titles[1], page.route
        for tag in ("<h2", "<form", "<th ", "<button"):
            assert english.count(tag) == norwegian.count(tag), (page.route, tag)
        assert links_in(english) == links_in(norwegian), page.route


def test_every_page_leads_to_help_on_itself(desk: Client) -> None:
    topics = {"/jobs/": "jobs", "/connection/": "connection-setup", "/company/": "experience", "/": topic_of(None)}
    topics |= {"/connection/mappings/": "mappings", "/tables/customer/": "coupling"}
    for address, topic in topics.items():
        assert f'href="/help/{topic}/"' in desk.get(address).content.decode(), address
