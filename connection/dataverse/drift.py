"""Says how a table of the CRM differs from what it was when it was last asked (dataverse-web-api.md 17.1). Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import TextChoices
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.dataverse.metadata import ColumnDefinition, TableDefinition
from connection.errors import Text


class DriftKind(TextChoices):
    """In what a table has changed."""

    COLUMN_GONE = "column_gone", _("The column “{column}” is gone.")
    COLUMN_NEW = "column_new", _("The column “{column}” is new.")
    TYPE = "type", _("The column “{column}” has another type: {now} instead of {before}.")
    LENGTH = "length", _("The column “{column}” takes another number of characters: {now} instead of {before}.")
    PRECISION = "precision", _("The column “{column}” has another number of decimals: {now} instead of {before}.")
    OPTION_GONE = "option_gone", _("The column “{column}” has lost the option {before}.")
    OPTION_NEW = "option_new", _("The column “{column}” has a new option: {now}.")
    OPTION_RENAMED = "option_renamed", _("The column “{column}” calls an option {now} instead of {before}.")
    TARGETS = "targets", _("The column “{column}” refers to other tables: {now} instead of {before}.")
    REQUIRED = "required", _("The column “{column}” must be filled now.")
    NOT_WRITABLE = "not_writable", _("The column “{column}” cannot be written any more.")
    TRACKING_OFF = "tracking_off", _("Change tracking has been switched off.")
    KEY_GONE = "key_gone", _("The alternate key “{before}” is gone.")


# What a mapping that uses the column cannot live with.
_BREAKING = {
    DriftKind.COLUMN_GONE,
    DriftKind.TYPE,
    DriftKind.OPTION_GONE,
    DriftKind.NOT_WRITABLE,
    DriftKind.TRACKING_OFF,
    DriftKind.KEY_GONE,
}


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference; `before` and `now` are as a person reads them. `column` is empty where the table is meant."""

    kind: DriftKind
    column: str = ""
    before: str = ""
    now: str = ""

    @property
    def text(self) -> Text:
        """The difference in plain words."""
        return format_lazy(self.kind.label, column=self.column, before=self.before, now=self.now)

    @property
    def is_breaking(self) -> bool:
        """Whether a mapping that uses the column has to be looked at."""
        return self.kind in _BREAKING

    def __str__(self) -> str:
        return str(self.text)

    def to_json(self) -> dict[str, str]:
        """The difference as JSON values."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Drift":
        """The difference that `to_json` gave."""
        return cls(**{**stored, "kind": DriftKind(stored["kind"])})


def definition_drift(old: TableDefinition, new: TableDefinition) -> list[Drift]:
    """How `new` differs from `old` in what a mapping relies on, column by column. Labels of columns do not count."""
    return list(_drift(old, new))


def _drift(old: TableDefinition, new: TableDefinition) -> Iterator[Drift]:
    if old.change_tracking and not new.change_tracking:
        yield Drift(DriftKind.TRACKING_OFF)
    for key in old.keys.keys() - new.keys.keys():
        yield Drift(DriftKind.KEY_GONE, before=key)
    for name in sorted(old.columns.keys() | new.columns.keys()):
        if name not in new.columns:
            yield Drift(DriftKind.COLUMN_GONE, name)
        elif name not in old.columns:
            yield Drift(DriftKind.COLUMN_NEW, name)
        else:
            yield from _column_drift(old.columns[name], new.columns[name])


def _column_drift(old: ColumnDefinition, new: ColumnDefinition) -> Iterator[Drift]:
    compared = [
        (DriftKind.TYPE, old.type, new.type),
        (DriftKind.LENGTH, old.max_length, new.max_length),
        (DriftKind.PRECISION, old.precision, new.precision),
        (DriftKind.TARGETS, ", ".join(sorted(old.targets)), ", ".join(sorted(new.targets))),
    ]
    for kind, before, now in compared:
        if before != now:
            yield Drift(kind, old.name, str(before), str(now))
    if new.required and not old.required:
        yield Drift(DriftKind.REQUIRED, old.name)
    if (old.can_create or old.can_update) and not (new.can_create or new.can_update):
        yield Drift(DriftKind.NOT_WRITABLE, old.name)
    yield from _option_drift(old, new)


def _option_drift(old: ColumnDefinition, new: ColumnDefinition) -> Iterator[Drift]:
    for value in sorted(old.options.keys() | new.options.keys()):
        before, now = old.options.get(value), new.options.get(value)
        if now is None:
            yield Drift(DriftKind.OPTION_GONE, old.name, before=f"{value} “{before}”")
        elif before is None:
            yield Drift(DriftKind.OPTION_NEW, old.name, now=f"{value} “{now}”")
        elif before != now:
            yield Drift(DriftKind.OPTION_RENAMED, old.name, f"“{before}”", f"“{now}”")
