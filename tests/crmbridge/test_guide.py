"""The guide over HTTP: one form and one address a step, over the same set-up as the window (S15 to S26)."""

import html
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from connection.models import CRMConnection
from coupling.models import Coupling, FieldMapping, OptionMapping, TableMapping
from crmbridge.guide.steps import STEPS
from crmbridge.models import GuideDraft
from financials.models import CompanySettings, PaymentTerms, WebServiceKey
from sync.models import FullSynchronization, JobQueueEntry
from sync.queue import enqueue
from sync.working import work_once
from tests.conftest import PASSWORD
from tests.factories import ConnectionFactory, CouplingFactory, FieldMappingFactory, TableMappingFactory
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db

GUIDE, BY_HAND = "/connection/guide/", "/connection/set-up/"


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def desk(alice: User) -> Client:
    """Alice, the administrator, at her browser."""
    CompanySettings.objects.create(company_name="Fjordkraft", lcy_code="NOK")
    return browser(alice)


@pytest.fixture
def colleague(db: None) -> Client:
    """Dagny, another administrator."""
    return browser(User.objects.create_superuser("dagny", password=PASSWORD))


@pytest.fixture
def offered(sandbox: SandboxProcess, settings: Settings) -> SandboxProcess:
    """The sandbox, which the guide offers."""
    settings.SANDBOX_FILE = sandbox.folder / "sandbox.json"
    return sandbox


def text(page: Any) -> str:
    return html.unescape(re.sub(r"\s+", " ", page.content.decode()))


def seen_in(page: Any) -> str:
    found = re.search(r'name="seen" value="(\w*)"', page.content.decode())
    assert found, page.content.decode()
    return found[1]


def send(desk: Client, page: str, **values: Any) -> Any:
    """Open the page, fill in the form, press the button."""
    return desk.post(page, {"seen": seen_in(desk.get(page)), **values})


def settings_of(sandbox: SandboxProcess, **changes: str) -> dict[str, str]:
    details = sandbox.details
    return {
        "address": details["address"],
        "authority": details["authority"],
        "tenant_id": details["tenant"],
        "client_id": details["client_id"],
        "method": "secret",
        "new_secret": details["client_secret"],
    } | changes


def consented(desk: Client) -> Client:
    assert send(desk, f"{GUIDE}start/", consent="on")["Location"] == f"{GUIDE}address/"
    return desk


def test_s15_home_offers_the_guide_until_the_connection_is_enabled(desk: Client) -> None:
    assert "Dynamics CRM Connection Setup" in text(desk.get("/"))
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}start/"
    ConnectionFactory.create()
    assert "Dynamics CRM Connection Setup" not in text(desk.get("/"))


def test_nothing_begins_without_consent(desk: Client) -> None:
    assert "nothing is sent without your consent" in text(send(desk, f"{GUIDE}start/"))
    assert not GuideDraft.objects.exists()
    assert desk.get(f"{GUIDE}data/")["Location"] == f"{GUIDE}start/"


def test_s89_the_guide_leads_on_to_help(desk: Client) -> None:
    page = text(desk.get(f"{GUIDE}start/"))
    for link in ("Relationship management", "Change the experience", "Users and permissions", "Onboard your organ"):
        assert link in page


def test_s27_what_the_app_registration_needs_for_the_sign_in_is_told_where_it_is_needed(
    desk: Client, offered: SandboxProcess
) -> None:
    consented(desk)
    send(desk, f"{GUIDE}address/", use_sandbox="1")
    signing_in = desk.post("/connection/sign-in/", {"task": "import"})
    (return_address,) = parse_qs(urlsplit(signing_in["Refresh"].partition("url=")[2]).query)["redirect_uri"]
    pages = [f"{GUIDE}start/", *(f"{BY_HAND}{task}/" for task in ("address", "solution", "user"))]
    for page in (*pages, "/help/connection-setup/"):
        assert f">{return_address}<" in text(desk.get(page)), page
        assert "user_impersonation" in text(desk.get(page)), page


