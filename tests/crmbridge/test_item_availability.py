"""Item availability as a published web service: the access key, the OData user, and what a caller gets (S44 to S49)."""

import html
import re
from base64 import b64encode
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from connection.models import CRMConnection
from crmbridge.groups import ADMINISTRATORS
from financials.factories import ItemFactory, ItemLedgerEntryFactory
from financials.models import Item, WebServiceKey
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db
ITEMS = "/odata/v4/ItemAvailability"


@pytest.fixture
def desk(client: Client) -> Client:
    """An administrator's browser."""
    person = User.objects.create_user("anna")
    person.groups.add(Group.objects.get(name=ADMINISTRATORS))
    client.force_login(person)
    return client


@pytest.fixture
def integration(db: None) -> User:
    """The user whose key the CRM uses."""
    return User.objects.create_user("integration", password="a password opens nothing here")


@pytest.fixture
def published(integration: User) -> CRMConnection:
    """A connection that publishes availability to that user."""
    made: CRMConnection = ConnectionFactory.create(is_item_availability_on=True, odata_user=integration)
    return made


@pytest.fixture
def lamp(db: None) -> Item:
    item: Item = ItemFactory.create(no="V1", description="Arbeidslampe")
    ItemLedgerEntryFactory.create(item=item, quantity=Decimal("12.5"))
    ItemLedgerEntryFactory.create(item=item, quantity=Decimal(-2))
    return item


def changed_key(desk: Client, user: User, expires_on: str = "") -> str:
    """Choose Change Web Service Key on the user's page, as a person does."""
    page = desk.get(f"/users/{user.pk}/").content.decode()
    found = re.search(r'href="(/users/\d+/web-service-key/)"', page)
    assert found
    answer = desk.post(found[1], {"expires_on": expires_on})
    assert "no-store" in answer["Cache-Control"]
    shown = re.search(r'id="key" readonly value="([\w-]{43})"', answer.content.decode())
    assert shown
    return shown[1]


def ask(key: str, *, name: str = "integration", address: str = ITEMS) -> Any:
    basic = b64encode(f"{name}:{key}".encode()).decode()
    return Client().get(address, headers={"Authorization": f"Basic {basic}"} if key else {})


def steps(desk: Client, user: User | None) -> tuple[list[str], str]:
    """How the set-up shows the two steps with this user: done or missing, and everything that it says."""
    page = desk.get("/connection/parts/availability/", {"odata_user": user.pk if user else ""}).content.decode()
    return re.findall(r">(Done|Missing)<", page), html.unescape(page)


def options(desk: Client, **entered: Any) -> str:
    """Save the options by hand; what the page says."""
    task = "/connection/set-up/options/"
    seen = re.search(r'name="seen" value="(\w*)"', desk.get(task).content.decode())
    assert seen
    answer = desk.post(task, {"seen": seen[1], "sales_order_user": "", **entered}, follow=True)
    return html.unescape(answer.content.decode())


def test_s46_the_users_page_changes_the_key_and_shows_it_once(desk: Client, integration: User) -> None:
    key = changed_key(desk, integration)
    assert key not in desk.get(f"/users/{integration.pk}/").content.decode()
    stored = WebServiceKey.objects.values().get()
    assert key not in str(stored)
    assert (stored["set_by"], stored["user_id"]) == ("anna", integration.pk)


def test_s49_the_call_succeeds_with_the_named_user_and_key(
    desk: Client, published: CRMConnection, integration: User, lamp: Item
) -> None:
    key = changed_key(desk, integration)
    before = timezone.now() - timedelta(seconds=1)
    answer = ask(key, address=f"{ITEMS}?$filter=No eq 'V1'")
    assert (answer.status_code, answer["OData-Version"], answer["Cache-Control"]) == (200, "4.0", "no-store")
    (row,) = answer.json()["value"]
    assert (row["No"], row["Inventory"], row["Base_Unit_of_Measure"]) == ("V1", 10.5, "STK")
    assert before <= datetime.fromisoformat(row["As_Of"]) <= timezone.now()
    admin = Client()
    admin.force_login(User.objects.create_superuser("root"))
    assert "10.5" in admin.get("/admin/financials/item/").content.decode()  # S12: the figure that the ERP shows


