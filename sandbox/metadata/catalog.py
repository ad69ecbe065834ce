"""The catalog: every table with its columns, keys and relationships, looked up by the names clients use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sandbox.metadata.columns import Column, Target, metadata_id


@dataclass(frozen=True)
class Key:
    """An alternate key: its logical name and the columns that are unique together."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """A lookup column seen from the table it points to (a one-to-many relationship)."""

    column: Column
    target: Target


@dataclass(frozen=True)
class Association:
    """A many-to-many relationship seen from one of its tables; links keep the ids as `one` and `two`."""

    relationship: str
    navigation: str
    near: str
    table: str
    far: str
    intersect: str

    def members(self, identity: str) -> str:
        """Return the SQL of the linked ids, `identity` being the SQL of the id on our side."""
        name = self.relationship.replace("'", "''")
        return f"SELECT {self.far} FROM \"$link\" WHERE relationship = '{name}' AND {self.near} = {identity}"  # noqa: S608


@dataclass(eq=False)
class Table:
    """One Dataverse table. Built from `tables/<name>.json`; adding a file adds a table.

    `addressable` columns address a row as a key would, though nothing makes them unique: the protocol's own examples do
    so. `unique` maps a column to the error code for a second row with its value. `listed` and `form` are for the pages.
    """

    name: str
    schema: str
    entity_set: str
    label: str
    plural: str
    code: int
    id: str
    primary: str
    ownership: str
    bulk: bool
    tracked: bool
    trackable: bool
    custom: bool
    key_property: str
    columns: dict[str, Column]
    keys: dict[str, Key]
    addressable: list[tuple[str, ...]]
    unique: dict[str, str]
    listed: list[str]
    form: list[str]
    references: list[Reference] = field(default_factory=list)
    associations: dict[str, Association] = field(default_factory=dict)

    @property
    def metadata_id(self) -> str:
        """The table's MetadataId."""
        return metadata_id(self.name)

    @cached_property
    def by_wire(self) -> dict[str, Column]:
        """The columns by the property name they are read under."""
        return {column.wire: column for column in self.columns.values()}

    @cached_property
    def navigations(self) -> dict[str, tuple[Column, Target]]:
        """The single-valued navigation properties: the lookup behind each, and where it leads.

        `ownerid` leads to several tables under one name; the first that exists stands for it.
        """
        found: dict[str, tuple[Column, Target]] = {}
        for column in self.columns.values():
            for target in column.targets.values():
                found.setdefault(target.navigation, (column, target))
        return found

    @cached_property
    def collections(self) -> dict[str, Reference]:
        """The collection-valued navigation properties."""
        return {reference.target.collection: reference for reference in self.references}

    @property
    def has_state(self) -> bool:
        """True when rows carry statecode and statuscode."""
        return "statecode" in self.columns

    @property
    def first_state(self) -> int:
        """The statecode of a new row."""
        return int(self.columns["statecode"].default or 0) if self.has_state else 0

    @cached_property
    def priced(self) -> bool:
        """True when rows have a currency of their own, and with it an exchange rate."""
        currency = self.columns.get("transactioncurrencyid")
        return currency is not None and currency.is_lookup and "exchangerate" in self.columns

    @cached_property
    def money(self) -> list[Column]:
        """The money columns that have a base-currency twin."""
        return [c for c in self.columns.values() if c.type == "money" and f"{c.name}_base" in self.columns]

    @cached_property
    def joined(self) -> list[Column]:
        """The columns computed from others, such as fullname."""
        return [column for column in self.columns.values() if column.joined]

    @cached_property
    def composites(self) -> dict[str, Column]:
        """The column that holds a whole address, by each of its parts; it is read along with them (4.3)."""
        return {part: column for column in self.joined if column.type == "memo" for part in column.joined}

    @cached_property
    def required(self) -> list[str]:
        """The columns without which the system itself refuses a row."""
        return [c.name for c in self.columns.values() if c.required == "system" and c.default is None]

    def key_for(self, columns: frozenset[str]) -> bool:
        """Return True when rows may be addressed by exactly these columns."""
        named = [key.columns for key in self.keys.values()] + self.addressable
        return any(frozenset(names) == columns for names in named)


class Catalog:
    """All tables, by logical name, by entity set name and by MetadataId."""

    def __init__(self, tables: list[Table], associations: Sequence[Mapping[str, Any]] = ()) -> None:
        self._by_name = {table.name: table for table in tables}
        self._by_set = {table.entity_set: table for table in tables}
        self._by_id = {table.metadata_id: table for table in tables}
        _link(self._by_name)
        self.associations = list(associations)
        self.option_sets: dict[str, dict[str, Any]] = {}
        for spec in associations:
            _associate(self._by_name, spec)

    def __iter__(self) -> Iterator[Table]:
        return iter(self._by_name.values())

    def table(self, name: str) -> Table:
        """Return the table with this logical name. Raises KeyError."""
        return self._by_name[name]

    def find(self, name: str) -> Table | None:
        """Return the table with this logical name, or None."""
        return self._by_name.get(name)

    def by_set(self, entity_set: str) -> Table | None:
        """Return the table with this entity set name (case-sensitive), or None."""
        return self._by_set.get(entity_set)

    def by_metadata_id(self, identity: str) -> Table | None:
        """Return the table with this MetadataId, or None."""
        return self._by_id.get(identity)


def _link(tables: dict[str, Table]) -> None:
    """Drop lookup targets whose table is unknown here and tell every target who refers to it."""
    for table in tables.values():
        for column in table.columns.values():
            for missing in [name for name in column.targets if name not in tables]:
                del column.targets[missing]
            for target in column.targets.values():
                tables[target.table].references.append(Reference(column, target))


def _associate(tables: dict[str, Table], spec: Mapping[str, Any]) -> None:
    """Tell both tables of a many-to-many relationship about it."""
    (one, two), (from_one, from_two) = spec["tables"], spec["navigations"]
    for here, there, navigation, near, far in ((one, two, from_one, "one", "two"), (two, one, from_two, "two", "one")):
        association = Association(spec["name"], navigation, near, there, far, spec["intersect"])
        tables[here].associations[navigation] = association