def test_s26_leaving_half_way_leaves_nothing_enabled_and_the_guide_goes_on_there(
    desk: Client, colleague: Client, offered: SandboxProcess
) -> None:
    consented(desk)
    assert send(desk, f"{GUIDE}address/", use_sandbox="1")["Location"] == f"{GUIDE}data/"
    assert not CRMConnection.objects.get().is_enabled
    assert colleague.get(GUIDE)["Location"] == f"{GUIDE}data/"
    page = text(colleague.get(f"{GUIDE}data/"))
    assert "alice, " in page
    assert colleague.get(f"{GUIDE}finish/")["Location"] == f"{GUIDE}data/"
    assert colleague.get(f"{GUIDE}address/").status_code == 200


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Enter the address, such as"),
        ("http://contoso.crm4.dynamics.com", "Use the https address: https://contoso.crm4.dynamics.com."),
        ("https://evil.example", "This is not the address of a Dynamics CRM environment."),
        ("https://me:pass@contoso.crm4.dynamics.com", "Remove everything before and including the @."),
        ("ftp://contoso", "This is not a web address."),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_its_fix(desk: Client, typed: str, said: str) -> None:
    page = text(send(consented(desk), f"{GUIDE}address/", address=typed, tenant_id="t", client_id="c", method="secret"))
    assert said in page
    assert not CRMConnection.objects.exists()
    if typed:
        assert said in text(desk.get("/connection/parts/address/", {"address": typed}))


def test_an_address_is_checked_as_it_is_typed_and_what_was_pasted_is_cut_to_it(desk: Client) -> None:
    pasted = "contoso.crm4.dynamics.com/main.aspx?appid=1"
    page = text(desk.get("/connection/parts/address/", {"address": pasted}))
    assert "Used as https://contoso.crm4.dynamics.com" in page
    form = {"address": pasted, "tenant_id": "contoso.com", "client_id": "c", "method": "secret", "new_secret": "s"}
    send(desk, f"{BY_HAND}address/", **form)
    assert CRMConnection.objects.get().address == "https://contoso.crm4.dynamics.com"


def test_a_sign_in_that_fails_is_explained_and_keeps_the_guide_there(desk: Client, offered: SandboxProcess) -> None:
    page = text(send(consented(desk), f"{GUIDE}address/", **settings_of(offered, new_secret="wr0ng-s3cret")))
    assert "The connection does not work yet." in page
    assert "AADSTS7000215" in page
    assert "wr0ng-s3cret" not in page
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}address/"
    assert CRMConnection.objects.get().tenant_id == offered.details["tenant"]


def test_a_wrong_environment_and_an_expired_secret_are_told_apart(desk: Client, offered: SandboxProcess) -> None:
    page = text(send(consented(desk), f"{GUIDE}address/", **settings_of(offered, address="https://localhost:1")))
    assert "No server answers at the address of Dynamics CRM." in page
    assert "Check that the address is right and that this computer may connect to it, then try again." in page
    assert "keeps trying" not in page
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}address/"
    offered.control("POST", "expire-secrets")
    page = text(send(desk, f"{GUIDE}address/", **settings_of(offered)))
    assert "the client secret has expired" in page
    assert "Create a new client secret in Microsoft Entra ID" in page
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}address/"


def test_s22_another_environment_is_gone_through_anew(desk: Client, offered: SandboxProcess) -> None:
    consented(desk)
    send(desk, f"{GUIDE}address/", use_sandbox="1")
    send(desk, f"{GUIDE}data/", tables=["CURRENCY"])
    assert send(desk, f"{GUIDE}solution/", imports_solution="False")["Location"] == f"{GUIDE}user/"
    typed = {"client_id": offered.details["sync_client_id"], "new_secret": ""}
    send(desk, f"{BY_HAND}address/", **settings_of(offered, **typed, address=offered.details["address"] + "/main.aspx"))
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}user/"  # the same environment, typed in another way
    other = settings_of(offered, **typed, address="https://other.crm4.dynamics.com")
    send(desk, f"{BY_HAND}address/", **other)
    assert desk.get(GUIDE)["Location"] == f"{GUIDE}solution/"


def test_s42_the_secret_is_never_shown_again_and_stays_where_nothing_is_entered(
    desk: Client, offered: SandboxProcess
) -> None:
    consented(desk)
    assert send(desk, f"{GUIDE}address/", **settings_of(offered))["Location"] == f"{GUIDE}data/"
    page = text(desk.get(f"{GUIDE}address/"))
    assert offered.details["client_secret"] not in page
    assert "Leave empty to keep it." in page
    assert send(desk, f"{GUIDE}address/", **settings_of(offered, new_secret=""))["Location"] == f"{GUIDE}data/"
    assert CRMConnection.objects.get().client_secret.reveal() == offered.details["client_secret"]


