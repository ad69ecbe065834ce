"""What the CRM's tables and columns are like (dataverse-web-api.md 3), read with one request a table and cached."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.dataverse.answer import Answer
from connection.dataverse.batch import Part
from connection.dataverse.errors import MappingFault
from connection.dataverse.http import Http
from connection.dataverse.query import literal, query

LOOKUPS = ("Lookup", "Customer", "Owner")
_DATA_TYPES = {
    *LOOKUPS,
    "String",
    "Memo",
    "Integer",
    "BigInt",
    "Decimal",
    "Double",
    "Money",
    "Boolean",
    "Picklist",
    "State",
    "Status",
    "DateTime",
    "Uniqueidentifier",
}


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """One column. `navigation` names, per target table, the property that `…@odata.bind` is put on."""

    name: str
    type: str
    label: str = ""
    max_length: int | None = None
    precision: int | None = None
    targets: tuple[str, ...] = ()
    navigation: Mapping[str, str] = field(default_factory=dict)
    can_create: bool = True
    can_update: bool = True
    can_read: bool = True
    required: bool = False
    date_only: bool = False
    options: Mapping[int, str] = field(default_factory=dict)

    @property
    def read_name(self) -> str:
        """The property under which the value is read: `_x_value` for lookups."""
        return f"_{self.name}_value" if self.type in LOOKUPS else self.name


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """One table. `bulk_create` says whether it takes CreateMultiple (7), and so on; `keys` are its alternate keys."""

    name: str
    entity_set: str
    primary_id: str
    primary_name: str
    change_tracking: bool
    label: str
    bulk_create: bool
    columns: Mapping[str, ColumnDefinition]
    bulk_update: bool = False
    bulk_upsert: bool = False
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def odata_type(self) -> str:
        """The type that a bulk message wants to be told of each row."""
        return f"Microsoft.Dynamics.CRM.{self.name}"

    def to_json(self) -> dict[str, Any]:
        """The definition as JSON values, for a cache."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "TableDefinition":
        """The definition that `to_json` gave. JSON has made the option values strings."""
        columns = {name: _column_from_json(column) for name, column in stored["columns"].items()}
        keys = {name: tuple(parts) for name, parts in stored.get("keys", {}).items()}
        return cls(**{**stored, "columns": columns, "keys": keys})


def _column_from_json(stored: Mapping[str, Any]) -> ColumnDefinition:
    options = {int(value): label for value, label in stored["options"].items()}
    return ColumnDefinition(**{**stored, "targets": tuple(stored["targets"]), "options": options})


_TABLE = "LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,ChangeTrackingEnabled,DisplayCollectionName"
_COLUMN = (
    "LogicalName,AttributeType,DisplayName,AttributeOf,IsValidForCreate,IsValidForUpdate,IsValidForRead,RequiredLevel"
)
_CASTS: Mapping[str, str] = {
    "String": "?$select=LogicalName,MaxLength",
    "Memo": "?$select=LogicalName,MaxLength",
    "Decimal": "?$select=LogicalName,Precision",
    "Double": "?$select=LogicalName,Precision",
    "Money": "?$select=LogicalName,Precision",
    "Lookup": "?$select=LogicalName,Targets",
    "DateTime": "?$select=LogicalName,Format,DateTimeBehavior",
    "Picklist": "?$select=LogicalName&$expand=OptionSet,GlobalOptionSet",
    "State": "?$select=LogicalName&$expand=OptionSet",
    "Status": "?$select=LogicalName&$expand=OptionSet",
    "Boolean": "?$select=LogicalName&$expand=OptionSet",
}
_BULK = ("CreateMultiple", "UpdateMultiple", "UpsertMultiple")
_RELATIONS = "?$select=ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName"


def read_definition(http: Http, table: str) -> TableDefinition:
    """Ask the CRM for `table` in one batch. Raises MappingFault where it has no such table, and what `Http` raises."""
    entity = f"EntityDefinitions(LogicalName={literal(table)})"
    urls = [
        f"{entity}?$select={_TABLE}",
        f"{entity}/Attributes?$select={_COLUMN}",
        f"{entity}/ManyToOneRelationships{_RELATIONS}",
        f"{entity}/Keys?$select=LogicalName,KeyAttributes,EntityKeyIndexStatus",
        *(_message_url(message, table) for message in _BULK),
        *(f"{entity}/Attributes/Microsoft.Dynamics.CRM.{cast}AttributeMetadata{rest}" for cast, rest in _CASTS.items()),
    ]
    first, attributes, relations, keys, *more = http.read_batch([Part("GET", url) for url in urls])
    if first.status == 404:
        raise MappingFault(format_lazy(_("Dynamics CRM has no table “{table}”."), table=table))
    casts = [row for cast in more[len(_BULK) :] for row in _values(cast)]
    return _table(
        first.json(),
        columns=list(_columns(_values(attributes), _values(relations), casts)),
        keys={} if keys.error else dict(_keys(_values(keys))),
        messages={name for name, found in zip(_BULK, more, strict=False) if not found.error and _values(found)},
    )


