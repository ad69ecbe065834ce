"""What every ERP table has: an immutable id, two stamps and a business key (mappings.md 6.1)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar
from uuid import uuid4

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from financials.models.fields import CodeReferenceField

Record = TypeVar("Record", bound="ERPRecord", covariant=True)


class ERPQuerySet(models.QuerySet[Record]):
    """Bulk writes that keep `system_modified_at` and derived values as true as `save()` does."""

    def update(self, **kwargs: Any) -> int:
        """Django's update; the rows count as modified now (also those that `bulk_update` writes)."""
        return super().update(**{"system_modified_at": timezone.now()} | kwargs)

    def touch(self) -> int:
        """Count the rows as modified now without changing anything else."""
        return self.update()

    def bulk_create(
        self,
        objs: Iterable[Record],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Record]:
        """Django's bulk create, with numbers and derived values filled in as on `save()`."""
        records = list(objs)
        self.model.derive(records)
        stamped = {*update_fields, "system_modified_at"} if update_conflicts and update_fields else update_fields
        created = super().bulk_create(records, batch_size, ignore_conflicts, update_conflicts, stamped, unique_fields)
        for record in created:
            record.remember()
        return created


class ERPRecord(models.Model):
    """A record of the ERP. `system_id` is what couplings point at, so that a renamed record stays coupled."""

    key_field: ClassVar[str] = "code"
    derived_fields: ClassVar[tuple[str, ...]] = ()

    system_id = models.UUIDField(_("System ID"), primary_key=True, default=uuid4, editable=False)
    system_created_at = models.DateTimeField(_("Created At"), auto_now_add=True, editable=False)
    system_modified_at = models.DateTimeField(_("Modified At"), auto_now=True, editable=False)

    objects = ERPQuerySet.as_manager()

    class Meta:
        abstract = True
        indexes = [models.Index(fields=["system_modified_at", "system_id"], name="%(class)s_modified")]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.stored: Mapping[str, Any] = {}
        super().__init__(*args, **kwargs)

    def __str__(self) -> str:
        return self.key

    def save(
        self,
        *,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Write the record, stamp it as modified now, and carry through what follows from the change."""
        type(self).derive([self])
        before = dict(self.stored)
        fields = None if update_fields is None else self._with_derived(update_fields)
        with transaction.atomic(using=using, savepoint=False):
            super().save(force_insert=force_insert, force_update=force_update, using=using, update_fields=fields)
            self.remember(fields)
            self.follow(before)

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **how: Any) -> Self:
        """Make the record from a row, and remember the row."""
        record = super().from_db(db, field_names, values, **how)
        record.stored = dict(zip(field_names, values, strict=True))
        return record

    @property
    def key(self) -> str:
        """The business number or code."""
        return str(getattr(self, self.key_field))

    @classmethod
    def derive(cls, records: Sequence[Self]) -> None:
        """Fill in what follows from other values. Runs before every `save()` and `bulk_create()`."""

    def clean(self) -> None:
        """Refuse a stored record that lost its number or code.

        Raises:
            ValidationError: the number or code was blanked.
        """
        super().clean()
        if not self.key and not self._state.adding:
            raise ValidationError({self.key_field: _("Enter a value: a record keeps a number or code.")})

    def _with_derived(self, update_fields: Iterable[str]) -> set[str]:
        chosen = set(update_fields)
        return {*chosen, *self.derived_fields, "system_modified_at"} if chosen else chosen

    def remember(self, fields: Collection[str] | None = None) -> None:
        """Take the record's values (of FIELDS only, if given) for those that the database holds."""
        names = [field.attname for field in self._meta.concrete_fields if fields is None or field.name in fields]
        self.stored = {**self.stored, **{name: self.__dict__[name] for name in names if name in self.__dict__}}

    def follow(self, before: Mapping[str, Any]) -> None:
        """Carry a change through to other tables, in the transaction that wrote it.

        A renamed number or code is renamed in every soft reference to it (mappings.md 6.1).
        """
        old, new = before.get(self.key_field, ""), self.key
        if not old or old == new:
            return
        for model, field in _references_to(self._meta.label):
            model.objects.filter(**{field: old}).update(**{field: new})


def _references_to(label: str) -> list[tuple[Any, str]]:
    return [
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, CodeReferenceField) and field.to == label
    ]