def test_s18_guide_and_window_show_the_same_values(desk: Client, offered: SandboxProcess) -> None:
    consented(desk)
    send(desk, f"{GUIDE}address/", use_sandbox="1")
    assert offered.details["address"] in text(desk.get(f"{BY_HAND}address/"))
    send(desk, f"{BY_HAND}address/", **settings_of(offered, address="https://other.crm4.dynamics.com", authority=""))
    assert "https://other.crm4.dynamics.com" in text(desk.get(f"{GUIDE}address/"))
    send(desk, f"{BY_HAND}data/", tables=["CURRENCY"])
    ticked = re.findall(r'value="(\w+)" id="table-\w+" checked', desk.get(f"{GUIDE}data/").content.decode())
    assert ticked == ["CURRENCY"]


def test_s19_tables_are_chosen_with_what_they_need_and_both_sides_are_counted(
    desk: Client, offered: SandboxProcess
) -> None:
    consented(desk)
    send(desk, f"{GUIDE}address/", **settings_of(offered))
    part = text(desk.post("/connection/parts/tables/", {"tables": ["CONTACT"]}))
    assert "Needed by Customers, Contacts." in part
    assert 'value="SALESPEOPLE" id="table-salespeople" aria' in part
    counts = text(desk.get("/connection/parts/counts/"))
    assert '<span id="crm-currency" hx-swap-oob="innerHTML">4</span>' in counts
    assert '<span id="erp-currency" hx-swap-oob="innerHTML">1</span>' in counts
    send(desk, f"{GUIDE}data/", tables=["CONTACT"])
    enabled = TableMapping.objects.filter(is_enabled=True).values_list("name", flat=True)
    assert set(enabled) == {"CONTACT", "CUSTOMER", "CURRENCY"}
    assert not TableMapping.objects.get(name="SALESPEOPLE").is_enabled


def test_the_local_currency_must_be_known_before_data_is_chosen(desk: Client) -> None:
    CompanySettings.objects.update(lcy_code="")
    assert "LCY Code" in text(send(desk, f"{BY_HAND}data/", tables=["CURRENCY"]))
    assert not TableMapping.objects.exists()


def test_two_administrators_do_not_overwrite_each_other(
    desk: Client, colleague: Client, offered: SandboxProcess
) -> None:
    consented(desk)
    send(desk, f"{GUIDE}address/", use_sandbox="1")
    seen = seen_in(desk.get(f"{GUIDE}data/"))
    send(colleague, f"{GUIDE}data/", tables=["SALESPEOPLE"])
    page = desk.post(f"{GUIDE}data/", {"seen": seen, "tables": ["CURRENCY"]})
    assert "dagny has changed this while you were here." in text(page)
    assert "Data to synchronize is now: SALESPEOPLE" in text(page)
    assert set(TableMapping.objects.filter(is_enabled=True).values_list("name", flat=True)) == {"SALESPEOPLE"}
    desk.post(f"{GUIDE}data/", {"seen": seen_in(page), "tables": ["CURRENCY"]})
    assert set(TableMapping.objects.filter(is_enabled=True).values_list("name", flat=True)) == {"CURRENCY"}


def rate() -> FieldMapping:
    return FieldMapping.objects.get(mapping__name="CURRENCY", crm_column="exchangerate")


def snapshot(*models: type[Model]) -> list[list[dict[str, Any]]]:
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def test_off_and_on_again_changes_nothing(desk: Client, connection: CRMConnection) -> None:
    """Not even a rate against another currency than the CRM's, which the defaults hold back and a person does not."""
    CompanySettings.objects.update(lcy_code="EUR")
    send(desk, f"{BY_HAND}data/", tables=["CUSTOMER"])
    assert not rate().is_enabled
    FieldMapping.objects.filter(pk=rate().pk).update(is_enabled=True)
    FieldMapping.objects.filter(crm_column="fax").update(crm_column="address2_fax", is_enabled=False)
    CouplingFactory.create(mapping=TableMapping.objects.get(name="CUSTOMER"))
    enqueue(TableMapping.objects.get(name="CUSTOMER"))
    before = snapshot(TableMapping, FieldMapping, Coupling, JobQueueEntry)
    assert "jobs wait" in text(desk.get("/connection/disable/"))
    desk.post("/connection/disable/")
    assert not work_once()
    assert "Disabled by alice." in text(desk.get("/connection/"))
    desk.post("/connection/enable/")
    assert CRMConnection.objects.get().is_enabled
    send(desk, f"{BY_HAND}data/", tables=["CUSTOMER"])
    assert snapshot(TableMapping, FieldMapping, Coupling, JobQueueEntry) == before
    assert work_once()


