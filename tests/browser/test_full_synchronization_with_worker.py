"""A full synchronization from **Start** to its end as its user lives it: a real worker, and everything killed once."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import PATIENCE
from tests.conftest import PASSWORD
from tests.installations import SET_UP, Template
from tests.project.processes import free_port, managing, run_code, wait_until, working_in
from tests.sandbox_process import SandboxProcess

CUSTOMERS = 120
LATENCY = "30+8"
"""Milliseconds a request and a row: slow enough to look on."""
ALICE = f"""
from django.contrib.auth.models import User
User.objects.create_superuser("alice", password={PASSWORD!r})
"""

SWITCHED = """
from coupling.models import TableMapping
TableMapping.objects.filter(name="SALESPEOPLE").update(is_enabled={})
"""


@pytest.fixture
def slow_crm(tmp_path: Path) -> Iterator[SandboxProcess]:
    """An empty CRM of its own that takes its time, as a real one does."""
    with SandboxProcess(tmp_path / "crm", options=["--latency", LATENCY]) as process:
        yield process


@pytest.fixture
def installation(template: Template, slow_crm: SandboxProcess, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of an installation, connected to the CRM."""
    trusted = {"REQUESTS_CA_BUNDLE": slow_crm.details["ca_file"], "CRMBRIDGE_EXTRA_CRM_HOSTS": "localhost"}
    with template.installation(tmp_path / "var", LOG_LEVEL="INFO", **trusted) as env:
        details = str(slow_crm.folder / "sandbox.json")
        run_code(SET_UP.format(customers=CUSTOMERS, details=details) + ALICE, env=env)
        yield env


@pytest.fixture
def count(slow_crm: SandboxProcess) -> Callable[[str], int]:
    """How many rows of a table the CRM has by now."""
    api = slow_crm.session()
    return lambda table: int(api("GET", f"{table}/$count").content.decode("utf-8-sig"))


@contextmanager
def running(env: dict[str, str], port: int, log: Path) -> Iterator[None]:
    """Web server and worker, from when they answer until they are killed without warning."""
    with managing("run", "--port", str(port), env=env, log=log):
        try:
            wait_until(lambda: answers(port))
            yield
        finally:
            folder = Path(env["CRMBRIDGE_VAR"])
            while left := working_in(folder):
                for pid in left:
                    kill(pid)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, os.WNOHANG)
    except (ProcessLookupError, ChildProcessError):
        return


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://localhost:{port}/healthz", timeout=30).ok
    except requests.RequestException:
        return False


def window(chromium: Browser, address: str, **kept: object) -> BrowserContext:
    """A browser that was just opened."""
    context = chromium.new_context(locale="en-GB", base_url=address, **kept)  # type: ignore[arg-type]  # what it kept
    context.set_default_timeout(PATIENCE)
    return context


def review(page: Page) -> None:
    """The way from CRM Connection Setup (S84)."""
    page.goto("/connection/")
    page.get_by_role("main").get_by_role("link", name="CRM Full Synch. Review").click()
    expect(page.get_by_role("heading", name="CRM Full Synch. Review")).to_be_visible()


def line(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))


def test_s70_to_s84_the_browser_closes_and_everything_is_killed_and_the_run_ends_right(
    installation: dict[str, str],
    slow_crm: SandboxProcess,
    count: Callable[[str], int],
    chromium: Browser,
    tmp_path: Path,
) -> None:
    port = free_port()
    address = f"http://localhost:{port}"
    with running(installation, port, tmp_path / "first.log"):
        first = window(chromium, address)
        press_start(first.new_page())
        kept = first.storage_state()
        first.close()
        again = window(chromium, address, storage_state=kept)
        page = again.new_page()
        review(page)
        expect(page.get_by_role("status")).to_contain_text("In Process")
        wait_until(lambda: count("accounts"))
    contacts = count("contacts")
    with running(installation, port, tmp_path / "second.log"):
        # The page that was open all the time tells how it goes on, without being loaded again (S76, S81).
        expect(page.locator(".progress-line")).to_contain_text(re.compile(r"\b[1-9]\d* %"))
        expect(page.get_by_role("status")).to_contain_text("Everything has been synchronized.")
        assert count("accounts") == CUSTOMERS
        assert count("contacts") > contacts, "it was in the middle"
        expect(line(page, "CUSTOMER")).to_contain_text(f"{CUSTOMERS} / {CUSTOMERS}")
        drill_down(page)
        review(page)
        expect(page.get_by_role("status")).to_contain_text("Everything has been synchronized.")
        in_order(page)
        written = slow_crm.calls()["writes"]
        a_line_fails_and_others_wait(page, installation)
        assert slow_crm.calls()["writes"] == written, "a second time changes nothing (S83)"
        assert count("accounts") == CUSTOMERS
        again.close()


def press_start(page: Page) -> None:
    """Start answers at once, and other pages go on answering while the work is done (S71, S75)."""
    page.goto("/sign-in/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    review(page)
    page.get_by_role("button", name="Prepare full synchronization").click()
    expect(page.get_by_role("status")).to_contain_text("Nothing has been started.")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("status")).to_contain_text("In Process")
    page.goto("/tables/customer/")
    expect(page.get_by_role("main")).to_contain_text(f"of {CUSTOMERS}")


def drill_down(page: Page) -> None:
    """Each of the three statuses opens what it is about (S77 to S80)."""
    for title in ("Job Queue Entry Status", "To Int. Table Job Status", "From Int. Table Job Status"):
        expect(page.get_by_role("columnheader", name=title, exact=True)).to_be_visible()
    for place, path, heading in (
        (0, "job-queue", "Log"),
        (1, "jobs", "To Integration Table"),
        (2, "jobs", "From Integration Table"),
    ):
        line(page, "CUSTOMER").get_by_role("cell").nth(3 + place).get_by_role("link").click()
        expect(page).to_have_url(re.compile(rf"/{path}/\d+/$"))
        expect(page.get_by_role("main")).to_contain_text(heading)
        expect(page.get_by_role("main")).to_contain_text("CUSTOMER")
        page.go_back()


def in_order(page: Page) -> None:
    """Every line began when those had ended that it depends on (S72 to S74), and saw every record (S70)."""
    found = page.request.get("/api/v1/job-queue-entries/", params={"is_full": "true"}).json()["results"]
    entries = {each["mapping"]: each for each in found if each["is_full"]}
    for first, then in (("CURRENCY", "CUSTOMER"), ("SALESPEOPLE", "CUSTOMER"), ("CUSTOMER", "CONTACT")):
        assert entries[first]["finished_at"] <= entries[then]["log"][-1]["started_at"], f"{first} before {then}"
    for name in entries:
        seen = re.search(r"([\d,]+) / ([\d,]+)", line(page, name).inner_text())
        assert seen, name
        assert seen[1] == seen[2], name


def a_line_fails_and_others_wait(page: Page, env: dict[str, str]) -> None:
    """The line says so and those that need it are not started and say why (S82); mended, all goes on to its end."""
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_role("status")).to_contain_text("Nothing has been started.")
    run_code(SWITCHED.format(False), env=env)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("status")).to_contain_text("1 line failed")
    expect(line(page, "SALESPEOPLE")).to_contain_text("This mapping is switched off.")
    expect(line(page, "CUSTOMER")).to_contain_text("Not started: waits for SALESPEOPLE, which failed")
    run_code(SWITCHED.format(True), env=env)
    page.locator("#restart").click()
    expect(page.get_by_role("status")).to_contain_text("Everything has been synchronized.")
