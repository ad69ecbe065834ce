"""Django admin: every table is there, and nothing that the engine stands on can be edited."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models.signals import pre_save
from django.test import Client

from coupling.models import TableMapping
from crmbridge.groups import ADMINISTRATORS
from crmbridge.models import ApiKey
from sync.models import JobQueueEntry, JobStatus
from tests.factories import (
    ChangeFactory,
    ConflictFactory,
    CouplingFactory,
    FieldMappingFactory,
    SynchErrorFactory,
    TableMappingFactory,
    WaitingFactory,
)

pytestmark = pytest.mark.django_db
READ_ONLY = {
    "FullSynchronization",
    "JobQueueEntry",
    "MailReceiver",
    "Notification",
    "NotificationReading",
    "Coupling",
    "SynchJob",
    "KeyRange",
    "SynchError",
    "Conflict",
    "Change",
    "Waiting",
    "SynchState",
}


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def test_every_table_has_its_page(desk: Client) -> None:
    SynchErrorFactory.create()
    ConflictFactory.create()
    WaitingFactory.create()
    ChangeFactory.create()
    for model in admin.site._registry:
        options = model._meta
        assert desk.get(f"/admin/{options.app_label}/{options.model_name}/").status_code == 200, options.label


def test_what_the_engine_stands_on_is_read_only(desk: Client) -> None:
    ours = {model.__name__: model for model in admin.site._registry if model._meta.app_label in ("coupling", "sync")}
    assert {"TableMapping", "FieldMapping", "OptionMapping"} | READ_ONLY == set(ours)
    for name in READ_ONLY:
        options = ours[name]._meta
        assert desk.get(f"/admin/{options.app_label}/{options.model_name}/add/").status_code == 403, name


def test_a_mapping_is_changed_with_its_fields(desk: Client) -> None:
    field = FieldMappingFactory.create()
    page = desk.get(f"/admin/coupling/tablemapping/{field.mapping.pk}/change/").content.decode()
    assert 'name="fields-0-crm_column" value="name"' in page
    assert desk.get(f"/admin/coupling/fieldmapping/{field.pk}/change/").status_code == 200


def test_i5_saving_an_entry_takes_it_out_of_no_workers_hand(desk: Client) -> None:
    """The worker took it after the page had read it."""
    entry = JobQueueEntry.objects.create(mapping=TableMappingFactory.create(), category="A", interval_minutes=30)

    def take(**details: object) -> None:
        JobQueueEntry.objects.update(status=JobStatus.IN_PROCESS, lease_owner="worker", fence=7)

    times = {"interval_minutes": 15, "idle_minutes": 120, "alarm_hours": 24, "max_attempts": 10, "rerun_delay": 30}
    log = {"log-TOTAL_FORMS": 0, "log-INITIAL_FORMS": 0}
    pre_save.connect(take, sender=JobQueueEntry)
    try:
        answer = desk.post(f"/admin/sync/jobqueueentry/{entry.pk}/change/", {**times, **log})
    finally:
        pre_save.disconnect(take, sender=JobQueueEntry)
    assert answer.status_code == 302
    now = JobQueueEntry.objects.get()
    assert (now.interval_minutes, now.status, now.lease_owner, now.fence) == (15, JobStatus.IN_PROCESS, "worker", 7)


def test_what_couplings_hang_on_stands_as_long_as_there_are_any(desk: Client) -> None:
    mapping = TableMappingFactory.create(name="CUSTOMER", crm_table="account")
    page = f"/admin/coupling/tablemapping/{mapping.pk}/"
    assert 'name="crm_table"' in desk.get(f"{page}change/").content.decode()
    assert desk.get(f"{page}delete/").status_code == 200
    CouplingFactory.create(mapping=mapping)
    assert 'name="crm_table"' not in desk.get(f"{page}change/").content.decode()
    assert desk.get(f"{page}delete/").status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [mapping.pk], "post": "yes"}
    desk.post("/admin/coupling/tablemapping/", chosen)
    assert list(TableMapping.objects.all()) == [mapping]


def test_tables_of_the_synchronization_are_searched(desk: Client) -> None:
    """By what the reader knows: a name, or the id of a record on either side."""
    waiting, coupling = WaitingFactory.create(), CouplingFactory.create()
    ChangeFactory.create(coupling=coupling)
    for model in admin.site._registry:
        if model._meta.app_label == "sync":
            address = f"/admin/sync/{model._meta.model_name}/"
            assert desk.get(f"{address}?q=nothing").context["cl"].result_count == 0, address
    for name, word in (("change", coupling.crm_id), ("change", coupling.erp_id), ("waiting", "C00002")):
        assert desk.get(f"/admin/sync/{name}/?q={word}").context["cl"].result_count == 1, word
    assert waiting.record_name == "C00002"


def test_the_task_queue_cannot_be_told_to_run_code(desk: Client) -> None:
    assert not [model for model in admin.site._registry if model._meta.app_label == "django_q"]
    assert desk.get("/admin/django_q/schedule/add/").status_code == 404


def test_the_admin_has_the_products_name_and_languages(desk: Client) -> None:
    page = desk.get("/admin/").content.decode()
    assert "crmbridge administration" in page
    assert 'value="nb"' in page


def test_an_api_key_is_shown_once_and_revoked_for_good(desk: Client, alice: User, bob: User) -> None:
    form = {"name": "web shop", "user": bob.pk, "expires_at_0": "", "expires_at_1": ""}
    answer = desk.post("/admin/crmbridge/apikey/add/", form)
    found = re.search(r"Api-Key ([0-9a-f]{8}\.[\w-]{43})", answer.content.decode())
    assert found
    assert "no-store" in answer["Cache-Control"]
    key = ApiKey.standing_for(found[1])
    assert key is not None
    assert key.user == bob
    for address in ("/admin/crmbridge/apikey/", f"/admin/crmbridge/apikey/{key.pk}/change/"):
        assert found[1].partition(".")[2] not in desk.get(address).content.decode()
    desk.post("/admin/crmbridge/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    assert ApiKey.standing_for(found[1]) is None
    assert desk.get(f"/admin/crmbridge/apikey/{key.pk}/delete/").status_code == 403


def test_s90_only_superusers_issue_keys_that_act_as_a_superuser(client: Client, alice: User, bob: User) -> None:
    bob.is_staff = True
    bob.save()
    bob.groups.add(Group.objects.get(name=ADMINISTRATORS))
    client.force_login(bob)
    key = {"name": "web shop", "expires_at_0": "", "expires_at_1": ""}
    assert client.post("/admin/crmbridge/apikey/add/", {**key, "user": alice.pk}).context["errors"]
    assert not ApiKey.objects.exists()
    client.post("/admin/crmbridge/apikey/add/", {**key, "user": bob.pk})
    assert ApiKey.objects.get().user == bob