def test_rates_are_held_back_once_when_the_crm_tells_its_currency(desk: Client, connection: CRMConnection) -> None:
    CompanySettings.objects.update(lcy_code="EUR")
    CRMConnection.objects.update(base_currency_code="", is_enabled=False)
    send(desk, f"{BY_HAND}data/", tables=["CURRENCY"])
    assert rate().is_enabled
    own = FieldMappingFactory.create(mapping=TableMappingFactory.create(name="OWN"), crm_column="exchangerate")
    desk.post("/connection/test/")
    assert CRMConnection.objects.get().base_currency_code == "NOK"
    assert not rate().is_enabled
    assert FieldMapping.objects.get(pk=own.pk).is_enabled
    FieldMapping.objects.filter(pk=rate().pk).update(is_enabled=True)
    for again in ("/connection/test/", "/connection/enable/"):
        desk.post(again)
        assert rate().is_enabled


def test_whichever_button_enables_the_connection_codes_are_coupled_with_options_first(
    desk: Client, connection: CRMConnection
) -> None:
    PaymentTerms.objects.create(code="30D", description="Net 30")
    send(desk, f"{BY_HAND}data/", tables=["CUSTOMER"])
    own = f"/admin/connection/crmconnection/{connection.pk}"
    for enable in ("/connection/enable/", f"{own}/enable/", f"/api/v1/connection/{connection.pk}/enable/"):
        desk.post("/connection/disable/")
        OptionMapping.objects.all().delete()
        desk.post(enable)
        assert CRMConnection.objects.get().is_enabled
        assert OptionMapping.objects.get().erp_code == "30D"


def test_f5_25_settings_are_locked_while_the_connection_is_enabled(
    desk: Client, connection: CRMConnection, sandbox: SandboxProcess
) -> None:
    page = text(desk.get(f"{BY_HAND}address/"))
    assert "Its settings can be changed only while it is disabled" in page
    assert '<fieldset class="fields" disabled>' in page
    other = settings_of(sandbox, tenant_id="contoso.com")
    said = desk.post(f"{BY_HAND}address/", {"seen": seen_in(desk.get(f"{BY_HAND}address/")), **other}, follow=True)
    assert "Nothing was changed: somebody has enabled the connection meanwhile." in text(said)
    assert CRMConnection.objects.get().tenant_id == connection.tenant_id
    assert "The connection is enabled." in text(desk.get(f"{GUIDE}start/"))
    assert desk.get(f"{GUIDE}finish/")["Location"] == f"{GUIDE}start/"
    # The same input is stored as soon as it may be.
    desk.post("/connection/disable/")
    send(desk, f"{BY_HAND}address/", **other)
    assert CRMConnection.objects.get().tenant_id == "contoso.com"


def test_s86_the_mappings_name_both_tables_and_are_switched_with_what_they_need(desk: Client) -> None:
    assert "There are no table mappings yet" in text(desk.get("/connection/mappings/"))
    send(desk, f"{BY_HAND}data/", tables=["SALESPEOPLE"])
    page = text(desk.get("/connection/mappings/"))
    assert "financials.Customer" in page
    assert "account" in page
    switch = {mapping.name: f"/connection/mappings/{mapping.pk}/switch/" for mapping in TableMapping.objects.all()}
    said = text(desk.post(switch["CUSTOMER"], {"to": "on"}, follow=True))
    assert "Switched on with what it needs: CURRENCY, CUSTOMER." in said
    assert "CURRENCY was on already." in text(desk.post(switch["CURRENCY"], {"to": "on"}, follow=True))
    assert "CURRENCY stays on: others need it." in text(desk.post(switch["CURRENCY"], {"to": "off"}, follow=True))
    assert "Switched off: CUSTOMER." in text(desk.post(switch["CUSTOMER"], {"to": "off"}, follow=True))
    assert not TableMapping.objects.get(name="CUSTOMER").is_enabled


def test_the_window_names_the_data_that_is_synchronized_not_what_is_offered(desk: Client) -> None:
    ConnectionFactory.create(is_enabled=False)

    def chosen_and_ticked() -> tuple[list[str], list[str]]:
        page = desk.get(f"{BY_HAND}data/").content.decode()
        return desk.get("/connection/").context["chosen"], re.findall(r'value="(\w+)" id="table-\w+" checked', page)

    chosen, ticked = chosen_and_ticked()
    assert chosen == []
    assert "CONTACT" in ticked
    send(desk, f"{BY_HAND}data/", tables=["CURRENCY"])
    # A default that is missing, as one that a new version brings, is offered and nothing more.
    FieldMapping.objects.filter(lookup__name="CONTACT").delete()
    TableMapping.objects.get(name="CONTACT").delete()
    assert chosen_and_ticked() == (["Currencies"], ["CURRENCY"])


