"""Encrypts all stored secrets anew with the first of the installation's keys (libraries.md 1.2)."""

from collections.abc import Iterator

from django.apps import apps
from django.db import models, transaction

from connection.fields import EncryptedTextField


def rotate_secrets() -> int:
    """Encrypt every stored secret with the first key and return how many there are; all or none.

    Raises UnreadableSecret where one cannot be opened.
    """
    with transaction.atomic():
        return sum(_rotate(model, name) for model, name in _encrypted_columns())


def _encrypted_columns() -> Iterator[tuple[type[models.Model], str]]:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            fields = model._meta.local_concrete_fields
            yield from ((model, field.name) for field in fields if isinstance(field, EncryptedTextField))


def _rotate(model: type[models.Model], name: str) -> int:
    rows = model._default_manager.select_for_update().values_list("pk", name)
    filled = [(pk, secret) for pk, secret in rows if secret]
    for pk, secret in filled:
        model._default_manager.filter(pk=pk).update(**{name: secret.rotated()})
    return len(filled)
