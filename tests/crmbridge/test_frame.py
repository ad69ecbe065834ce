"""What surrounds every page: policy, language, theme, the sandbox label, error pages."""

import re

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from crmbridge import urls
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db


def test_every_answer_names_what_a_browser_may_run(client: Client, alice: User) -> None:
    client.force_login(alice)
    for address in ("/", "/admin/", "/nowhere/", "/api/v1/customers/", "/sign-in/"):
        policy = client.get(address)["Content-Security-Policy"]
        assert "default-src 'self'" in policy, address
        assert "unsafe" not in policy, address
        assert "frame-ancestors 'none'" in policy, address


def test_scripts_carry_the_nonce_of_their_answer(client: Client) -> None:
    first, second = client.get("/sign-in/"), client.get("/sign-in/")
    nonces = [re.search(r"'nonce-([^']+)'", answer["Content-Security-Policy"]) for answer in (first, second)]
    assert nonces[0]
    assert nonces[1]
    assert nonces[0][1] != nonces[1][1]
    assert f'nonce="{nonces[0][1]}"' in first.content.decode()


def test_only_the_swagger_page_may_style_inline(client: Client, alice: User) -> None:
    client.force_login(alice)
    policy = client.get("/api/docs/")["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "script-src 'self' 'nonce-" in policy


def test_pages_have_no_inline_scripts_or_styles(client: Client, alice: User) -> None:
    client.force_login(alice)
    for address in ("/", "/jobs/", "/errors/", "/conflicts/", "/connection/"):
        page = client.get(address).content.decode()
        assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", page), address


def test_language_is_chosen_by_a_post_and_remembered(client: Client) -> None:
    answer = client.post("/language/", {"language": "nb", "next": "/sign-in/"})
    assert answer["Location"] == "/sign-in/"
    assert '<html lang="nb"' in client.get("/sign-in/").content.decode()


def test_theme_is_chosen_by_a_post_and_remembered(client: Client) -> None:
    client.post("/theme/", {"theme": "dark", "next": "/sign-in/"})
    assert 'data-theme="dark"' in client.get("/sign-in/").content.decode()
    client.post("/theme/", {"theme": "auto"})
    assert "data-theme" not in client.get("/sign-in/").content.decode()


def test_the_theme_switch_does_not_lead_to_another_site(client: Client) -> None:
    assert client.post("/theme/", {"theme": "dark", "next": "//evil.example"})["Location"] == "/"
    client.post("/theme/", {"theme": '"><script>'})
    assert client.cookies["theme"].value == "dark"


def test_the_sandbox_is_called_sandbox(client: Client, alice: User) -> None:
    client.force_login(alice)
    connection = ConnectionFactory.create(address="https://localhost:9443")
    assert "Sandbox" in client.get("/").content.decode()
    connection.address = "https://contoso.crm4.dynamics.com"
    connection.save()
    assert "Sandbox" not in client.get("/").content.decode()


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError


class WithBroken:
    handler403, handler404, handler500 = urls.handler403, urls.handler404, urls.handler500
    urlpatterns = [*urls.urlpatterns, path("broken/", broken)]


def test_a_fault_says_so_without_its_reason(client: Client, alice: User, settings: Settings) -> None:
    settings.ROOT_URLCONF = WithBroken
    client.force_login(alice)
    client.raise_request_exception = False
    answer = client.get("/broken/")
    assert answer.status_code == 500
    assert "Something went wrong inside crmbridge" in answer.content.decode()
    assert "RuntimeError" not in answer.content.decode()


def test_a_forged_or_stale_form_is_refused_in_plain_words(bob: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    answer = client.post("/sign-out/")
    assert answer.status_code == 403
    assert "The form was not accepted" in answer.content.decode()