def test_s17_the_window_leads_to_every_task_of_the_guide(desk: Client) -> None:
    ConnectionFactory.create(is_enabled=False)
    window = desk.get("/connection/").content.decode()
    tasks = [step.name for step in STEPS if step.name not in ("start", "finish")]
    for task in tasks:
        address = f"{BY_HAND}{task}/"
        assert f'href="{address}"' in window
        assert desk.get(address).status_code == 200
        assert desk.get(address).context["frame"] == "crmbridge/guide/by_hand.html"
    # What the last step does: enable, test, full synchronization (S84), and the mappings (S85).
    for address in ("/connection/enable/", "/full-synchronization/", "/connection/mappings/", "/connection/defaults/"):
        assert f'href="{address}"' in window
    assert 'action="/connection/test/"' in window


def test_s84_s85_full_synchronization_and_mappings_are_a_step_away_at_any_time(
    desk: Client, connection: CRMConnection
) -> None:
    send(desk, f"{BY_HAND}data/", tables=["SALESPEOPLE"])

    def details() -> str:
        window = desk.get("/connection/").content.decode()
        assert 'href="/connection/mappings/"' in window
        assert "SALESPEOPLE" in text(desk.get("/connection/mappings/"))
        assert 'href="/full-synchronization/"' in window
        return text(desk.get("/full-synchronization/"))

    assert "SALESPEOPLE" not in details()
    desk.post("/full-synchronization/prepare/")
    full = FullSynchronization.objects.get()
    assert "SALESPEOPLE" in details()
    desk.post(f"/full-synchronization/{full.pk}/start/")
    assert "SALESPEOPLE" in details()
    while work_once():
        pass
    month = timedelta(days=40)
    FullSynchronization.objects.update(created_at=timezone.now() - month, started_at=timezone.now() - month)
    desk.post("/connection/disable/")
    assert "SALESPEOPLE" in details()


def test_f5_22_the_default_setup_says_what_it_replaces_and_replaces_just_that(
    desk: Client, connection: CRMConnection
) -> None:
    send(desk, f"{BY_HAND}data/", tables=["CUSTOMER"])
    assert "nothing would change" in text(desk.get("/connection/defaults/"))
    fax = FieldMapping.objects.get(mapping__name="CUSTOMER", crm_column="fax")
    FieldMapping.objects.filter(pk=fax.pk).update(erp_field="phone_no")
    FieldMapping.objects.create(mapping=fax.mapping, erp_field="name", crm_column="nickname")
    TableMapping.objects.filter(name="CURRENCY").update(erp_filter=[["code", "ne", "SEK"]])
    own = TableMappingFactory.create(name="OWN")
    coupling = CouplingFactory.create(mapping=fax.mapping)
    page = desk.get("/connection/defaults/")
    assert len(page.context["replacements"]) == 3
    assert "Your field mapping name · nickname is removed." in text(page)
    FieldMapping.objects.filter(crm_column="nickname").update(erp_field="city")
    assert "changed meanwhile" in text(desk.post("/connection/defaults/", {"seen": seen_in(page)}, follow=True))
    assert FieldMapping.objects.filter(crm_column="nickname").exists()
    send(desk, "/connection/defaults/")
    fax.refresh_from_db()
    assert fax.erp_field == "fax_no"
    assert "nothing would change" in text(desk.get("/connection/defaults/"))
    assert TableMapping.objects.filter(pk=own.pk).exists()
    assert Coupling.objects.filter(pk=coupling.pk).exists()
    assert not TableMapping.objects.get(name="SALESPEOPLE").is_enabled


def test_the_window_shows_the_health_and_answers_without_asking_the_crm(
    desk: Client, connection: CRMConnection, sandbox: SandboxProcess
) -> None:
    health = text(desk.get("/connection/health/"))
    assert "Fjordkraft Handel" in health
    assert "Client secret" in health
    assert "Tables" in health
    assert "Item availability" not in health
    # An option that is on and cannot work is seen here, where somebody looks.
    alice = User.objects.get(username="alice")
    CRMConnection.objects.update(is_item_availability_on=True, odata_user=alice)
    WebServiceKey.change(alice, by="alice")
    assert "Item availability" in text(desk.get("/connection/health/"))
    WebServiceKey.objects.update(expires_at=timezone.now())
    assert "access key has expired" in text(desk.get("/connection/health/"))
    CRMConnection.objects.update(address="https://localhost:1")
    assert desk.get("/connection/").status_code == 200
    assert "No" in text(desk.get("/connection/health/"))
    assert "The connection does not work yet." in text(desk.post("/connection/test/"))