def _values(answer: Answer) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = answer.json()["value"]
    return rows


def _message_url(message: str, table: str) -> str:
    condition = f"sdkmessageid/name eq {literal(message)} and primaryobjecttypecode eq {literal(table)}"
    return query("sdkmessagefilters", select="sdkmessagefilterid", filter=condition)


def _keys(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The alternate keys whose index is there; without it they find nothing."""
    for row in rows:
        if row.get("EntityKeyIndexStatus", "Active") in ("Active", 2):
            yield row["LogicalName"], tuple(row["KeyAttributes"])


def _table(
    entity: Mapping[str, Any],
    *,
    columns: Sequence[ColumnDefinition],
    keys: Mapping[str, tuple[str, ...]],
    messages: Collection[str],
) -> TableDefinition:
    return TableDefinition(
        name=entity["LogicalName"],
        entity_set=entity["EntitySetName"],
        primary_id=entity["PrimaryIdAttribute"],
        primary_name=entity.get("PrimaryNameAttribute") or "",
        change_tracking=bool(entity.get("ChangeTrackingEnabled")),
        label=_label(entity.get("DisplayCollectionName")),
        bulk_create="CreateMultiple" in messages,
        columns={column.name: column for column in columns},
        bulk_update="UpdateMultiple" in messages,
        bulk_upsert="UpsertMultiple" in messages,
        keys=keys,
    )


def _columns(
    attributes: Iterable[Mapping[str, Any]], relations: Iterable[Mapping[str, Any]], casts: Iterable[Mapping[str, Any]]
) -> Iterator[ColumnDefinition]:
    """The columns that hold data; virtual companions (`primarycontactidname`) are left out."""
    details: dict[str, dict[str, Any]] = {}
    for cast in casts:
        details.setdefault(cast["LogicalName"], {}).update(cast)
    navigation: dict[str, dict[str, str]] = {}
    for relation in relations:
        name = relation["ReferencingEntityNavigationPropertyName"]
        navigation.setdefault(relation["ReferencingAttribute"], {})[relation["ReferencedEntity"]] = name
    for attribute in attributes:
        name = attribute["LogicalName"]
        if attribute["AttributeType"] in _DATA_TYPES and not attribute.get("AttributeOf"):
            yield _column(attribute, details.get(name, {}), navigation.get(name, {}))


def _column(attribute: Mapping[str, Any], detail: Mapping[str, Any], navigation: Mapping[str, str]) -> ColumnDefinition:
    targets = tuple(detail.get("Targets") or navigation)
    return ColumnDefinition(
        name=attribute["LogicalName"],
        type=attribute["AttributeType"],
        label=_label(attribute.get("DisplayName")),
        max_length=detail.get("MaxLength"),
        precision=detail.get("Precision"),
        targets=targets,
        navigation={target: name for target in targets if (name := _navigation(navigation, target))},
        can_create=bool(attribute.get("IsValidForCreate")),
        can_update=bool(attribute.get("IsValidForUpdate")),
        can_read=bool(attribute.get("IsValidForRead", True)),
        required=(attribute.get("RequiredLevel") or {}).get("Value") in ("ApplicationRequired", "SystemRequired"),
        date_only=_is_date_only(detail),
        options=dict(_options(detail.get("OptionSet") or detail.get("GlobalOptionSet") or {})),
    )


def _navigation(navigation: Mapping[str, str], target: str) -> str | None:
    """The property for `target`; owners have one for users and teams alike, under the table `owner`."""
    return navigation.get(target) or navigation.get("owner")


def _is_date_only(detail: Mapping[str, Any]) -> bool:
    """Whether values come as `2026-09-28`; a `Format` of DateOnly alone only hides the time."""
    return (detail.get("DateTimeBehavior") or {}).get("Value") == "DateOnly"


def _options(option_set: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    both = [option_set.get("FalseOption"), option_set.get("TrueOption")]
    for option in option_set.get("Options") or [option for option in both if option]:
        yield int(option["Value"]), _label(option.get("Label"))


def _label(label: Mapping[str, Any] | None) -> str:
    """The label in the language of the synchronization user, else in any (dataverse-web-api.md 3.2)."""
    candidates = [(label or {}).get("UserLocalizedLabel"), *((label or {}).get("LocalizedLabels") or [])]
    return next((str(candidate["Label"]) for candidate in candidates if candidate), "")
