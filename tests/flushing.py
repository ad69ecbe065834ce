"""What migrating leaves in the database, put back after a test whose transactions were real."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.db import transaction

MODELS: tuple[Any, ...] = (ContentType, Permission, Group, Group.permissions.through)


class Migrated:
    """The rows that the signal after migrations has made; to work them out anew takes a hundred times as long."""

    def __init__(self) -> None:
        self._rows = {model: list(model.objects.all()) for model in MODELS}

    def put_back(self, *args: object, **details: object) -> None:
        """Do instead of sending the signal."""
        with transaction.atomic():
            for model, rows in self._rows.items():
                model.objects.bulk_create(rows)


def install(patch: pytest.MonkeyPatch) -> None:
    """Have the flush after a test put back what there is now."""
    patch.setattr(flush, "emit_post_migrate_signal", Migrated().put_back)
