"""Where table definitions are kept."""

from typing import Protocol

from connection.dataverse.metadata import TableDefinition


class DefinitionStore(Protocol):
    """Where definitions outlive the process that read them."""

    def load(self, table: str) -> TableDefinition | None:
        """The definition, where there is one that is fresh enough."""

    def save(self, definition: TableDefinition) -> None:
        """Keep the definition."""

    def forget(self, table: str) -> None:
        """Drop the definition: the CRM has contradicted it."""


class MemoryStore:
    """Keeps definitions for the life of the process."""

    def __init__(self) -> None:
        self._definitions: dict[str, TableDefinition] = {}

    def load(self, table: str) -> TableDefinition | None:
        """The definition, where it was saved."""
        return self._definitions.get(table)

    def save(self, definition: TableDefinition) -> None:
        """Keep the definition."""
        self._definitions[definition.name] = definition

    def forget(self, table: str) -> None:
        """Drop the definition."""
        self._definitions.pop(table, None)
