"""The pages in a real browser: by mouse, by keyboard, for screen readers, in light and dark, wide and narrow."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page, expect

from coupling.models import Coupling, TableMapping
from financials.factories import CustomerFactory
from financials.models import Customer
from sync.models import JobState, SynchJob
from sync.notifying import look_out
from tests.factories import (
    ChangeFactory,
    ConflictFactory,
    ConnectionFactory,
    CouplingFactory,
    FieldMappingFactory,
    SynchErrorFactory,
    SynchJobFactory,
    WaitingFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def customer(transactional_db: None) -> Customer:
    made: Customer = CustomerFactory.create(no="C1", name="Blåbær AS", city="Bodø", phone_no="+47 1")
    return made


@pytest.fixture
def story(customer: Customer) -> Coupling:
    """A coupled customer to whom everything has happened."""
    ConnectionFactory.create(address="https://localhost:9443")
    mapping: TableMapping = FieldMappingFactory.create().mapping
    FieldMappingFactory.create(mapping=mapping, erp_field="phone_no", crm_column="telephone1")
    base = {"name": ["Blåbær AS", "Blåbær AS"], "telephone1": ["+47 2", "+47 2"]}
    coupling: Coupling = CouplingFactory.create(mapping=mapping, erp_id=customer.system_id, base=base)
    SynchErrorFactory.create(mapping=mapping, record_id=customer.system_id, record_name="C1")
    WaitingFactory.create(mapping=mapping, record_id=customer.system_id)
    ConflictFactory.create(coupling=coupling)
    ChangeFactory.create(coupling=coupling, job=SynchJobFactory.create(mapping=mapping))
    CustomerFactory.create(no="C2", name="Tyttebær AS")
    return coupling


def addresses(story: Coupling) -> list[str]:
    record = f"customer/{story.erp_id}/"
    job = story.changes.get().job_id
    alice = User.objects.get().pk
    return [
        "/",
        "/connection/",
        "/connection/mappings/",
        "/connection/set-up/address/",
        "/connection/set-up/solution/",
        "/connection/disable/",
        "/connection/preflight/",
        "/tables/customer/",
        "/tables/customer/?q=nothing",
        f"/tables/{record}",
        f"/sync/records/{record}",
        "/jobs/",
        f"/jobs/{job}/",
        "/errors/",
        "/conflicts/",
        "/notifications/",
        "/search/?q=map",
        "/help/connection-setup/",
        "/company/",
        "/users/",
        f"/users/{alice}/web-service-key/",
        "/nowhere/",
        "/admin/",
        "/admin/sync/synchjob/",
        "/admin/coupling/coupling/",
    ]


def see(tab: Page, address: str) -> None:
    """Open a page and wait for the parts that it fetches."""
    tab.goto(address)
    expect(tab.locator("[hx-trigger=load]")).to_have_count(0)


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


def test_axe_finds_nothing_on_any_page_in_light_and_dark(signed_in: Page, address: str, story: Coupling) -> None:
    # No colour is caught on its way from one theme to the other.
    signed_in.emulate_media(reduced_motion="reduce")
    found = {}
    for each in addresses(story):
        signed_in.emulate_media(color_scheme="light")
        see(signed_in, f"{address}{each}")
        light = violations(signed_in)
        signed_in.emulate_media(color_scheme="dark")
        found[each] = (light, violations(signed_in))
    assert found == {each: ([], []) for each in addresses(story)}


def test_axe_finds_nothing_on_the_sign_in_page(tab: Page, address: str) -> None:
    tab.goto(f"{address}/sign-in/")
    assert violations(tab) == []


def test_no_page_breaks_its_own_content_policy_or_scrolls_sideways_on_a_telephone(
    signed_in: Page, address: str, story: Coupling
) -> None:
    complaints: list[tuple[str, str]] = []

    def complain(text: str) -> None:
        complaints.append((signed_in.url.removeprefix(address), text))

    signed_in.on("console", lambda message: complain(message.text) if message.type == "error" else None)
    signed_in.on("pageerror", lambda error: complain(str(error)))
    signed_in.set_viewport_size({"width": 375, "height": 740})
    widths = {}
    for each in addresses(story):
        see(signed_in, f"{address}{each}")
        widths[each] = signed_in.evaluate("document.documentElement.scrollWidth")
    assert widths == dict.fromkeys(addresses(story), 375)
    for each in ("/api/docs/", "/admin/crmbridge/apikey/add/", "/admin/coupling/tablemapping/"):
        see(signed_in, f"{address}{each}")
    assert [each for each in complaints if each[0] != "/nowhere/"] == []


def test_from_home_to_a_customer_and_what_happened_to_it(story: Coupling, signed_in: Page) -> None:
    signed_in.get_by_role("link", name="Customers", exact=True).first.click()
    expect(signed_in.get_by_role("heading", name="Customer List")).to_be_visible()
    signed_in.get_by_role("searchbox").fill("blåbær")
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_text("1 record", exact=True)).to_be_visible()
    signed_in.get_by_role("link", name="C1").click()
    expect(signed_in.get_by_role("heading", name="C1 Blåbær AS")).to_be_visible()
    expect(signed_in.get_by_text("Changed since")).to_be_visible()
    expect(signed_in.get_by_role("heading", name="Synchronization Log")).to_be_visible()
    expect(signed_in.get_by_text("The email is too long.")).to_be_visible()
    expect(signed_in.get_by_role("link", name="Open in CRM")).to_have_attribute("target", "_blank")


def test_s81_a_running_job_is_followed_without_reloading(signed_in: Page, address: str, story: Coupling) -> None:
    job = SynchJobFactory.create(mapping=story.mapping, state=JobState.RUNNING, finished_at=None, read=7)
    signed_in.goto(f"{address}/jobs/{job.pk}/")
    expect(signed_in.get_by_text("In Process")).to_be_visible()
    SynchJob.objects.filter(pk=job.pk).update(state=JobState.FINISHED, read=1234)
    expect(signed_in.get_by_text("Finished")).to_be_visible()
    expect(signed_in.get_by_text("1,234")).to_be_visible()


def test_the_record_page_links_to_the_story_without_javascript(signed_in: Page, address: str, story: Coupling) -> None:
    browser = signed_in.context.browser
    assert browser
    context = browser.new_context(java_script_enabled=False, storage_state=signed_in.context.storage_state())
    plain = context.new_page()
    plain.goto(f"{address}/tables/customer/{story.erp_id}/")
    plain.get_by_role("link", name="Errors, conflicts and Synchronization Log of this record").click()
    expect(plain.get_by_text("The email is too long.")).to_be_visible()
    plain.get_by_role("button", name="Use light colours").click()
    expect(plain.locator("html")).to_have_attribute("data-theme", "light")
    context.close()


def test_the_language_is_switched_in_the_header(signed_in: Page) -> None:
    signed_in.get_by_role("button", name="Norsk bokmål").click()
    expect(signed_in.locator("html")).to_have_attribute("lang", "nb")
    expect(signed_in.get_by_role("button", name="Norsk bokmål")).to_have_attribute("aria-pressed", "true")


def test_the_theme_changes_at_once_and_is_remembered(signed_in: Page, address: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = signed_in.evaluate(background)
    signed_in.get_by_role("button", name="Use light colours").click()
    signed_in.get_by_role("button", name="Use dark colours").click()
    assert signed_in.evaluate(background) != light
    signed_in.goto(f"{address}/admin/")
    assert signed_in.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    signed_in.goto(f"{address}/jobs/")
    expect(signed_in.locator("html")).to_have_attribute("data-theme", "dark")
    signed_in.get_by_role("button", name="Use the colours of the system").click()
    assert signed_in.evaluate(background) == light


def test_the_keyboard_is_enough(signed_in: Page, address: str, story: Coupling) -> None:
    signed_in.goto(f"{address}/tables/customer/")
    signed_in.keyboard.press("Tab")
    expect(signed_in.get_by_role("link", name="Skip to the content")).to_be_focused()
    signed_in.keyboard.press("Enter")
    signed_in.keyboard.press("Tab")
    expect(signed_in.get_by_role("searchbox")).to_be_focused()
    signed_in.get_by_role("link", name="Not coupled").focus()
    outline = signed_in.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    signed_in.keyboard.press("/")
    expect(signed_in.get_by_role("searchbox")).to_be_focused()


def test_the_menus_open_without_a_mouse_and_close_with_escape(signed_in: Page, address: str) -> None:
    signed_in.set_viewport_size({"width": 375, "height": 740})
    for button, inside in (("Menu", "Synch jobs"), ("Signed in as alice", "Administration")):
        link = signed_in.get_by_role("link", name=inside).last
        expect(link).to_be_hidden()
        signed_in.get_by_role("button", name=button).focus()
        signed_in.keyboard.press("Enter")
        expect(link).to_be_visible()
        signed_in.keyboard.press("Escape")
        expect(link).to_be_hidden()


def test_signing_out_ends_the_session(signed_in: Page, address: str, alice: User) -> None:
    signed_in.get_by_role("button", name="Signed in as alice").click()
    signed_in.get_by_role("button", name="Sign out").click()
    expect(signed_in).to_have_url(re.compile("/sign-in/"))
    signed_in.goto(f"{address}/jobs/")
    expect(signed_in).to_have_url(re.compile("/sign-in/"))


def test_the_swagger_page_shows_the_api(signed_in: Page, address: str) -> None:
    signed_in.goto(f"{address}/api/docs/")
    expect(signed_in.get_by_text("/api/v1/customers/").first).to_be_visible()


def test_a_notification_is_seen_in_the_header_and_read_by_the_keyboard(
    signed_in: Page, address: str, story: Coupling
) -> None:
    look_out(timezone.now())
    signed_in.goto(f"{address}/")
    bell = signed_in.get_by_role("link", name="Notifications: 1 unread")
    bell.focus()
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_role("heading", name="Records fail CUSTOMER")).to_be_visible()
    signed_in.get_by_role("button", name="Mark as read Records fail: CUSTOMER").focus()
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_role("link", name="Notifications", exact=True)).to_be_visible()
    SynchErrorFactory.create_batch(20, mapping=story.mapping)
    cache.clear()
    signed_in.evaluate("htmx.ajax('GET', '/notifications/bell/', {target: '#bell', swap: 'outerHTML'})")
    expect(signed_in.get_by_role("link", name="Notifications: 1 unread")).to_be_visible()
    signed_in.get_by_role("link", name="See the records").click()
    expect(signed_in.get_by_role("heading", name="Errors")).to_be_visible()
