"""What an SQL statement is put together from: bound values and table aliases."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.metadata.catalog import Association, Catalog, Table
from sandbox.metadata.columns import Column
from sandbox.store.schema import quoted


@dataclass(slots=True)
class Statement:
    """Collects the values of one statement and hands out aliases; the same query always gives the same text."""

    catalog: Catalog
    user: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    aliases: int = 0

    def bind(self, value: Any) -> str:
        """Keep the value and return the parameter that stands for it."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def source(self, table: Table) -> "Source":
        """Return the table under an alias of its own."""
        self.aliases += 1
        return Source(table, f"t{self.aliases}")


@dataclass(frozen=True, slots=True)
class Source:
    """A table in a statement."""

    table: Table
    alias: str

    def column(self, name: str) -> str:
        """Return a column of this table as SQL."""
        return f"{self.alias}.{quoted(name)}"

    @property
    def sql(self) -> str:
        """The table with its alias, for FROM."""
        return f"{quoted(self.table.name)} {self.alias}"


def points_to(source: Source, column: Column, target: Source) -> str:
    """Return the test that `column` of the source row holds the target row's id."""
    test = f"{target.column(target.table.id)} = {source.column(column.name)}"
    if column.is_polymorphic:
        test += f" AND {source.column(column.type_column)} = '{target.table.name}'"
    return test


def linked_to(source: Source, association: Association, target: Source) -> str:
    """Return the test that a many-to-many relationship links the source row to the target row."""
    members = association.members(target.column(target.table.id))
    return f"{source.column(source.table.id)} IN ({members})"
