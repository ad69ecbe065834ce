"""The administrator's way to the CRM's sign-in page and back (S22, S26, S30): every turn it can take."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connection.models import CRMConnection, SolutionImport
from tests.sandbox_process import SandboxProcess
from tests.solution.conftest import ADMINISTRATOR, Browser

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def test_s22_the_page_is_the_crms_own_and_the_answer_is_bound_to_this_browser(
    visitor: Browser, sandbox: SandboxProcess
) -> None:
    answer: Any = visitor.client.post("/connection/sign-in/", {"task": "import", "next": "/connection/"})
    page = answer["Refresh"].partition("url=")[2]
    assert page.startswith(f"{sandbox.details['authority']}/oauth2/v2.0/authorize?")
    assert 'href="{}"'.format(page.replace("&", "&amp;")) in answer.content.decode()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(page).query).items()}
    assert asked["redirect_uri"] == "http://localhost/connection/signed-in/"
    assert asked["code_challenge_method"] == "S256"
    assert asked["state"]
    kept = visitor.client.session["crm_sign_in"]
    assert asked["state"] not in str(kept)  # what is kept is encrypted
    brought = visitor.at_login(page, ADMINISTRATOR)
    assert "does not belong to this sign-in" in visitor.come_back({**brought, "state": "another"})
    assert not SolutionImport.objects.exists()


def test_a_sign_in_that_is_cancelled_refused_or_repeated(visitor: Browser, sandbox: SandboxProcess) -> None:
    said = visitor.come_back(visitor.at_login(visitor.begin("import"), ADMINISTRATOR, cancel="1"))
    assert said.startswith("/connection/ The sign-in was cancelled")
    page = visitor.begin("import")
    state = parse_qs(urlsplit(page).query)["state"][0]
    failed = {"error": "server_error", "error_description": "AADSTS90033: A transient error.", "state": state}
    assert "sign-in to Dynamics CRM was refused" in visitor.come_back(failed)
    brought = visitor.at_login(visitor.begin("import"), ADMINISTRATOR)
    assert "has begun" in visitor.come_back(brought)
    assert visitor.imported()["state"] == "succeeded"
    assert "The sign-in has ended" in visitor.come_back(brought)  # the same answer once more
    assert SolutionImport.objects.count() == 1


def test_a_sign_in_that_took_too_long(visitor: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    brought = visitor.at_login(visitor.begin("import"), ADMINISTRATOR)
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + 16 * 60)
    assert "The sign-in has ended" in visitor.come_back(brought)
    monkeypatch.undo()
    assert not SolutionImport.objects.exists()


def test_somebody_elses_browser_cannot_use_the_answer(visitor: Browser, bob: User, sandbox: SandboxProcess) -> None:
    brought = visitor.at_login(visitor.begin("import"), ADMINISTRATOR)
    stranger = Client(SERVER_NAME="localhost")
    stranger.force_login(User.objects.create_superuser("stranger"))
    assert "The sign-in has ended" in Browser(stranger, sandbox, visitor.turns).come_back(brought)
    viewer = Client(SERVER_NAME="localhost")
    viewer.force_login(bob)
    assert viewer.post("/connection/sign-in/", {"task": "import"}).status_code == 403
    assert viewer.get("/connection/signed-in/", brought).status_code == 403
    assert viewer.get("/connection/solution/").status_code == 200
    assert not SolutionImport.objects.exists()


def test_the_way_back_stays_here_and_only_known_tasks_are_done(visitor: Browser) -> None:
    page = visitor.begin("import", back="https://evil.example/")
    assert visitor.come_back(visitor.at_login(page, ADMINISTRATOR, cancel="1")).startswith("/connection/ ")
    assert visitor.client.post("/connection/sign-in/", {"task": "delete"}).status_code == 400
    strict = Client(SERVER_NAME="localhost", enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="alice"))
    assert strict.post("/connection/sign-in/", {"task": "import"}).status_code == 403


def test_without_a_connection_or_login_server_the_reason_is_said(visitor: Browser, connection: CRMConnection) -> None:
    CRMConnection.objects.update(tenant_id="nobody", authority=connection.authority.rpartition("/")[0])
    answer: Any = visitor.client.post("/connection/sign-in/", {"task": "import"}, follow=True)
    assert "the login server does not know the tenant" in answer.content.decode()
    CRMConnection.objects.all().delete()
    answer = visitor.client.post("/connection/sign-in/", {"task": "import"}, follow=True)
    assert "not connected to Dynamics CRM" in answer.content.decode()
    assert visitor.client.get("/connection/solution/").status_code == 204
