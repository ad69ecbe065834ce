"""Web services access keys: with one, and the user's name, a program asks the published web services."""

import hashlib
import secrets
from datetime import datetime
from typing import Final

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

KEY_BYTES: Final = 32


class WebServiceKey(models.Model):
    """A user's web services access key (S45, S46). Only its hash is kept: the key is shown once, when it is made.

    A user has one key; changing it makes the old one worthless at once. SHA-256 without salt or stretching is enough,
    because the key is 256 random bits and nothing to guess.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="web_service_key", verbose_name=_("user")
    )
    key_hash = models.CharField(max_length=64, editable=False)
    set_at = models.DateTimeField(_("changed"), default=timezone.now)
    set_by = models.CharField(_("changed by"), max_length=150, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    last_refused_at = models.DateTimeField(_("last refused"), null=True, editable=False)

    class Meta:
        verbose_name = _("web services access key")
        verbose_name_plural = _("web services access keys")
        ordering = ["user__username"]

    def __str__(self) -> str:
        return str(self.user)

    @classmethod
    def change(cls, user: AbstractBaseUser, *, by: str, expires_at: datetime | None = None) -> str:
        """Give USER a new key and return it, which cannot be had again; an earlier key opens nothing any more."""
        key = secrets.token_urlsafe(KEY_BYTES)
        values = {"set_at": timezone.now(), "set_by": by, "expires_at": expires_at}
        told = {"last_used_at": None, "last_refused_at": None}
        cls.objects.update_or_create(user=user, defaults={"key_hash": _hash(key), **values, **told})
        return key

    @classmethod
    def standing_for(cls, username: str, key: str) -> "WebServiceKey | None":
        """The key of the user of this name, if KEY is its text and it is valid; its use is noted."""
        found = cls._of(username).select_related("user").first()
        if found is None or not secrets.compare_digest(found.key_hash, _hash(key)) or not found.is_valid:
            return None
        cls.objects.filter(pk=found.pk).update(last_used_at=timezone.now())
        return found

    @classmethod
    def note_refusal(cls, username: str) -> None:
        """Remember that somebody who came as the user of this name was refused, for the set-up to show it (S49)."""
        cls._of(username).update(last_refused_at=timezone.now())

    @classmethod
    def _of(cls, username: str) -> "models.QuerySet[WebServiceKey]":
        # PostgreSQL refuses texts with NUL.
        return cls.objects.none() if "\0" in username else cls.objects.filter(user__username=username)

    @property
    def is_valid(self) -> bool:
        """Whether the key opens anything now."""
        has_expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return not has_expired and self.user.is_active

    @property
    def is_refused(self) -> bool:
        """Whether the last one who came as this user was refused: with an old, a wrong or an expired key."""
        if self.last_refused_at is None:
            return False
        return self.last_used_at is None or self.last_refused_at > self.last_used_at


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
