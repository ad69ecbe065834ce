"""Keeps table definitions in the database and in the process, for a day (dataverse-web-api.md 17.1; I9)."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from connection.dataverse.metadata import TableDefinition

if TYPE_CHECKING:
    from django.db.models import Manager

    from connection.models import TableMetadata

FRESH_FOR = timedelta(days=1)


class DatabaseStore:
    """A `DefinitionStore` over the stored tables of one connection."""

    def __init__(self, tables: "Manager[TableMetadata]") -> None:
        self._tables = tables
        self._at_hand: dict[str, tuple[TableDefinition, datetime]] = {}

    def load(self, table: str) -> TableDefinition | None:
        """The definition, where one was read within a day."""
        if table not in self._at_hand and (row := self._tables.filter(table=table).first()):
            self._at_hand[table] = row.as_definition(), row.read_at
        definition, read_at = self._at_hand.get(table, (None, timezone.now()))
        return definition if read_at > timezone.now() - FRESH_FOR else None

    def save(self, definition: TableDefinition) -> None:
        """Keep the definition."""
        now = timezone.now()
        self._at_hand[definition.name] = definition, now
        self._tables.update_or_create(
            table=definition.name, defaults={"definition": definition.to_json(), "read_at": now}
        )

    def forget(self, table: str) -> None:
        """Drop the definition everywhere."""
        self._at_hand.pop(table, None)
        self._tables.filter(table=table).delete()
