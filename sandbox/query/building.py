"""What an SQL statement is put together from: bound values and table aliases."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.access import Access
from sandbox.metadata.catalog import Association, Catalog, Table
from sandbox.metadata.columns import Column
from sandbox.store.schema import quoted


@dataclass(slots=True)
class Statement:
    """Collects the values of one statement and hands out aliases; the same query always gives the same text."""

    catalog: Catalog
    user: str = ""
    access: Access | None = None
    values: dict[str, Any] = field(default_factory=dict)
    aliases: int = 0

    def bind(self, value: Any) -> str:
        """Keep the value and return the parameter that stands for it."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def source(self, table: Table) -> "Source":
        """Return the rows of a table that the user may read, under an alias of its own. Raises DataverseError (403).

        A user who may read all of them gets the table itself, which costs nothing.
        """
        if self.access is None:
            return self.whole(table)
        self.access.require("Read", table)
        scope = self.access.scope("Read", table)
        return replace(self.whole(table), condition=scope.condition(table) if scope else "")

    def whole(self, table: Table) -> "Source":
        """Return all rows of a table under an alias of its own: names and currencies show whoever may read the row."""
        self.aliases += 1
        return Source(table, f"t{self.aliases}")


@dataclass(frozen=True, slots=True)
class Source:
    """A table in a statement, or those of its rows that pass a condition on its own columns."""

    table: Table
    alias: str
    condition: str = ""

    def column(self, name: str) -> str:
        """Return a column of this table as SQL."""
        return f"{self.alias}.{quoted(name)}"

    @property
    def sql(self) -> str:
        """The table with its alias, for FROM."""
        if not self.condition:
            return f"{quoted(self.table.name)} {self.alias}"
        return f"(SELECT * FROM {quoted(self.table.name)} WHERE {self.condition}) {self.alias}"


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
