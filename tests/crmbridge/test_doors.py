"""Who gets through which door: every address of the product, for everybody, against the matrix."""

import logging
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django import Settings

from connection.models import SolutionImport
from crmbridge.groups import ADMINISTRATORS, USERS, VIEWERS
from financials.factories import ContactFactory, CustomerFactory, ItemFactory, ItemLedgerEntryFactory
from financials.models import CompanySettings, WebServiceKey
from sync.models import Notification
from tests.conftest import PASSWORD
from tests.crmbridge.matrix import ADMIN, API, PAGES, PASSED_OVER, SUPERUSERS, TABLES, Least
from tests.factories import (
    ChangeFactory,
    ConflictFactory,
    ConnectionFactory,
    FullSynchReviewLineFactory,
    JobQueueEntryFactory,
    SynchErrorFactory,
    TableMappingFactory,
    WaitingFactory,
)

# Rights do not depend on the database, and the matrix is thousands of requests.
pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROUTES: dict[str, dict[str, Least]] = {**PAGES, **API, **ADMIN}
TABLE_ROUTE = re.compile(r"admin:([a-z]+_[a-z]+)_(changelist|add|change|delete|history)$")
FULL_ACTIONS = ("start", "pause", "cancel", "restart", "reset")
REFUSED = {401, 403, 405}
# Signing in and out have tests of their own below.
CHANGE_WHO_ASKS = {"login", "logout", "admin:login", "admin:logout"}


