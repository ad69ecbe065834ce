"""Read definitions that clients send, as EntityMetadata and such, into the form of the data files (3.6)."""

import re
from decimal import Decimal
from typing import Any

from sandbox import errors
from sandbox.errors import DataverseError

Json = dict[str, Any]
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9]*_\w{1,90}")
_TYPES = {
    "StringAttributeMetadata": "string",
    "MemoAttributeMetadata": "memo",
    "IntegerAttributeMetadata": "integer",
    "BigIntAttributeMetadata": "bigint",
    "DecimalAttributeMetadata": "decimal",
    "DoubleAttributeMetadata": "double",
    "MoneyAttributeMetadata": "money",
    "BooleanAttributeMetadata": "boolean",
    "PicklistAttributeMetadata": "picklist",
    "MultiSelectPicklistAttributeMetadata": "multiselect",
    "DateTimeAttributeMetadata": "datetime",
    "LookupAttributeMetadata": "lookup",
}
_REQUIRED = {
    "None": "none",
    "Recommended": "recommended",
    "ApplicationRequired": "application",
    "SystemRequired": "system",
}
_LIMITS = {"string": (100, 4000), "memo": (2000, 1_048_576)}


def invalid(message: str) -> DataverseError:
    """Return the 400 for a definition that cannot be."""
    return DataverseError(400, errors.INVALID_ARGUMENT, message)


def schema_name(content: Json) -> str:
    """Return the SchemaName of something custom. Raises DataverseError for one without a publisher's prefix."""
    name = content.get("SchemaName")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(f"The SchemaName '{name}' is not valid: it needs a customization prefix, such as new_Name.")
    return name


def label_of(content: Json, name: str, default: str) -> str:
    """Return the text of a Label."""
    value = content.get(name)
    labels = value.get("LocalizedLabels") if isinstance(value, dict) else None
    first = labels[0] if isinstance(labels, list) and labels and isinstance(labels[0], dict) else {}
    return str(first.get("Label") or default)


def _value(content: Json, name: str) -> Any:
    value = content.get(name)
    return value.get("Value") if isinstance(value, dict) else value


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return int(value) if value == int(value) else float(value)
    raise invalid(f"'{value}' is not a number.")


def column_type(content: Json) -> str:
    """Return the type of a column that a definition describes. Raises DataverseError for one that we lack."""
    kind = str(content.get("@odata.type", "")).rpartition(".")[2].removeprefix("Complex")
    if kind not in _TYPES:
        raise invalid(f"The attribute type '{kind}' cannot be created here.")
    if kind == "DateTimeAttributeMetadata" and _value(content, "DateTimeBehavior") == "DateOnly":
        return "date"
    return _TYPES[kind]


def column_spec(content: Json, option_sets: dict[str, Json]) -> tuple[str, Json]:
    """Return the logical name and description of a new column. Raises DataverseError."""
    name, kind = schema_name(content), column_type(content)
    spec: Json = {"type": kind, "label": label_of(content, "DisplayName", name), "schema": name, "custom": True}
    spec["required"] = _REQUIRED.get(str(_value(content, "RequiredLevel")), "none")
    if kind in _LIMITS:
        default, most = _LIMITS[kind]
        spec["max"] = content.get("MaxLength", default)
        if type(spec["max"]) is not int or not 1 <= spec["max"] <= most:
            raise invalid(f"The MaxLength of '{name}' must be between 1 and {most}.")
    if kind in ("integer", "bigint", "decimal", "double", "money"):
        spec |= {"min": _number(content.get("MinValue")), "max": _number(content.get("MaxValue"))}
        spec["precision"] = int(_number(content.get("Precision")) or (0 if kind in ("integer", "bigint") else 2))
    if kind in ("picklist", "multiselect"):
        spec |= _options(content, option_sets)
    return name.lower(), spec


def _options(content: Json, option_sets: dict[str, Json]) -> Json:
    bound = content.get("GlobalOptionSet@odata.bind")
    if isinstance(bound, str):
        match = re.search(r"\((?:Name=')?([^')]+)'?\)$", bound)
        found = option_sets.get(match[1]) if match else None
        if found is None or match is None:
            raise invalid(f"The option set '{bound}' does not exist.")
        return {"options": found["options"], "option set": match[1]}
    return {"options": options_of(content.get("OptionSet"))}


def options_of(content: Any) -> Json:
    """Return the options of an OptionSetMetadata. Raises DataverseError."""
    options = content.get("Options") if isinstance(content, dict) else None
    if not isinstance(options, list) or not all(isinstance(item, dict) for item in options):
        raise invalid("A choice needs an OptionSet with Options.")
    found: Json = {}
    for number, item in enumerate(options):
        value = item.get("Value", 100_000_000 + number)
        if type(value) is not int or str(value) in found:
            raise invalid(f"The option value {value} is not a whole number of its own.")
        found[str(value)] = label_of(item, "Label", str(value))
    return found


def plural_of(name: str) -> str:
    """Return an entity set name, as the service forms it."""
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    return name + ("es" if re.search(r"(s|x|z|ch|sh)$", name) else "s")


def table_spec(content: Json, code: int, option_sets: dict[str, Json]) -> Json:
    """Return the description of a new table with its columns. Raises DataverseError."""
    schema = schema_name(content)
    name = schema.lower()
    attributes = [item for item in content.get("Attributes") or [] if isinstance(item, dict)]
    primary = next((item for item in attributes if item.get("IsPrimaryName")), None)
    if primary is None:
        raise invalid("A table needs a primary name attribute.")
    columns = dict(column_spec(item, option_sets) for item in attributes)
    owned = content.get("OwnershipType", "UserOwned") == "UserOwned"
    label = label_of(content, "DisplayName", schema)
    columns[schema_name(primary).lower()]["index"] = True
    return {
        "name": name,
        "schema": schema,
        "set": plural_of(name),
        "label": label,
        "plural": label_of(content, "DisplayCollectionName", label),
        "code": code,
        "id": f"{name}id",
        "primary": schema_name(primary).lower(),
        "ownership": "UserOwned" if owned else "OrganizationOwned",
        "bulk": True,
        "tracked": content.get("ChangeTrackingEnabled") is True,
        "trackable": True,
        "custom": True,
        "include": [*(["owned"] if owned else []), "stated", "stamped"],
        "addressable": [],
        "keys": {},
        "columns": {f"{name}id": {"type": "uniqueidentifier", "label": label, "schema": f"{schema}Id"}, **columns},
    }


def lookup_spec(content: Json, lookup: Json) -> tuple[str, Json]:
    """Return the name and description of the lookup that a one-to-many relationship brings. Raises DataverseError."""
    schema, relationship = schema_name(lookup), schema_name(content)
    cascades = content.get("CascadeConfiguration")
    delete = str(cascades.get("Delete", "RemoveLink") if isinstance(cascades, dict) else "RemoveLink").lower()
    target = {"navigation": schema, "collection": relationship}
    return schema.lower(), {
        "type": "lookup",
        "label": label_of(lookup, "DisplayName", schema),
        "schema": schema,
        "required": _REQUIRED.get(str(_value(lookup, "RequiredLevel")), "none"),
        "targets": {str(content.get("ReferencedEntity")): target},
        "relationship": relationship,
        "delete": delete if delete in ("cascade", "restrict", "removelink") else "removelink",
        "index": True,
        "custom": True,
    }
