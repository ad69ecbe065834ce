"""Keeps table definitions in the database and in the process, for a day (dataverse-web-api.md 17.1; I9)."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from connection.dataverse.drift import definition_drift
from connection.dataverse.metadata import TableDefinition

if TYPE_CHECKING:
    from django.db.models import Manager

    from connection.models import TableMetadata

FRESH_FOR = timedelta(days=1)
# Another process may have read a newer version meanwhile.
AT_HAND_FOR = timedelta(minutes=1)


class DatabaseStore:
    """A `DefinitionStore` over the stored tables of one connection, with a version and what changed last."""

    def __init__(self, tables: "Manager[TableMetadata]") -> None:
        self._tables = tables
        self._at_hand: dict[str, tuple[TableDefinition, datetime]] = {}

    def load(self, table: str) -> TableDefinition | None:
        """The definition, where one was read within a day and the CRM has not contradicted it."""
        definition, until = self._at_hand.get(table, (None, timezone.now()))
        if until > timezone.now():
            return definition
        row = self._tables.filter(table=table, is_contradicted=False, read_at__gt=timezone.now() - FRESH_FOR).first()
        return self._kept(row.as_definition()) if row else None

    def save(self, definition: TableDefinition) -> None:
        """Keep the definition; where it differs from the one before, as a new version with what is different."""
        now = timezone.now()
        values = {"definition": definition.to_json(), "read_at": now, "is_contradicted": False}
        row, is_new = self._tables.get_or_create(table=definition.name, defaults=values)
        if not is_new:
            drift = definition_drift(row.as_definition(), definition)
            if drift:
                values |= {
                    "version": row.version + 1,
                    "drift": [each.to_json() for each in drift],
                    "drifted_at": now,
                }
            self._tables.filter(pk=row.pk).update(**values)
        self._kept(definition)

    def forget(self, table: str) -> None:
        """Have the definition read again; the old one stays, to be compared with the new."""
        self._at_hand.pop(table, None)
        self._tables.filter(table=table).update(is_contradicted=True)

    def _kept(self, definition: TableDefinition) -> TableDefinition:
        self._at_hand[definition.name] = definition, timezone.now() + AT_HAND_FOR
        return definition
