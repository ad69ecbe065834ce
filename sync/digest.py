"""Tells people by e-mail what has gone wrong since the last one: at most one a quarter of an hour and receiver (C7).

What ends by itself within two minutes is not written about. A mail server that fails stops nothing: the next try comes
a quarter of an hour later, and the Notifications page says so meanwhile.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMultiAlternatives
from django.db.models import Q, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from connection.models import CRMConnection
from connection.texts import in_every_language
from sync.causes import Cause
from sync.models import MailReceiver, Notification, NotificationKind
from sync.notifying import end, tell

log = logging.getLogger(__name__)

APART: Final = timedelta(minutes=15)
SETTLES_WITHIN: Final = timedelta(minutes=2)
FAILED: Final = "mail"
MOST: Final = 20
"""So many are listed in one mail; the page has them all."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What one receiver is told: what is new, and what of the older has ended."""

    new: list[Notification]
    ended: list[Notification]


def send_due() -> int:
    """Send what is due; returns how many mails went out. Raises nothing that a mail server does."""
    connection = CRMConnection.current()
    if not settings.SENDS_MAIL or connection is None or connection.is_copy:
        return 0
    now = timezone.now()
    until = now - SETTLES_WITHIN
    if not _to_tell(until).exists():
        return 0
    return sum(_send(receiver, address, now, until) for receiver, address in receivers())


def receivers() -> Iterator[tuple[MailReceiver, str]]:
    """Everybody whom e-mail shall reach, with the address: users by their own choice, else those who may change the
    connection, or instead of them whom CRMBRIDGE_NOTIFY names."""
    named = {address.lower() for address in settings.NOTIFY}
    people = list(User.objects.with_perm("sync.view_notification").filter(is_active=True).exclude(email="").distinct())
    menders = set(User.objects.with_perm("connection.change_crmconnection").values_list("pk", flat=True))
    known = {receiver.user_id: receiver for receiver in MailReceiver.objects.exclude(user=None)}
    for person in people:
        receiver = known.get(person.pk) or MailReceiver(user=person)
        by_default = person.email.lower() in named if named else person.pk in menders
        if by_default if receiver.is_wanted is None else receiver.is_wanted:
            yield receiver, person.email
    for address in sorted(named - {person.email.lower() for person in people}):
        yield MailReceiver.objects.filter(user=None, address=address).first() or MailReceiver(address=address), address


def gets_mail(user: User) -> bool:
    """Whether e-mail is sent to this user as things stand."""
    return any(receiver.user_id == user.pk for receiver, _address in receivers())


def _to_tell(until: datetime) -> QuerySet[Notification]:
    """What stands and has not ended by itself at once. That mail cannot be sent is not told by mail."""
    standing = Notification.objects.filter(ended_at=None, announced_at__lte=until)
    return standing.exclude(kind=NotificationKind.MAIL).select_related("mapping")


def _letter(receiver: MailReceiver, until: datetime) -> Letter:
    new, since = _to_tell(until), receiver.told_until
    if since is None:
        return Letter(list(new), [])
    ended = Notification.objects.filter(announced_at__lte=since, ended_at__gt=since).exclude(kind=NotificationKind.MAIL)
    return Letter(list(new.filter(announced_at__gt=since)), list(ended.select_related("mapping")))


def _send(receiver: MailReceiver, address: str, now: datetime, until: datetime) -> int:
    letter = _letter(receiver, until)
    claimed = _claim(receiver, now) if letter.new else None
    if claimed is None:
        return 0
    try:
        _mail(letter, receiver, address).send()
    except (OSError, SMTPException) as error:
        log.warning("E-mail cannot be sent: %s", type(error).__name__)
        _note_failure(now)
        return 0
    MailReceiver.objects.filter(pk=claimed.pk).update(told_until=until)
    end(FAILED)
    return 1


def _claim(receiver: MailReceiver, now: datetime) -> MailReceiver | None:
    """The receiver's row, where it is time to write to him and nobody else does."""
    if receiver._state.adding:
        receiver, _made = MailReceiver.objects.get_or_create(user=receiver.user, address=receiver.address)
    rested = Q(tried_at=None) | Q(tried_at__lte=now - APART)
    return receiver if MailReceiver.objects.filter(rested, pk=receiver.pk).update(tried_at=now) else None


def _mail(letter: Letter, receiver: MailReceiver, address: str) -> EmailMultiAlternatives:
    with translation.override(receiver.language or settings.LANGUAGE_CODE):
        count = len(letter.new)
        subject = ngettext(
            "crmbridge: %(count)d thing needs attention", "crmbridge: %(count)d things need attention", count
        )
        context = {
            "new": letter.new[:MOST],
            "more": max(0, count - MOST),
            "ended": letter.ended[:MOST],
            "site": settings.SITE_ADDRESS.rstrip("/"),
            "page": reverse("sync:notifications"),
            "language": translation.get_language(),
        }
        text = render_to_string("sync/mail/digest.txt", context)
        mail = EmailMultiAlternatives(subject % {"count": count}, text, to=[address])
        mail.attach_alternative(render_to_string("sync/mail/digest.html", context), "text/html")
    return mail


def _note_failure(now: datetime) -> None:
    text = in_every_language(_("The mail server cannot be reached or refuses our mail."))
    fix = in_every_language(_("Look at EMAIL_URL and at the mail server. crmbridge tries again every 15 minutes."))
    cause = Cause(FAILED, NotificationKind.MAIL, text, fix, reverse("sync:notifications"))
    tell(cause, Notification.objects.filter(cause=FAILED).first(), now)
