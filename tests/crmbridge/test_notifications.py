"""Notifications: one for every cause, ended by itself, in the header, on the page, in the API and by e-mail (C7)."""

from datetime import timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from connection.check import disable
from connection.errors import Recovery
from connection.models import CRMConnection
from connection.texts import in_every_language
from coupling.models import TableMapping
from crmbridge.groups import ADMINISTRATORS, VIEWERS
from sync import digest
from sync.entries import restart
from sync.models import (
    FullSynchronization,
    FullSynchState,
    JobQueueEntry,
    JobStatus,
    LogState,
    MailReceiver,
    Notification,
    NotificationKind,
    SynchError,
)
from sync.notifying import look_out
from sync.working import sweep
from tests.clock import clock_set_by
from tests.factories import ConnectionFactory, SynchErrorFactory, TableMappingFactory

pytestmark = pytest.mark.django_db

Kind = NotificationKind
TECHNICAL = "SQLSTATE 08006 at 10.1.2.3"


@pytest.fixture
def connected(settings: Settings) -> CRMConnection:
    connection: CRMConnection = ConnectionFactory.create(installation=settings.INSTALLATION)
    return connection


@pytest.fixture
def customer(connected: CRMConnection) -> TableMapping:
    mapping: TableMapping = TableMappingFactory.create()
    return mapping


@pytest.fixture
def admin(settings: Settings) -> User:
    """A CRM administrator with an address, and a mail server."""
    settings.SENDS_MAIL = True
    user = User.objects.create_user("ada", email="ada@contoso.com")
    user.groups.add(Group.objects.get(name=ADMINISTRATORS))
    return user


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def failed_entry(mapping: TableMapping, **values: Any) -> JobQueueEntry:
    """An entry that ended in Error."""
    now = timezone.now()
    message = in_every_language("The address is wrong.")
    default = {"status": JobStatus.ERROR, "failed_at": now, "finished_at": now, "message": message}
    return JobQueueEntry.objects.create(mapping=mapping, category=mapping.name, **(default | values))


def look(minutes: float = 0) -> None:
    """The look that the sweep takes every minute, so many minutes from now."""
    look_out(timezone.now() + timedelta(minutes=minutes))


def standing() -> dict[str, tuple[str, int, int]]:
    rows = Notification.objects.filter(ended_at=None).order_by("pk")
    return {each.cause.split(":")[0]: (str(each), each.count, each.times) for each in rows}


