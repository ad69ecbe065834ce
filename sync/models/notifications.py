"""Notifications: what is wrong now and was, one row for every cause and none for every record (C7)."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.texts import Texts, in_language
from coupling.models import TableMapping

KEEP = timedelta(days=90)


class NotificationKind(models.TextChoices):
    """What happened."""

    JOB = "job", _("A job failed")
    ERRORS = "errors", _("Records fail")
    ALARM = "alarm", _("Not synchronized for long")
    FULL = "full", _("Full synchronization with failures")
    CONNECTION = "connection", _("The connection is switched off")
    CERTIFICATE = "certificate", _("The certificate expires")
    WORKER = "worker", _("Work is not picked up")
    MAIL = "mail", _("E-mail cannot be sent")


class Notification(models.Model):
    """One cause: since when it stands, what to do about it, and where. It ends when its cause ends, by itself.

    A cause that comes back is told again by the same row, which counts `times`; `count` is how many records or jobs it
    has now. `announced_at` is when readers were last told: whoever has read it before then has not read it.
    """

    cause = models.CharField(_("cause"), max_length=120, unique=True)
    kind = models.CharField(_("what happened"), max_length=12, choices=NotificationKind)
    mapping = models.ForeignKey(
        TableMapping, models.CASCADE, null=True, related_name="notifications", verbose_name=_("mapping")
    )
    text = Texts(_("text"), default=dict)
    fix = Texts(_("what to do"), default=dict)
    address = models.CharField(_("page"), max_length=250, blank=True, default="")
    count = models.PositiveIntegerField(_("number"), default=1)
    times = models.PositiveIntegerField(_("times"), default=1)
    since = models.DateTimeField(_("since"), default=timezone.now)
    announced_at = models.DateTimeField(_("announced"), default=timezone.now)
    announced_count = models.PositiveIntegerField(_("number when announced"), default=1)
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = [F("ended_at").desc(nulls_first=True), "-announced_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.mapping}" if self.mapping else self.get_kind_display()

    @property
    def message_text(self) -> str:
        """What is wrong, in the reader's language."""
        return in_language(self.text)

    @property
    def fix_text(self) -> str:
        """What to do, in the reader's language."""
        return in_language(self.fix)

    @classmethod
    def seen_by(cls, user: User | AnonymousUser) -> "QuerySet[Notification]":
        """All of them, each with `is_read`: whether this user has read it since it was announced."""
        return cls.objects.select_related("mapping").annotate(is_read=cls._is_read_by(user))

    @classmethod
    def unread_by(cls, user: User | AnonymousUser) -> "QuerySet[Notification]":
        """What stands and this user has not read."""
        return cls.objects.filter(~cls._is_read_by(user), ended_at=None)

    @classmethod
    def _is_read_by(cls, user: User | AnonymousUser) -> Exists:
        mine = NotificationReading.objects.filter(user__pk=user.pk or 0, notification=OuterRef("pk"))
        return Exists(mine.filter(read_at__gte=OuterRef("announced_at")))

    @classmethod
    def read(cls, user: User, notifications: "QuerySet[Notification]") -> None:
        """Note that this user has read these, now."""
        now = timezone.now()
        keys = notifications.values_list("pk", flat=True)
        readings = [NotificationReading(notification_id=pk, user=user, read_at=now) for pk in keys]
        NotificationReading.objects.bulk_create(
            readings, update_conflicts=True, unique_fields=["notification", "user"], update_fields=["read_at"]
        )

    @classmethod
    def forget_old(cls) -> None:
        """Remove what ended long ago."""
        cls.objects.filter(ended_at__lt=timezone.now() - KEEP).delete()


class NotificationReading(models.Model):
    """Who has read a notification, and when last."""

    notification = models.ForeignKey(
        Notification, models.CASCADE, related_name="readings", verbose_name=_("notification")
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user"))
    read_at = models.DateTimeField(_("read"))

    class Meta:
        verbose_name = _("reading of a notification")
        verbose_name_plural = _("readings of notifications")
        constraints = [models.UniqueConstraint(fields=["notification", "user"], name="one_reading_a_user")]

    def __str__(self) -> str:
        return f"{self.user}: {self.notification}"


class MailReceiver(models.Model):
    """Somebody whom notifications reach by e-mail: a user who chose so or need not, or an address without a user.

    `tried_at` keeps mails apart and is moved by compare-and-set; what was announced until `told_until` has been sent.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        related_name="mail_receiver",
        verbose_name=_("user"),
    )
    address = models.EmailField(_("e-mail address"), blank=True, default="")
    is_wanted = models.BooleanField(
        _("e-mail"), null=True, help_text=_("Unknown: those who may change the connection get e-mail, others do not.")
    )
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES, blank=True, default="")
    tried_at = models.DateTimeField(_("last e-mail"), null=True)
    told_until = models.DateTimeField(_("told until"), null=True)

    class Meta:
        verbose_name = _("receiver of e-mail")
        verbose_name_plural = _("receivers of e-mail")
        constraints = [
            models.UniqueConstraint(fields=["address"], condition=Q(user=None), name="one_receiver_an_address")
        ]

    def __str__(self) -> str:
        return str(self.user) if self.user else self.address
