"""The CRM side of a mapping: one Dataverse table through the client."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.dataverse.client import DataverseClient
from connection.dataverse.errors import DeltaExpired, MappingFault
from connection.dataverse.metadata import LOOKUPS, ColumnDefinition
from connection.dataverse.reading import Row
from connection.dataverse.writing import Outcome, RowUpdate
from coupling.filters import Filter
from coupling.models import TableMapping
from coupling.tables.table import Column, Page, Record, Write, Written
from coupling.values import Value, canonical, decimal_text

KINDS = {
    "Integer": "integer",
    "BigInt": "integer",
    "Picklist": "integer",
    "State": "integer",
    "Status": "integer",
    "Decimal": "decimal",
    "Double": "decimal",
    "Money": "decimal",
    "Boolean": "boolean",
    "DateTime": "datetime",
    "Lookup": "id",
    "Owner": "id",
    "Customer": "id",
    "Uniqueidentifier": "id",
}


class CRMTable:
    """The rows of one Dataverse table, reading and writing the named columns.

    `targets` says which table each lookup column points at under this mapping (`{"ownerid": "systemuser"}`):
    polymorphic lookups are written by the navigation property of that table (dataverse-web-api.md 4.6).
    """

    is_transactional = False

    def __init__(
        self, client: DataverseClient, mapping: TableMapping, names: Sequence[str], targets: Mapping[str, str]
    ) -> None:
        self.client = client
        self.name = mapping.crm_table
        self.definition = client.definition(self.name)
        self.targets = targets
        self.filter = Filter.parse(mapping.crm_filter)
        self.template: Mapping[str, Any] = mapping.crm_template
        self._read_names = list(dict.fromkeys([*names, *self.filter.columns]))
        self.columns: Mapping[str, Column] = {name: self._column(name) for name in self._read_names}
        self._select = [self._definition_of(name).read_name for name in self._read_names]
        if self.definition.primary_name not in self._read_names:
            self._select.append(self.definition.primary_name)

    def changes(self, cursor: str, page_size: int) -> Iterator[Page]:
        """Rows changed and ids deleted since the delta link; everything where it is blank or has expired (I4)."""
        try:
            yield from self._changes(cursor or None, page_size)
        except DeltaExpired:
            yield from self._changes(None, page_size)

    def fetch(self, ids: Sequence[UUID]) -> dict[UUID, Record]:
        """The rows with these ids."""
        rows = self.client.rows_by_id(self.name, ids, select=self._select)
        return {id_: self._record(row) for id_, row in rows.items()}

    def find(self, column: str, values: Sequence[Value]) -> list[Record]:
        """The rows whose column equals one of `values`; Dataverse compares without case (dataverse-web-api.md 5.1)."""
        name = self._definition_of(column).read_name
        return [self._record(row) for row in self.client.rows_where_in(self.name, name, values, select=self._select)]

    def create(self, rows: Sequence[Write]) -> list[Written]:
        """Create rows under ids chosen beforehand (I1)."""
        return [_written(outcome) for outcome in self.client.create_many(self.name, [self._new(row) for row in rows])]

    def update(self, writes: Sequence[Write]) -> list[Written]:
        """Write changed columns under the ETag that was judged (I2)."""
        updates = [RowUpdate(write.id, self._payload(write), write.version) for write in writes]
        return [_written(outcome) for outcome in self.client.update_many(self.name, updates)]

    def count(self) -> int:
        """How many rows there are."""
        return self.client.count(self.name)

    def accepts(self, record: Record) -> bool:
        """Whether the row is inside the mapping's integration table filter."""
        return self.filter.accepts(record.values)

    def _changes(self, delta_link: str | None, page_size: int) -> Iterator[Page]:
        for page in self.client.changes(self.name, select=self._select, delta_link=delta_link, page_size=page_size):
            records = [self._record(row) for row in page.rows]
            yield Page(records, page.deleted, page.delta_link, page.next_link or "")

    def _definition_of(self, name: str) -> ColumnDefinition:
        try:
            return self.definition.columns[name]
        except KeyError:
            text = _("Dynamics CRM has no column “{column}” in the table “{table}”.")
            raise MappingFault(format_lazy(text, column=name, table=self.name)) from None

    def _column(self, name: str) -> Column:
        definition = self._definition_of(name)
        kind = KINDS.get(definition.type, "text")
        return Column(
            name,
            "date" if kind == "datetime" and definition.date_only else kind,
            definition.max_length,
            definition.precision if kind == "decimal" else None,
            definition.can_create,
            definition.can_update,
        )

    def _record(self, row: Row) -> Record:
        values = {name: self._value(name, row) for name in self._read_names}
        return Record(
            UUID(row[self.definition.primary_id]),
            row.get("@odata.etag", ""),
            values,
            str(row.get(self.definition.primary_name) or ""),
        )

    def _value(self, name: str, row: Row) -> Value:
        raw = row.get(self._definition_of(name).read_name)
        if self.columns[name].kind == "decimal" and raw is not None:
            return decimal_text(Decimal(str(raw)))
        return canonical(raw)

    def _new(self, row: Write) -> dict[str, Any]:
        filled = {name: value for name, value in row.values.items() if value is not None}
        payload = self._payload(Write(row.id, filled))
        return {self.definition.primary_id: str(row.id)} | self._template(payload) | payload

    def _template(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """What a new row starts with; `{"same_as": column}` takes the value that the row has in another column."""
        return {
            name: payload.get(value["same_as"]) if isinstance(value, dict) else value
            for name, value in self.template.items()
        }

    def _payload(self, write: Write) -> dict[str, Any]:
        return dict(self._pair(name, value) for name, value in write.values.items())

    def _pair(self, name: str, value: Value) -> tuple[str, Any]:
        definition = self._definition_of(name)
        if definition.type in LOOKUPS:
            return self._bind(name, definition, value)
        if self.columns[name].kind == "decimal" and value is not None:
            return name, Decimal(str(value))
        return name, value

    def _bind(self, name: str, definition: ColumnDefinition, value: Value) -> tuple[str, str | None]:
        target = self.targets.get(name) or definition.targets[0]
        path = f"/{self.client.definition(target).entity_set}({value})" if value is not None else None
        return f"{definition.navigation[target]}@odata.bind", path


def _written(outcome: Outcome) -> Written:
    return Written(error=outcome.error)
