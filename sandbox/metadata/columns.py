"""What a Dataverse column is: its type, limits, options and lookups, as a data file states them."""

import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

ColumnType = Literal[
    "string",
    "memo",
    "integer",
    "bigint",
    "decimal",
    "double",
    "money",
    "boolean",
    "picklist",
    "multiselect",
    "state",
    "status",
    "datetime",
    "date",
    "uniqueidentifier",
    "lookup",
    "customer",
    "owner",
]
TEXT_TYPES = frozenset({"string", "memo", "multiselect"})
LOOKUP_TYPES = frozenset({"lookup", "customer", "owner"})
OPTION_TYPES = frozenset({"picklist", "multiselect", "state", "status"})
# Money is kept as whole ten-thousandths: exact, sortable and indexable, and the wire shows four decimals.
MONEY_SCALE = 10_000
_NAMESPACE = uuid.UUID("6b0c3f4e-52c5-4d58-9a0e-7d3d0d6f1c11")


def metadata_id(*names: str) -> str:
    """Return the MetadataId of the thing with these names; the same in every sandbox."""
    return str(uuid.uuid5(_NAMESPACE, ".".join(names)))


@dataclass(frozen=True, slots=True)
class Target:
    """One table that a lookup may point to, with the names of the relationship (dataverse-web-api.md 3.3)."""

    table: str
    navigation: str
    collection: str
    relationship: str


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of an option set; `state` is the statecode that a status reason belongs to."""

    value: int
    label: str
    state: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `name` is its logical name, `wire` the property name it is read under."""

    table: str
    name: str
    type: ColumnType
    label: str
    schema: str
    max_length: int = 0
    minimum: float | None = None
    maximum: float | None = None
    precision: int = 0
    format: str = ""
    options: dict[int, Option] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    delete: str = "removelink"
    required: str = "none"
    default: Any = None
    create: bool = True
    update: bool = True
    read: bool = True
    index: bool = False
    joined: tuple[str, ...] = ()
    custom: bool = False
    option_set: str = ""

    @property
    def is_lookup(self) -> bool:
        """True for a column that holds the id of another row."""
        return self.type in LOOKUP_TYPES

    @property
    def is_text(self) -> bool:
        """True for a column whose values compare without regard to case and accents."""
        return self.type in ("string", "memo")

    @property
    def is_polymorphic(self) -> bool:
        """True for a lookup that keeps, beside the id, the name of the table it points to."""
        return self.type in ("customer", "owner")

    @property
    def type_column(self) -> str:
        """The store's column with the table that a polymorphic lookup points to."""
        return f"{self.name}type"

    @property
    def wire(self) -> str:
        """The property name in JSON: lookups are read as `_name_value`."""
        return f"_{self.name}_value" if self.is_lookup else self.name

    @property
    def metadata_id(self) -> str:
        """The column's MetadataId."""
        return metadata_id(self.table, self.name)

    def default_option(self, state: int) -> int | None:
        """Return the status reason that a row gets when only its state is given (dataverse-web-api.md 4.8)."""
        return next((option.value for option in self.options.values() if option.state == state), None)


def _option(value: str, spec: str | dict[str, Any]) -> Option:
    if isinstance(spec, str):
        return Option(int(value), spec)
    return Option(int(value), spec["label"], spec.get("state"))


def _target(table: str, column: str, name: str, spec: dict[str, Any], relationship: str | None) -> Target:
    collection = spec.get("collection") or f"{table}_{column}_{name}"
    return Target(name, spec.get("navigation") or column, collection, relationship or collection)


def column_from(table: str, name: str, spec: dict[str, Any]) -> Column:
    """Return the column that a data file describes. Raises KeyError when type or label is missing."""
    targets = {
        target: _target(table, name, target, details, spec.get("relationship"))
        for target, details in spec.get("targets", {}).items()
    }
    options = [_option(value, option) for value, option in spec.get("options", {}).items()]
    return Column(
        table=table,
        name=name,
        type=spec["type"],
        label=spec["label"],
        schema=spec.get("schema", name[:1].upper() + name[1:]),
        max_length=spec.get("max", 0) if spec["type"] in ("string", "memo") else 0,
        minimum=spec.get("min"),
        maximum=None if spec["type"] in ("string", "memo") else spec.get("max"),
        precision=spec.get("precision", 0),
        format=spec.get("format", ""),
        options={option.value: option for option in options},
        targets=targets,
        delete=spec.get("delete", "removelink"),
        required=spec.get("required", "none"),
        default=False if spec["type"] == "boolean" else spec.get("default"),
        create=spec.get("create", True),
        update=spec.get("update", True),
        read=spec.get("read", True),
        index=spec.get("index", False),
        joined=tuple(spec.get("joined", ())),
        custom=spec.get("custom", False),
        option_set=spec.get("option set", ""),
    )
