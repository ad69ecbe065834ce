"""Secrets at rest (libraries.md 1.2): encrypted in the database, opened only by whoever asks for it by name."""

from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.query_utils import DeferredAttribute
from django.utils.translation import gettext_lazy as _

from connection.errors import FixSetup
from connection.masking import STARS, register_secret


class UnreadableSecret(FixSetup):
    """A stored secret that none of this installation's keys opens."""

    text = _("A stored secret cannot be read: it was encrypted with another key.")
    fix = _("Put the earlier key into CRMBRIDGE_FERNET_KEYS as well, or enter the secret again.")


class Secret:
    """A text that shows itself only to `reveal()`; empty secrets are false."""

    __slots__ = ("encrypted",)

    def __init__(self, encrypted: str) -> None:
        self.encrypted = encrypted

    @classmethod
    def of(cls, text: str) -> "Secret":
        """`text`, encrypted with the first of CRMBRIDGE_FERNET_KEYS."""
        return cls(_fernet(tuple(settings.FERNET_KEYS)).encrypt(text.encode()).decode() if text else "")

    def reveal(self, *, max_age: int | None = None) -> str:
        """The text. Raises UnreadableSecret where no key opens it; never gives the encrypted text instead.

        With `max_age`, one that was encrypted more seconds ago is not opened either.
        """
        if not self.encrypted:
            return ""
        try:
            text = _fernet(tuple(settings.FERNET_KEYS)).decrypt(self.encrypted, ttl=max_age).decode()
        except InvalidToken:
            raise UnreadableSecret from None
        register_secret(text)
        return text

    def rotated(self) -> "Secret":
        """The same secret, encrypted with the first key. Raises UnreadableSecret."""
        try:
            return Secret(_fernet(tuple(settings.FERNET_KEYS)).rotate(self.encrypted).decode())
        except InvalidToken:
            raise UnreadableSecret from None

    def __bool__(self) -> bool:
        return bool(self.encrypted)

    def __str__(self) -> str:
        return STARS if self else ""

    def __repr__(self) -> str:
        return f"Secret({self})"


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


class _SecretAttribute(DeferredAttribute):
    """Makes a `Secret` of whatever is assigned, so that the model never holds the plain text."""

    def __set__(self, instance: models.Model, value: "Secret | str | None") -> None:
        secret = value if isinstance(value, Secret) else Secret.of(value or "")
        instance.__dict__[self.field.attname] = secret


if TYPE_CHECKING:
    _TextField = models.TextField[Secret | str, Secret]
else:
    _TextField = models.TextField


class EncryptedTextField(_TextField):
    """A text column that holds only encrypted texts; its value is a `Secret`. It can be neither searched nor sorted."""

    descriptor_class = _SecretAttribute

    def from_db_value(self, value: str | None, expression: Any, connection: BaseDatabaseWrapper) -> Secret:
        """The stored secret, still closed: a wrong key shows when it is needed, not on every page."""
        return Secret(value or "")

    def get_prep_value(self, value: Any) -> str:
        """The encrypted text."""
        return value.encrypted if isinstance(value, Secret) else Secret.of(str(value or "")).encrypted

    def to_python(self, value: Any) -> Secret:
        """What `dumpdata` has written, for `loaddata`: encrypted already."""
        return value if isinstance(value, Secret) else Secret(str(value or ""))

    def value_to_string(self, obj: models.Model) -> str:
        """The encrypted text, for `dumpdata`."""
        return self.get_prep_value(self.value_from_object(obj))
