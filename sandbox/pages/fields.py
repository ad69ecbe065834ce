"""The fields of a row's form: what they show, and the change that a filled-in form asks for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from django.utils.translation import gettext as _

from sandbox.metadata.catalog import Catalog, Table
from sandbox.metadata.columns import MONEY_SCALE, TEXT_TYPES, Column, Target
from sandbox.rows.values import GUID, Stored

_INPUTS = {
    "integer": "number",
    "bigint": "number",
    "decimal": "number",
    "double": "number",
    "money": "number",
    "date": "date",
}
_KINDS = {"memo": "textarea", "boolean": "select", "picklist": "select", "state": "select", "status": "select"}


class Lookups(Protocol):
    """Names of rows that lookups point to; the pages read them from the store."""

    def choices(self, table: Table) -> list[tuple[str, str]]:
        """Return id and name of all rows of a small table, or [] for a large one."""

    def name(self, table: Table, identity: str) -> str:
        """Return the name of a row when it is the only one with it, else its id."""

    def find(self, table: Table, text: str) -> str | None:
        """Return the id of the row that a text names, or None."""


class FormError(Exception):
    """A field holds something that cannot be sent; the message says which and why."""


@dataclass
class Field:
    """One input. `name` is the property that a change writes; `value` the text that stands in it."""

    name: str
    label: str
    value: str
    column: Column
    target: Target | None = None
    choices: list[tuple[str, str]] = field(default_factory=list)
    link: str = ""

    @property
    def kind(self) -> str:
        """How it is drawn: input, textarea or select."""
        return "select" if self.choices else _KINDS.get(self.column.type, "input")

    @property
    def input_type(self) -> str:
        """The type of an input."""
        return "text" if self.target else _INPUTS.get(self.column.type, "text")

    @property
    def step(self) -> str:
        """The step of a number."""
        return str(Decimal(1).scaleb(-self.column.precision)) if self.column.precision else "1"

    @property
    def hint(self) -> str:
        """What the input expects, where its label does not say it."""
        if self.target and not self.choices:
            return _("The name or id of a row.")
        return _("UTC, such as 2026-01-24T08:15:00Z.") if self.column.type == "datetime" else ""

    def payload(self, text: str) -> Any:
        """Return the JSON value for a text. Raises FormError when it cannot be one."""
        if text == "":
            return None
        try:
            match self.column.type:
                case "integer" | "bigint" | "picklist" | "state" | "status":
                    return int(text)
                case "decimal" | "double" | "money":
                    return Decimal(text)
                case "boolean":
                    return text == "1"
        except (ValueError, InvalidOperation) as error:
            raise FormError(
                _("%(label)s: “%(text)s” is not a number.") % {"label": self.label, "text": text}
            ) from error
        return text


def shown(column: Column, value: Stored) -> str:
    """Return a stored value as it stands in its input."""
    if value is None:
        return ""
    if column.type == "money":
        return f"{Decimal(value) / MONEY_SCALE:.{column.precision}f}"
    if column.type in ("decimal", "double"):
        return format(Decimal(str(value)).normalize(), "f")
    return str(value)


def fields(
    catalog: Catalog, table: Table, row: Mapping[str, Stored], lookups: Lookups, *, creating: bool
) -> list[Field]:
    """Return the fields of a table's form, filled from a stored row."""
    found: list[Field] = []
    for name in table.form:
        column = table.columns[name]
        if not (column.create if creating else column.update):
            continue
        if column.is_lookup:
            found += _lookup_fields(catalog, column, row, lookups)
        else:
            found.append(
                Field(column.wire, column.label, shown(column, row.get(name)), column, choices=_choices(column))
            )
    return found


def _choices(column: Column) -> list[tuple[str, str]]:
    if column.type == "boolean":
        return [("0", "No"), ("1", "Yes")]
    listed = [(str(option.value), option.label) for option in column.options.values()]
    return listed if column.type in ("state", "status") or not listed else [("", ""), *listed]


def _lookup_fields(catalog: Catalog, column: Column, row: Mapping[str, Stored], lookups: Lookups) -> Iterator[Field]:
    """Yield one field for every table that a lookup may point to."""
    several = len(column.targets) > 1
    for target in column.targets.values():
        table = catalog.table(target.table)
        identity = row.get(column.name)
        if column.is_polymorphic and row.get(column.type_column) != target.table:
            identity = None
        label = f"{column.label} ({table.label})" if several else column.label
        made = Field(target.navigation, label, "", column, target, choices=lookups.choices(table))
        if identity is not None:
            made.value = str(identity) if made.choices else lookups.name(table, str(identity))
            made.link = f"/table/{table.name}/{identity}"
        yield made


def changes(catalog: Catalog, found: list[Field], posted: Mapping[str, str], lookups: Lookups) -> dict[str, Any]:
    """Return the body that writes what was changed in the form. Raises FormError."""
    body: dict[str, Any] = {}
    for item in found:
        text = _normal(posted.get(item.name, item.value), item.column)
        if text == item.value:
            continue
        if item.target is None:
            body[item.name] = item.payload(text)
        else:
            body[f"{item.name}@odata.bind"] = _bound(catalog.table(item.target.table), item, text, lookups)
    return body


def _normal(text: str, column: Column) -> str:
    """Return posted text as the store would: browsers send CRLF, and blanks around a value mean nothing."""
    text = text.replace("\r\n", "\n")
    return text if column.type in TEXT_TYPES else text.strip()


def _bound(table: Table, item: Field, text: str, lookups: Lookups) -> str | None:
    if text == "":
        return None
    identity = text.lower() if GUID.fullmatch(text) else lookups.find(table, text)
    if identity is None:
        message = _("%(label)s: there is not exactly one row named “%(text)s”.")
        raise FormError(message % {"label": item.label, "text": text})
    return f"/{table.entity_set}({identity})"
