"""Read a JSON body into a draft: checked values, lookups to resolve and rows to create with it (4.2, 4.6, 4.7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sandbox import errors
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Reference, Table
from sandbox.metadata.columns import Column, Target
from sandbox.rows.values import Convert, Stored, WrongTypeError, converter

Payload = Mapping[str, Any]


@dataclass(slots=True)
class Bind:
    """A lookup that the body sets by address."""

    column: Column
    target: Target
    address: str


@dataclass(slots=True)
class Draft:
    """What a body asks to be written, before lookups are resolved and defaults filled in."""

    table: Table
    values: dict[str, Stored] = field(default_factory=dict)
    binds: list[Bind] = field(default_factory=list)
    parents: list[tuple[Column, Target, Payload]] = field(default_factory=list)
    children: list[tuple[Reference, list[Payload]]] = field(default_factory=list)


class Reader:
    """Reads the bodies for one table, either to create rows or to update them."""

    def __init__(self, table: Table, *, creating: bool) -> None:
        self.table = table
        self.creating = creating
        self._plan: dict[str, tuple[str, Convert] | None] = {}
        for column in table.columns.values():
            writable = (column.create if creating else column.update) and not column.is_lookup
            self._plan[column.wire] = (column.name, converter(column)) if writable else None

    def read(self, payload: Payload) -> Draft:
        """Return the draft of one body. Raises DataverseError for unknown names and values that do not fit."""
        draft = Draft(self.table)
        values = draft.values
        for key, value in payload.items():
            try:
                entry = self._plan[key]
            except KeyError:
                self._read_other(draft, key, value)
                continue
            # Read-only columns in a body are ignored, as the service does (4.8).
            if entry is not None:
                try:
                    values[entry[0]] = entry[1](value)
                except WrongTypeError as error:
                    raise self._wrong_type(key, value) from error
        return draft

    def _wrong_type(self, key: str, value: Any) -> DataverseError:
        column = self.table.by_wire[key]
        message = f"Cannot convert the literal '{str(value)[:100]}' to the expected type of '{key}' ({column.type})."
        return errors.bad_payload(self.table.entity_set, message)

    def _read_other(self, draft: Draft, key: str, value: Any) -> None:
        """Read what is no plain column: a lookup, a nested row, or control information."""
        name, separator, annotation = key.partition("@")
        if annotation == "odata.bind":
            self._bind(draft, name, value)
        elif separator:
            return  # @odata.type, @odata.id, @odata.etag and annotations of read rows
        elif name in self.table.navigations:
            self._nested(draft, name, value)
        elif name in self.table.collections and self.creating and isinstance(value, list):
            draft.children.append((self.table.collections[name], value))
        else:
            raise errors.bad_payload(self.table.entity_set, self._unknown(name))

    def _unknown(self, name: str) -> str:
        return (
            f"The property '{name}' does not exist on type 'Microsoft.Dynamics.CRM.{self.table.name}'. "
            "Make sure to only use property names that are defined by the type."
        )

    def _bind(self, draft: Draft, name: str, value: Any) -> None:
        if name not in self.table.navigations:
            message = (
                f"An undeclared property '{name}' which only has property annotations in the payload but no property "
                "value was found in the payload. In OData, only declared navigation properties and declared named "
                "streams can be represented as properties without values."
            )
            raise errors.bad_payload(self.table.entity_set, message)
        column, target = self.table.navigations[name]
        if not (column.create if self.creating else column.update):
            return
        if value is None or value == "":
            draft.values.setdefault(column.name, None)
        elif isinstance(value, str):
            draft.binds.append(Bind(column, target, value))
        else:
            raise errors.bad_payload(self.table.entity_set, f"The value of '{name}@odata.bind' is not an address.")

    def _nested(self, draft: Draft, name: str, value: Any) -> None:
        column, target = self.table.navigations[name]
        if value is None:
            draft.values.setdefault(column.name, None)
        elif isinstance(value, dict) and self.creating:
            draft.parents.append((column, target, value))
        else:
            raise errors.bad_payload(self.table.entity_set, f"The property '{name}' cannot be written as a value.")


@cache
def reader(table: Table, *, creating: bool) -> Reader:
    """Return the reader for a table, made once."""
    return Reader(table, creating=creating)