def test_s49_without_a_key_or_with_an_old_one_it_is_refused_and_the_set_up_shows_the_fault(
    desk: Client, published: CRMConnection, integration: User, lamp: Item
) -> None:
    old = changed_key(desk, integration)
    assert ask(old).status_code == 200
    new = changed_key(desk, integration)
    for wrong in ("", old, "a password opens nothing here", new + "x"):
        answer = ask(wrong)
        assert (answer.status_code, answer["WWW-Authenticate"].split()[0]) == (401, "Basic"), wrong
        assert answer.json()["error"]["message"]
        assert answer.get("Cache-Control") == "no-store"
    state, said = steps(desk, integration)
    assert state == ["Missing", "Done"]
    assert "old or wrong key" in said
    assert "Last call refused" in desk.get(f"/users/{integration.pk}/").content.decode()
    assert ask(new).status_code == 200
    assert steps(desk, integration)[0] == ["Done", "Done"]


def test_s47_another_user_with_a_key_of_his_own_is_refused(
    desk: Client, published: CRMConnection, bob: User, lamp: Item
) -> None:
    answer = ask(changed_key(desk, bob), name="bob")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_the_odata_user")
    published.odata_user = bob
    published.save()
    assert ask(WebServiceKey.change(bob, by="anna"), name="bob").status_code == 200


def test_s44_it_can_be_switched_on_and_off_and_switched_off_nobody_is_answered(desk: Client, integration: User) -> None:
    ConnectionFactory.create(is_enabled=False)
    key = changed_key(desk, integration)
    assert ask(key).status_code == 403
    assert "Item availability: on" in options(desk, is_item_availability_on="on", odata_user=integration.pk)
    assert ask(key).status_code == 200
    assert "Item availability: off" in options(desk, odata_user=integration.pk)
    assert ask(key).status_code == 403


def test_s45_s48_both_steps_are_needed_and_say_how_they_stand(desk: Client, integration: User) -> None:
    ConnectionFactory.create(is_enabled=False)
    on = {"is_item_availability_on": "on", "odata_user": integration.pk}
    assert steps(desk, None)[0] == ["Missing", "Missing"]
    assert steps(desk, integration)[0] == ["Missing", "Done"]
    assert "has no web services access key" in options(desk, **on)
    changed_key(desk, integration)
    assert steps(desk, integration)[0] == ["Done", "Done"]
    WebServiceKey.objects.update(expires_at=timezone.now())
    assert "access key has expired" in options(desk, **on)
    assert not CRMConnection.objects.get().is_item_availability_on
    changed_key(desk, integration)
    assert "Name the OData web service user first." in options(desk, is_item_availability_on="on", odata_user="")
    assert not CRMConnection.objects.get().is_item_availability_on
    assert "Item availability: on" in options(desk, **on)


def test_a_key_stops_on_its_day_and_with_its_user(
    desk: Client, published: CRMConnection, integration: User, lamp: Item
) -> None:
    yesterday = (timezone.localdate() - timedelta(days=1)).isoformat()
    refused = desk.post(f"/users/{integration.pk}/web-service-key/", {"expires_on": yesterday})
    assert "The day is over" in refused.content.decode()
    key = changed_key(desk, integration, timezone.localdate().isoformat())
    assert ask(key).status_code == 200
    WebServiceKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ask(key).status_code == 401
    key = changed_key(desk, integration)
    User.objects.filter(pk=integration.pk).update(is_active=False)
    assert ask(key).status_code == 401


