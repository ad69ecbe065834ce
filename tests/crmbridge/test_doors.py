"""Who gets through which door: every address of the product against an explicit list."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from financials.factories import CustomerFactory
from tests.conftest import PASSWORD
from tests.factories import SynchJobFactory, TableMappingFactory

pytestmark = pytest.mark.django_db

OPEN = {"login", "set_language", "choose_theme"}
# Page → what charlie (signed in, without permissions) and bob (who may see everything) get.
PAGES = {
    "home": (200, 200),
    "connection": (403, 200),
    "coupling:records": (403, 200),
    "coupling:record": (403, 200),
    "sync:jobs": (403, 200),
    "sync:job": (403, 200),
    "sync:errors": (403, 200),
    "sync:conflicts": (403, 200),
    "sync:record": (403, 200),
    "api:docs": (200, 200),
}
# What is no page to look at: posted to, or with tests of its own below.
OTHERS = OPEN | {"logout", "api:schema"}


def page_names(resolver: URLResolver | None = None, namespace: str = "") -> Iterator[str]:
    for each in (resolver or get_resolver()).url_patterns:
        if isinstance(each, URLResolver):
            yield from page_names(each, f"{each.namespace}:" if each.namespace else namespace)
        elif isinstance(each, URLPattern) and each.name and namespace not in ("admin:", "api-v1:"):
            yield f"{namespace}{each.name}"


@pytest.fixture
def addresses(db: None) -> dict[str, str]:
    mapping = TableMappingFactory.create()
    job = SynchJobFactory.create(mapping=mapping)
    customer = CustomerFactory.create()
    return {
        "home": "/",
        "connection": "/connection/",
        "coupling:records": "/tables/customer/",
        "coupling:record": f"/tables/customer/{customer.system_id}/",
        "sync:jobs": "/jobs/",
        "sync:job": f"/jobs/{job.pk}/",
        "sync:errors": "/errors/",
        "sync:conflicts": "/conflicts/",
        "sync:record": f"/sync/records/customer/{customer.system_id}/",
        "api:docs": "/api/docs/",
    }


def test_every_address_is_in_the_matrix(addresses: dict[str, str]) -> None:
    assert set(page_names()) == set(PAGES) | OTHERS
    assert set(addresses) == set(PAGES)


def test_whoever_is_not_signed_in_is_sent_to_the_door(client: Client, addresses: dict[str, str]) -> None:
    for address in [*addresses.values(), "/admin/", "/admin/crmbridge/apikey/"]:
        answer = client.get(address)
        assert answer.status_code == 302, address
        assert answer["Location"].startswith(("/sign-in/?next=", "/admin/login/?next=")), address


@pytest.mark.parametrize(("who", "column"), [("charlie", 0), ("bob", 1)])
def test_permissions_open_pages(
    client: Client, addresses: dict[str, str], who: str, column: int, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(who))
    answers = {name: client.get(address).status_code for name, address in addresses.items()}
    assert answers == {name: codes[column] for name, codes in PAGES.items()}


def test_the_admin_sends_everybody_through_the_one_door(client: Client, charlie: User) -> None:
    answer = client.get("/admin/login/?next=/admin/sync/")
    assert answer["Location"] == "/sign-in/?next=/admin/sync/"
    client.force_login(charlie)
    assert client.get("/admin/login/").status_code == 403


def test_a_user_without_the_tables_permission_does_not_see_its_list(client: Client, bob: User) -> None:
    TableMappingFactory.create()
    bob.user_permissions.remove(bob.user_permissions.get(codename="view_customer"))
    client.force_login(bob)
    assert client.get("/tables/customer/").status_code == 403
    assert "/tables/customer/" not in client.get("/").content.decode()


def test_an_unknown_table_and_an_unknown_record_are_not_found(client: Client, alice: User) -> None:
    TableMappingFactory.create()
    TableMappingFactory.create(name="GONE", erp_table="nowhere.Nothing")
    client.force_login(alice)
    for address in ("/tables/nothing/", "/tables/gone/", f"/tables/customer/{uuid4()}/", "/jobs/1/", "/nowhere/"):
        answer = client.get(address)
        assert answer.status_code == 404, address
        assert "There is nothing at this address" in answer.content.decode()
    assert client.get("/").status_code == 200


def test_signing_in_and_out(client: Client, bob: User) -> None:
    answer = client.post("/sign-in/", {"username": "bob", "password": PASSWORD, "next": "/jobs/"})
    assert answer["Location"] == "/jobs/"
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


def test_the_door_stays_shut_after_too_many_wrong_passwords(client: Client, bob: User, charlie: User) -> None:
    for _ in range(10):
        assert "correct username" in client.post("/sign-in/", {"username": "bob", "password": "?"}).content.decode()
    refused = client.post("/sign-in/", {"username": "Bob ", "password": PASSWORD})
    assert "Too many failed attempts" in refused.content.decode()
    assert client.post("/sign-in/", {"username": "charlie", "password": PASSWORD}).status_code == 302


def test_a_sign_in_does_not_lead_to_another_site(client: Client, bob: User) -> None:
    answer = client.post("/sign-in/", {"username": "bob", "password": PASSWORD, "next": "https://evil.example/"})
    assert answer["Location"] == "/"