def test_nothing_wrong_costs_a_few_queries_and_says_so(
    customer: TableMapping, desk: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(10):
        look()
    page = desk.get("/notifications/").content.decode()
    assert "Nothing needs attention" in page
    assert 'class="unread"' not in page


def test_a_failed_job_is_told_once_until_its_mapping_succeeds(customer: TableMapping) -> None:
    first = failed_entry(customer)
    look()
    failed_entry(customer)
    look()
    assert standing() == {"job": ("A job failed: CUSTOMER", 2, 1)}
    notification = Notification.objects.get()
    assert notification.message_text == "The address is wrong."
    JobQueueEntry.objects.filter(pk=first.pk).update(last_success_at=timezone.now() + timedelta(minutes=1))
    look()
    assert standing() == {}
    failed_entry(customer, failed_at=timezone.now() + timedelta(minutes=2))
    look()
    assert standing() == {"job": ("A job failed: CUSTOMER", 1, 2)}
    assert Notification.objects.get().since > notification.since


def test_the_page_tells_at_once_what_the_next_look_would(customer: TableMapping, desk: Client) -> None:
    failed_entry(customer)
    page = desk.get("/notifications/").content.decode()
    assert "The address is wrong." in page
    assert "now</time>" in page


def test_a_restarted_job_is_no_cause_and_a_healed_one_still_is(customer: TableMapping) -> None:
    entry = failed_entry(customer, interval_minutes=30, earliest_start=timezone.now())
    sweep()
    entry.refresh_from_db()
    assert entry.status == JobStatus.READY
    assert "job" in standing()
    JobQueueEntry.objects.update(status=JobStatus.ERROR)
    assert restart(entry)
    look()
    assert standing() == {}


def test_records_of_one_cause_make_one_notification_that_counts(customer: TableMapping) -> None:
    SynchErrorFactory.create_batch(3, mapping=customer)
    SynchErrorFactory.create(mapping=customer, kind=Recovery.RETRY_LATER)
    look()
    told = Notification.objects.get()
    assert (told.count, told.address) == (3, "/errors/?mapping=CUSTOMER&kind=fix_record")
    SynchErrorFactory.create_batch(5, mapping=customer)
    look(1)
    told.refresh_from_db()
    assert (told.count, told.announced_count) == (8, 3)
    SynchErrorFactory.create_batch(22, mapping=customer)
    look(2)
    told.refresh_from_db()
    assert (told.count, told.announced_count) == (30, 30)
    SynchError.objects.update(resolved_at=timezone.now())
    look(3)
    assert standing() == {}


def test_two_who_look_at_once_make_one_notification(customer: TableMapping, monkeypatch: pytest.MonkeyPatch) -> None:
    failed_entry(customer)
    seen = Notification.objects.filter
    monkeypatch.setattr(
        Notification.objects, "filter", lambda *args, **names: seen(*args, **names).filter(cause="none")
    )
    look()
    look()
    monkeypatch.undo()
    assert standing() == {"job": ("A job failed: CUSTOMER", 1, 1)}


def test_what_has_no_success_or_no_worker_or_no_connection_is_told(
    customer: TableMapping, connected: CRMConnection
) -> None:
    old = timezone.now() - timedelta(hours=25)
    JobQueueEntry.objects.create(
        mapping=customer, category="CUSTOMER", interval_minutes=30, last_success_at=old, earliest_start=old
    )
    look()
    assert set(standing()) == {"alarm"}
    with clock_set_by(timedelta(minutes=6)):
        look()
    assert set(standing()) == {"alarm", "worker"}
    disable(connected, "The client secret has expired.")
    JobQueueEntry.objects.update(heartbeat_at=timezone.now())
    look()
    assert set(standing()) == {"connection"}
    assert Notification.objects.get(cause="connection").message_text == "The client secret has expired."
    CRMConnection.objects.update(is_enabled=True, disable_reasons={})
    JobQueueEntry.objects.update(last_success_at=timezone.now())
    look()
    assert standing() == {}


@pytest.mark.parametrize(
    ("days", "told"),
    [(40, []), (29, ["certificate:30"]), (6, ["certificate:7"]), (0.5, ["certificate:1"]), (-1, ["certificate:0"])],
)
def test_a_certificate_is_told_30_7_and_1_days_ahead(connected: CRMConnection, days: float, told: list[str]) -> None:
    CRMConnection.objects.update(certificate_expires_at=timezone.now() + timedelta(days=20))
    look()
    CRMConnection.objects.update(certificate_expires_at=timezone.now() + timedelta(days=days))
    look()
    assert list(Notification.objects.filter(ended_at=None).values_list("cause", flat=True)) == told


def test_a_full_synchronization_with_failures_is_told_until_they_are_settled(customer: TableMapping) -> None:
    then = timezone.now() - timedelta(hours=1)
    full = FullSynchronization.objects.create(
        state=FullSynchState.FINISHED, is_current=False, started_at=then, finished_at=timezone.now()
    )
    full.lines.create(position=0, name="CUSTOMER", mapping=customer, direction="both", recommendation="full")
    look()
    assert standing() == {}
    SynchErrorFactory.create_batch(2, mapping=customer, first_at=then + timedelta(minutes=5))
    look()
    assert standing()["full"] == ("Full synchronization with failures", 2, 1)
    SynchError.objects.update(resolved_at=timezone.now())
    look()
    assert standing() == {}


def test_a_full_synchronization_that_stopped_is_told_until_it_is_reset(customer: TableMapping) -> None:
    times = {"started_at": timezone.now() - timedelta(hours=1), "finished_at": timezone.now()}
    FullSynchronization.objects.create(state=FullSynchState.FINISHED, is_current=False, **times)
    full = FullSynchronization.objects.create(state=FullSynchState.STOPPED, **times)
    look()
    assert standing()["full"] == ("Full synchronization with failures", 1, 1)
    FullSynchronization.objects.filter(pk=full.pk).update(is_current=False)
    fresh = FullSynchronization.objects.create()
    look()
    assert standing() == {}
    FullSynchronization.objects.filter(pk=fresh.pk).update(state=FullSynchState.CANCELLED, is_current=False)
    look()
    assert standing() == {}


def test_the_bell_counts_what_each_reader_has_not_read(customer: TableMapping, desk: Client, bob: User) -> None:
    failed_entry(customer)
    assert 'class="unread" aria-hidden="true">1<' in desk.get("/notifications/bell/").content.decode()
    page = desk.get("/notifications/").content.decode()
    assert "The address is wrong." in page
    [notification] = Notification.objects.all()
    assert f'href="{notification.address}"' in page
    desk.post("/notifications/read/", {"notification": notification.pk})
    assert Notification.unread_by(User.objects.get(username="alice")).count() == 0
    assert Notification.unread_by(bob).count() == 1
    other = Client()
    other.force_login(bob)
    other.post("/notifications/read/")
    assert Notification.unread_by(bob).count() == 0
    restart(JobQueueEntry.objects.get())
    look()
    assert "The address is wrong." in other.get("/notifications/?ended=1").content.decode()
    failed_entry(customer)
    look(1)
    assert Notification.unread_by(bob).count() == 1


def test_whoever_may_not_see_them_has_no_bell(client: Client, charlie: User) -> None:
    client.force_login(charlie)
    assert 'id="bell"' not in client.get("/").content.decode()


def test_the_api_lists_and_marks(customer: TableMapping, client: Client) -> None:
    failed_entry(customer, message={"en": "Wrong.", "nb": "Galt."})
    look()
    viewer = User.objects.create_user("vera")
    viewer.groups.add(Group.objects.get(name=VIEWERS))
    client.force_login(viewer)
    [row] = client.get("/api/v1/notifications/?ended_at__isnull=true", headers={"accept-language": "nb"}).json()[
        "results"
    ]
    assert (row["kind"], row["mapping"], row["text"], row["is_read"]) == ("job", "CUSTOMER", "Galt.", False)
    assert client.post(f"/api/v1/notifications/{row['id']}/read/").json()["is_read"] is True
    assert client.post("/api/v1/notifications/read-all/").status_code == 204


def html_of(letter: mail.EmailMessage) -> str:
    assert isinstance(letter, mail.EmailMultiAlternatives)
    return str(letter.alternatives[0][0])


def send(minutes: float, monkeypatch: pytest.MonkeyPatch) -> int:
    """What the watch sends so many minutes from now."""
    now = timezone.now() + timedelta(minutes=minutes)
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: now)
        return digest.send_due()