def routes(resolver: URLResolver | None = None, namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every named address of the product, API and administration included."""
    for each in (resolver or get_resolver()).url_patterns:
        if isinstance(each, URLResolver):
            yield from routes(each, f"{namespace}{each.namespace}:" if each.namespace else namespace)
        elif each.name and "format" not in str(each.pattern):
            yield f"{namespace}{each.name}", each


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of refusals, each with its traceback, would take longer to write down than to make."""
    caplog.set_level(logging.CRITICAL, logger="django.request")


@pytest.fixture
def people(db: None) -> dict[Least, Client]:
    """Somebody at their browser, for each column of the matrix."""
    people = {least: Client() for least in Least}
    groups = {Least.MEMBER: "", Least.VIEWER: VIEWERS, Least.USER: USERS, Least.ADMINISTRATOR: ADMINISTRATORS}
    for least, group in groups.items():
        person = User.objects.create_user(least.name.lower(), is_staff=least is Least.ADMINISTRATOR)
        person.groups.set(Group.objects.filter(name=group))
        people[least].force_login(person)
    return people


@pytest.fixture
def things(db: None, settings: Settings) -> dict[str, Any]:
    """What addresses name: by parameter, or by route and parameter."""
    settings.EXTRA_CRM_HOSTS = ["localhost"]
    connection = ConnectionFactory.create(address="https://localhost:1")
    error, conflict = SynchErrorFactory.create(), ConflictFactory.create()
    customer, item = CustomerFactory.create(system_id=error.record_id), ItemFactory.create()
    entry, line = JobQueueEntryFactory.create(mapping=error.mapping), FullSynchReviewLineFactory.create()
    WebServiceKey.change(User.objects.create_user("odata"), by="alice")
    notification = Notification.objects.create(cause="worker", kind="worker")
    return {
        "table": "customer",
        "erp_id": customer.system_id,
        "name": "CUSTOMER",
        "object_id": connection.pk,
        "app_label": "sync",
        "sync:job pk": error.job_id,
        "sync:entry pk": entry.pk,
        "sync:entry_action pk": entry.pk,
        "sync:schedule pk": JobQueueEntryFactory.create(interval_minutes=30).pk,
        "sync:entry_action action": "hold",
        "sync:full_synchronization_of pk": line.full_synchronization_id,
        "sync:cancel_full_synchronization pk": line.full_synchronization_id,
        "sync:full_synchronization_action pk": line.full_synchronization_id,
        "sync:full_synchronization_action action": "reset",
        "sync:review_line_action pk": line.pk,
        **{f"api-v1:fullsynchronization-{each} pk": line.full_synchronization_id for each in ("detail", *FULL_ACTIONS)},
        **{
            f"api-v1:fullsynchronization-{each}-line {name}": value
            for each in ("restart", "recommend")
            for name, value in (("pk", line.full_synchronization_id), ("line", line.pk))
        },
        "api-v1:waiting-detail pk": WaitingFactory.create().pk,
        "api-v1:change-detail pk": ChangeFactory.create().pk,
        **{f"api-v1:jobqueueentry-{each} pk": entry.pk for each in ("detail", "hold", "cancel", "restart")},
        "sync:review_line_action action": "recommend",
        "guide:step name": "start",
        "guide:task name": "address",
        "preflight:stage stage": "access",
        "guide:switch_mapping pk": error.mapping_id,
        "username": WebServiceKey.objects.get().user.username,
        "no": "V00001",
        "users:card pk": WebServiceKey.objects.get().user_id,
        "users:change_web_service_key pk": WebServiceKey.objects.get().user_id,
        "api-v1:item-detail pk": item.pk,
        "api-v1:itemledgerentry-detail pk": ItemLedgerEntryFactory.create(item=item).pk,
        "help_topic name": "experience",
        "api-v1:companysettings-detail pk": CompanySettings.objects.create(company_name="Fjord Nordic AS").pk,
        "api-v1:crmconnection-detail pk": connection.pk,
        "api-v1:crmconnection-solution pk": connection.pk,
        "api-v1:crmconnection-test pk": connection.pk,
        "api-v1:crmconnection-enable pk": connection.pk,
        "api-v1:crmconnection-disable pk": connection.pk,
        "api-v1:crmconnection-health pk": connection.pk,
        "api-v1:crmconnection-options pk": connection.pk,
        "api-v1:crmconnection-default-setup pk": connection.pk,
        "api-v1:crmconnection-roles pk": connection.pk,
        "api-v1:solutionimport-detail pk": SolutionImport.objects.create(connection=connection, version="1.0").pk,
        "api-v1:customer-detail pk": customer.pk,
        "api-v1:contact-detail pk": ContactFactory.create().pk,
        "api-v1:coupling-detail pk": conflict.coupling_id,
        "api-v1:synchjob-detail pk": error.job_id,
        "api-v1:syncherror-detail pk": error.pk,
        "api-v1:conflict-detail pk": conflict.pk,
        "api-v1:notification-detail pk": notification.pk,
        "api-v1:notification-read pk": notification.pk,
    }


def address(route: str, pattern: URLPattern, things: dict[str, Any]) -> str:
    parameters = {**pattern.pattern.converters, **dict.fromkeys(getattr(pattern.pattern.regex, "groupindex", {}))}
    return reverse(route, kwargs={each: things.get(f"{route} {each}", things.get(each, 1)) for each in parameters})


def gets_in(answer: Any) -> bool:
    """Whether a request was let through; a fault or an address that names nothing proves neither."""
    assert answer.status_code < 500, answer.content
    assert answer.status_code != 404
    is_sent_to_the_door = answer.headers.get("Location", "").startswith(("/sign-in/", "/admin/login/"))
    return answer.status_code not in REFUSED and not is_sent_to_the_door


def answer_to(client: Client, method: str, where: str) -> Any:
    """What a request gets; nothing that it does stays done."""
    with transaction.atomic():
        answer = client.generic(method, where, content_type="application/x-www-form-urlencoded")
        transaction.set_rollback(True)
    return answer


def test_every_address_is_in_the_matrix() -> None:
    named = {name for name, _pattern in routes() if not TABLE_ROUTE.match(name)}
    assert named == set(ROUTES) | SUPERUSERS | PASSED_OVER, "tests/crmbridge/matrix.py says who may do what there"
    assert {model._meta.label_lower for model in admin.site._registry} == set(TABLES)


def test_s90_every_address_lets_in_whom_the_matrix_names(people: dict[Least, Client], things: dict[str, Any]) -> None:
    wrong = []
    for route, pattern in routes():
        if route not in ROUTES or route in CHANGE_WHO_ASKS:
            continue
        where = address(route, pattern, things)
        for method in METHODS:
            needed = ROUTES[route].get(method)
            # What is refused to strangers and to administrators is not tried on those between.
            for least in Least if needed is not None else (Least.ANYONE, Least.ADMINISTRATOR):
                answer = answer_to(people[least], method, where)
                if gets_in(answer) != (needed is not None and least >= needed):
                    wrong.append((route, method, least.name, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


def test_s90_the_administration_is_for_administrators_and_shows_them_what_the_matrix_names(
    people: dict[Least, Client], things: dict[str, Any]
) -> None:
    wrong = []
    for table, rights in TABLES.items():
        name = table.replace(".", "_")
        doors = [("changelist", "GET", "v"), ("add", "GET", "a"), ("add", "POST", "a")]
        doors += [("change", "GET", "v"), ("change", "POST", "c"), ("delete", "POST", "d")]
        for action, method, right in doors:
            parameters = [] if action in ("changelist", "add") else [uuid4()]
            where = reverse(f"admin:{name}_{action}", args=parameters)
            for least, client in people.items():
                answer = answer_to(client, method, where)
                if gets_in(answer) != (least is Least.ADMINISTRATOR and right in rights):
                    wrong.append((table, action, method, least.name, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


def test_migrating_again_keeps_what_a_company_added_to_a_group(db: None) -> None:
    group = Group.objects.get(name=VIEWERS)
    added = Group.objects.get(name=USERS).permissions.get(codename="add_customer")
    group.permissions.set([added])
    call_command("migrate", verbosity=0)
    assert set(group.permissions.values_list("codename", flat=True)) > {"add_customer", "view_crmconnection"}


def test_whoever_is_not_signed_in_is_sent_to_the_door(client: Client) -> None:
    for where in ("/", "/jobs/", "/admin/", "/admin/crmbridge/apikey/"):
        answer = client.get(where)
        assert answer.status_code == 302, where
        assert answer["Location"].startswith(("/sign-in/?next=", "/admin/login/?next=")), where


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
