"""From an empty installation to an enabled connection in a real browser, by keyboard alone, in both languages."""

import time
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings

from connection.models import CRMConnection
from financials.models import CompanySettings
from tests.browser.conftest import PATIENCE
from tests.browser.test_pages import violations
from tests.conftest import PASSWORD
from tests.sandbox_process import SandboxProcess
from tests.solution.conftest import ADMINISTRATOR

pytestmark = pytest.mark.django_db(transaction=True)

NEXT = "button[form=task-form]"
MOST_TABS = 80


class Keyboard:
    """A person without a mouse, who looks at every page with axe and notes the way they took."""

    def __init__(self, tab: Page) -> None:
        self.tab = tab
        self.path: list[str] = []
        self.found: dict[str, list[str]] = {}
        self._began = time.monotonic()

    def at(self, address: str) -> None:
        """Arrive at a page whose address ends so, with all its parts."""
        self.tab.wait_for_url(lambda url: url.endswith(address))
        expect(self.tab.locator("[hx-trigger=load]")).to_have_count(0)
        self.path.append(f"{time.monotonic() - self._began:5.1f} s  {address}")
        self.found[address] = violations(self.tab)

    def reach(self, what: str) -> None:
        """Press Tab until the element has the focus."""
        wanted = self.tab.locator(what).first
        wanted.wait_for()
        for _ in range(MOST_TABS):
            if wanted.evaluate("element => element === document.activeElement"):
                return
            self.tab.keyboard.press("Tab")
        raise AssertionError(f"{what} cannot be reached by keyboard on {self.tab.url}")

    def press(self, what: str, key: str = "Enter") -> None:
        self.reach(what)
        self.tab.keyboard.press(key)

    def enter(self, what: str, text: str) -> None:
        self.reach(what)
        self.tab.keyboard.insert_text(text)


@pytest.fixture
def empty_installation(sandbox: SandboxProcess, settings: Settings, alice: User) -> SandboxProcess:
    """A company with its currency and an administrator, and a CRM that knows nothing of it."""
    settings.SANDBOX_FILE = sandbox.folder / "sandbox.json"
    CompanySettings.objects.create(company_name="Fjordkraft", lcy_code="NOK")
    return sandbox


@pytest.fixture
def keyboard(chromium: Browser, address: str) -> Callable[[str], Keyboard]:
    """Alice at her keyboard, in her language. The sandbox's certificates are trusted by nobody but us."""

    def sign_in(language: str) -> Keyboard:
        context = chromium.new_context(locale=language, ignore_https_errors=True)
        context.set_default_timeout(PATIENCE)
        keys = Keyboard(context.new_page())
        keys.tab.goto(f"{address}/sign-in/")
        keys.enter("#id_username", "alice")
        keys.enter("#id_password", PASSWORD)
        keys.tab.keyboard.press("Enter")
        return keys

    return sign_in


def as_administrator_of_the_crm(keys: Keyboard, sandbox: SandboxProcess) -> None:
    """Sign in on the CRM's own page, which crmbridge never sees."""
    keys.tab.wait_for_url(lambda url: url.startswith(sandbox.details["address"]))
    keys.enter("#login", ADMINISTRATOR)
    keys.enter("#password", sandbox.people()[ADMINISTRATOR])
    keys.tab.keyboard.press("Enter")


def type_the_address(keys: Keyboard, sandbox: SandboxProcess) -> None:
    """What somebody enters who has an environment of their own."""
    details = sandbox.details
    keys.enter("#id_address", details["address"] + "/main.aspx")
    expect(keys.tab.locator("#address-said")).to_contain_text(details["address"])
    keys.enter("#id_tenant_id", details["tenant"])
    keys.enter("#id_client_id", details["sync_client_id"])
    keys.enter("#id_new_secret", details["sync_client_secret"])
    keys.press("#task-form details summary")
    keys.enter("#id_authority", details["authority"])
    keys.press(NEXT)


def take_the_sandbox(keys: Keyboard, sandbox: SandboxProcess) -> None:
    """What the demo offers."""
    keys.press("button[name=use_sandbox]")


@pytest.mark.parametrize(
    ("language", "enter_environment"), [("en-GB", type_the_address), ("nb-NO", take_the_sandbox)], ids=["en", "nb"]
)
def test_s15_to_s25_from_nothing_to_a_working_connection_by_keyboard_alone(
    keyboard: Callable[[str], Keyboard],
    empty_installation: SandboxProcess,
    language: str,
    enter_environment: Callable[[Keyboard, SandboxProcess], None],
    record_property: Callable[[str, object], None],
) -> None:
    keys = keyboard(language)
    keys.at("/")
    keys.press("main a[href='/connection/guide/']")
    keys.at("/guide/start/")
    keys.press("#id_consent", "Space")
    keys.press(NEXT)
    keys.at("/guide/address/")
    enter_environment(keys, empty_installation)
    keys.at("/guide/data/")
    keys.press("#table-contact", "Space")
    expect(keys.tab.locator("#table-customer")).to_be_enabled()
    expect(keys.tab.locator("#table-contact")).to_be_focused()
    keys.press("#table-contact", "Space")
    expect(keys.tab.locator("#table-customer")).to_be_disabled()
    keys.press(NEXT)
    keys.at("/guide/solution/")
    keys.press(".box button")
    as_administrator_of_the_crm(keys, empty_installation)
    keys.at("/guide/solution/")
    expect(keys.tab.locator("#solution progress")).to_have_count(0)
    expect(keys.tab.locator("#import .btn-main")).to_have_count(0)  # what comes now is Next
    keys.press(NEXT)
    keys.at("/guide/user/")
    keys.press(".box button")
    as_administrator_of_the_crm(keys, empty_installation)
    keys.at("/guide/user/")
    keys.press(NEXT)
    keys.at("/guide/options/")
    keys.press("#id_is_item_availability_on", "Space")
    keys.found["options on"] = violations(keys.tab)
    keys.press("#id_is_item_availability_on", "Space")
    keys.press(NEXT)
    keys.at("/guide/check/")
    expect(keys.tab.locator("[aria-busy=true]")).to_have_count(0)
    keys.found["findings"] = violations(keys.tab)
    keys.press(NEXT)
    keys.at("/guide/finish/")
    keys.press("[name=runs_full_synchronization][value=True]", "ArrowDown")
    keys.press(NEXT)
    keys.at("/connection/")
    expect(keys.tab.locator("main")).to_contain_text("Fjordkraft Handel")
    assert CRMConnection.enabled().sync_user_name
    expect(keys.tab.locator("html")).to_have_attribute("lang", language[:2])
    record_property("path", keys.path)
    print(*keys.path, sep="\n")
    assert keys.found == {page: [] for page in keys.found}