def test_mail_goes_to_administrators_at_most_every_15_minutes(
    customer: TableMapping, admin: User, bob: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SITE_ADDRESS = "https://crm.example.com/"
    User.objects.filter(pk=bob.pk).update(email="bob@contoso.com")
    SynchErrorFactory.create(mapping=customer, technical=TECHNICAL, record_name="Secret Customer")
    look()
    assert send(1, monkeypatch) == 0, "it might settle by itself"
    assert [send(minutes, monkeypatch) for minutes in (3, 4)] == [1, 0]
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == (["ada@contoso.com"], "crmbridge: 1 thing needs attention")
    for text in (str(letter.body), html_of(letter)):
        assert "The email is too long." in text
        assert "https://crm.example.com/errors/?mapping=CUSTOMER&amp;kind=fix_record" in text.replace(
            "&kind", "&amp;kind"
        )
        assert TECHNICAL not in text
        assert "Secret Customer" not in text
    failed_entry(customer)
    look(5)
    SynchError.objects.update(resolved_at=timezone.now())
    look(6)
    assert [send(minutes, monkeypatch) for minutes in (10, 17, 19, 40)] == [0, 0, 1, 0]
    assert "The address is wrong." in mail.outbox[1].body
    assert "This has ended:\n\n* Records fail: CUSTOMER" in mail.outbox[1].body


def test_a_user_chooses_and_an_address_may_be_named(
    customer: TableMapping, admin: User, bob: User, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@contoso.com")
    client.force_login(bob)
    client.post("/notifications/e-mail/", {"is_wanted": "on", "language": "nb"})
    assert MailReceiver.objects.get(user=bob).is_wanted is True
    client.force_login(admin)
    client.post("/notifications/e-mail/", {"language": "en"})
    settings.NOTIFY = ["ops@contoso.com", "ada@contoso.com"]
    failed_entry(customer, message={"en": "Wrong.", "nb": "Galt."})
    look()
    assert send(3, monkeypatch) == 2
    assert {letter.to[0]: "Galt." in letter.body for letter in mail.outbox} == {
        "bob@contoso.com": True,
        "ops@contoso.com": False,
    }


def test_a_mail_server_that_fails_stops_nothing_and_is_shown(
    customer: TableMapping, admin: User, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object, messages: object) -> int:
        raise SMTPServerDisconnected(f"535 password hunter2 {TECHNICAL}")

    failed_entry(customer)
    look()
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", refuse)
        assert [send(minutes, monkeypatch) for minutes in (3, 4)] == [0, 0]
    look(4)
    page = desk.get("/notifications/").content.decode()
    assert "The mail server cannot be reached" in page
    assert "hunter2" not in page
    assert send(19, monkeypatch) == 1
    assert Kind.MAIL not in standing()


def test_a_copy_of_the_database_and_an_installation_without_a_server_send_nothing(
    customer: TableMapping, admin: User, connected: CRMConnection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed_entry(customer)
    look()
    settings.SENDS_MAIL = False
    assert send(3, monkeypatch) == 0
    settings.SENDS_MAIL = True
    CRMConnection.objects.update(installation="another")
    assert send(3, monkeypatch) == 0
    assert MailReceiver.objects.count() == 0


def test_home_tells_delays_and_the_next_run(customer: TableMapping, desk: Client) -> None:
    now = timezone.now()
    entry = JobQueueEntry.objects.create(
        mapping=customer,
        category="CUSTOMER",
        interval_minutes=30,
        earliest_start=now + timedelta(minutes=12, seconds=20),
        last_success_at=now,
    )
    for hours in (30, 9, 3):
        entry.log.create(state=LogState.FINISHED, finished_at=now - timedelta(hours=hours))
    answer = desk.get("/")
    cues = {str(cue.caption): (cue.number, cue.address) for cue in answer.context["cues"]}
    assert cues["Longest delay"] == ("3.0 h", "/job-queue/")
    assert cues["Until the next run"] == ("12 min", "/job-queue/")
    assert "at worst 21.0 h" in answer.content.decode()
