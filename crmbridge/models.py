"""API keys, by which programs sign in with the permissions of a user, and the state of the set-up guide."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

PREFIX_LENGTH: Final = 8
SECRET_BYTES: Final = 32
# "Last used" is for people to find idle keys; a write at every request would cost more than it tells.
USE_IS_NOTED_EVERY: Final = timedelta(minutes=1)


class ApiKey(models.Model):
    """A key of the form `prefix.secret`. Only the secret's hash is kept: the key can be shown once, when it is issued.

    SHA-256 without salt or stretching is enough, because the secret is 256 random bits and nothing to guess.
    """

    name = models.CharField(_("name"), max_length=100, help_text=_("What the key is for, such as the web shop."))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="api_keys",
        verbose_name=_("acts as"),
        help_text=_("The key may do what this user may do."),
    )
    prefix = models.CharField(_("prefix"), max_length=PREFIX_LENGTH, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(_("issued"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True, help_text=_("Blank: never."))
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def issue(self) -> str:
        """Give this new key its secret and return the whole key, which cannot be had again; the caller saves."""
        self.prefix = secrets.token_hex(PREFIX_LENGTH // 2)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self.secret_hash = _hash(secret)
        return f"{self.prefix}.{secret}"

    @classmethod
    def standing_for(cls, key: str) -> "ApiKey | None":
        """The key whose text this is, with its user; None where it is wrong, revoked or expired."""
        prefix, _dot, secret = key.partition(".")
        if "\0" in prefix:  # which PostgreSQL refuses
            return None
        found = cls.objects.select_related("user").filter(prefix=prefix).first()
        if found is None or not secrets.compare_digest(found.secret_hash, _hash(secret)):
            return None
        return found if found.is_valid else None

    @property
    def is_valid(self) -> bool:
        """Whether the key opens anything now."""
        has_expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.revoked_at is None and not has_expired and self.user.is_active

    def note_use(self) -> None:
        """Remember when it was last used, to the minute."""
        now = timezone.now()
        unnoted = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_IS_NOTED_EVERY)
        if self.last_used_at is None or self.last_used_at < now - USE_IS_NOTED_EVERY:
            ApiKey.objects.filter(unnoted, pk=self.pk).update(last_used_at=now)

    @classmethod
    def revoke(cls, keys: "models.QuerySet[ApiKey]") -> int:
        """Shut these keys for good; returns how many were still open."""
        return keys.filter(revoked_at=None).update(revoked_at=timezone.now())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class GuideDraft(models.Model):
    """How far the guide **Dynamics CRM Connection Setup** has come. At most one is open, and administrators share it.

    It holds nothing of the connection itself: that is kept on the disabled `CRMConnection` and its mappings, which
    the window **CRM Connection Setup** shows too (S18). Nothing works before the guide is finished (S26).
    """

    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("started by")
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    imports_solution = models.BooleanField(_("import the solution"), null=True)
    runs_full_synchronization = models.BooleanField(_("run full synchronization"), null=True)
    is_finished = models.BooleanField(_("finished"), default=False)
    finished_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("finished by")
    )
    finished_at = models.DateTimeField(_("finished on"), null=True)

    class Meta:
        verbose_name = _("set-up guide")
        verbose_name_plural = _("set-up guides")
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["is_finished"], condition=Q(is_finished=False), name="one_open_guide")
        ]

    def __str__(self) -> str:
        return date_format(timezone.localtime(self.started_at), "SHORT_DATETIME_FORMAT")


class GuideStep(models.Model):
    """A step of the guide that somebody has completed, and who it was."""

    draft = models.ForeignKey(GuideDraft, models.CASCADE, related_name="steps", verbose_name=_("set-up guide"))
    name = models.CharField(_("step"), max_length=20)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("done by")
    )
    done_at = models.DateTimeField(_("done"), default=timezone.now)

    class Meta:
        verbose_name = _("step of the guide")
        verbose_name_plural = _("steps of the guide")
        ordering = ["done_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["draft", "name"], name="each_step_once")]

    def __str__(self) -> str:
        return self.name
