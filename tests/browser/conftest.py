"""A Chromium of this machine, and somebody signed in."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD

PATIENCE = 200_000
"""Milliseconds that a page may take on a busy machine."""
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    """One browser for all tests of this folder.

    While it runs, Playwright's event loop would make Django refuse the database, though nothing here is asynchronous.
    """
    expect.set_options(timeout=PATIENCE)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def address(live_server: LiveServer) -> str:
    return str(live_server.url)


@pytest.fixture
def tab(chromium: Browser, address: str) -> Iterator[Page]:
    """A fresh window of its own."""
    context = chromium.new_context(locale="en-GB")
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def signed_in(tab: Page, address: str, alice: User) -> Page:
    tab.goto(f"{address}/sign-in/")
    tab.get_by_label("Username").fill("alice")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_url(f"{address}/")
    return tab