def test_who_guesses_keys_by_the_thousand_is_held_off_and_shuts_nobody_out(
    desk: Client, published: CRMConnection, integration: User
) -> None:
    key = changed_key(desk, integration)
    assert [ask("guess").status_code for _ in range(11)] == [401] * 10 + [429]
    assert ask(key).status_code == 200
    assert ask("guess").status_code == 429
    assert steps(desk, integration)[0] == ["Done", "Done"]
    assert ask("guess", name="nobody").status_code == 401


def test_odd_names_and_keys_open_nothing(desk: Client, integration: User, published: CRMConnection) -> None:
    assert ask("key", name="integ\0ration").status_code == 401
    assert Client().get("/api/v1/", headers={"Authorization": "Api-Key a\0b.c"}).status_code == 401
    CRMConnection.objects.update(is_enabled=False)
    for number in ("²", "9" * 5000):
        page = desk.get("/connection/parts/availability/", {"odata_user": number})
        assert "No user is named yet." in page.content.decode()
        assert "Select a valid choice" in options(desk, odata_user=number)


def test_without_a_connection_the_options_lead_to_its_address(desk: Client) -> None:
    for task in ("options", "solution", "user", "check"):
        answer = desk.get(f"/connection/set-up/{task}/", follow=True)
        assert answer.redirect_chain == [("/connection/set-up/address/", 302)]
        assert "Enter the address and the sign-in of Dynamics CRM first." in answer.content.decode()


def test_the_api_changes_and_takes_away_keys(published: CRMConnection, alice: User, integration: User) -> None:
    client = Client()
    client.force_login(alice)
    made = client.post("/api/v1/web-service-keys/", {"user": "integration"}, "application/json")
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    key = made.json()["key"]
    assert ask(key).status_code == 200
    listed = client.get("/api/v1/web-service-keys/integration/").json()
    assert (listed["user"], listed["is_valid"], "key" in listed) == ("integration", True, False)
    assert client.delete("/api/v1/web-service-keys/integration/").status_code == 204
    assert ask(key).status_code == 401


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", ["V1", "V2", "V3"]),
        ("?$filter=No eq 'v2' or No eq 'V1'", ["V1", "V2"]),
        ("?$filter=No in ('V1','V3')", ["V1", "V3"]),
        ("?$filter=No eq 'O''Hara'", []),
        ("?$top=1&$skip=1&$orderby=No", ["V2"]),
    ],
)
def test_odata_questions(published: CRMConnection, integration: User, query: str, numbers: list[str]) -> None:
    for no in ("V1", "V2", "V3"):
        ItemFactory.create(no=no)
    answer = ask(WebServiceKey.change(integration, by="anna"), address=f"{ITEMS}{query}")
    assert [row["No"] for row in answer.json()["value"]] == numbers


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"{ITEMS}('V1')?$select=No,Inventory", 200),
        (f"{ITEMS}('V9')", 404),
        (f"{ITEMS}('V%009')", 404),
        (f"{ITEMS}?$filter=No eq 'V%009'", 200),
        (f"{ITEMS}?$filter=Inventory gt 5", 501),
        (f"{ITEMS}?$expand=Lines", 501),
        (f"{ITEMS}?$orderby=Inventory desc", 501),
        (f"{ITEMS}?$select=Cost", 400),
        (f"{ITEMS}?$top=all", 400),
        ("/odata/v4/", 200),
        ("/odata/v4/$metadata", 200),
    ],
)
def test_what_odata_understands_and_what_it_refuses(
    published: CRMConnection, integration: User, lamp: Item, address: str, status: int
) -> None:
    answer = ask(WebServiceKey.change(integration, by="anna"), address=address)
    assert answer.status_code == status
    if status >= 400:
        assert set(answer.json()["error"]) == {"code", "message"}
    elif "select" in address:
        assert {"No": "V1", "Inventory": 10.5}.items() <= answer.json().items()
        assert "Description" not in answer.json()
