"""Columns as AttributeMetadata (dataverse-web-api.md 3.2)."""

from typing import Any

from sandbox.metadata.catalog import Table
from sandbox.metadata.columns import Column, Option, metadata_id
from sandbox.metadata.labels import label, managed

Json = dict[str, Any]

# column type -> (AttributeType, AttributeTypeName, name of the metadata type)
_KINDS = {
    "string": ("String", "StringType", "StringAttributeMetadata"),
    "memo": ("Memo", "MemoType", "MemoAttributeMetadata"),
    "integer": ("Integer", "IntegerType", "IntegerAttributeMetadata"),
    "bigint": ("BigInt", "BigIntType", "BigIntAttributeMetadata"),
    "decimal": ("Decimal", "DecimalType", "DecimalAttributeMetadata"),
    "double": ("Double", "DoubleType", "DoubleAttributeMetadata"),
    "money": ("Money", "MoneyType", "MoneyAttributeMetadata"),
    "boolean": ("Boolean", "BooleanType", "BooleanAttributeMetadata"),
    "picklist": ("Picklist", "PicklistType", "PicklistAttributeMetadata"),
    "multiselect": ("Virtual", "MultiSelectPicklistType", "MultiSelectPicklistAttributeMetadata"),
    "state": ("State", "StateType", "StateAttributeMetadata"),
    "status": ("Status", "StatusType", "StatusAttributeMetadata"),
    "datetime": ("DateTime", "DateTimeType", "DateTimeAttributeMetadata"),
    "date": ("DateTime", "DateTimeType", "DateTimeAttributeMetadata"),
    "uniqueidentifier": ("Uniqueidentifier", "UniqueidentifierType", "UniqueIdentifierAttributeMetadata"),
    "lookup": ("Lookup", "LookupType", "LookupAttributeMetadata"),
    "customer": ("Customer", "CustomerType", "LookupAttributeMetadata"),
    "owner": ("Owner", "OwnerType", "LookupAttributeMetadata"),
}
_REQUIRED = {
    "none": "None",
    "recommended": "Recommended",
    "application": "ApplicationRequired",
    "system": "SystemRequired",
}
EXPANDABLE = frozenset({"OptionSet", "GlobalOptionSet"})


def metadata_type(column: Column) -> str:
    """Return the name of the column's metadata type, as casts in addresses use it."""
    return _KINDS[column.type][2]


def attribute(table: Table, column: Column) -> Json:
    """Return the full definition of a column."""
    kind, type_name, derived = _KINDS[column.type]
    is_key = column.name == table.id
    return {
        "@odata.type": f"#Microsoft.Dynamics.CRM.{derived}",
        "LogicalName": column.name,
        "SchemaName": column.schema,
        "EntityLogicalName": table.name,
        "AttributeType": "Uniqueidentifier" if is_key else kind,
        "AttributeTypeName": {"Value": type_name},
        "AttributeOf": None,
        "ColumnNumber": list(table.columns).index(column.name) + 1,
        "DisplayName": label(column.label),
        "Description": label(None),
        "IsPrimaryId": is_key,
        "IsPrimaryName": column.name == table.primary,
        "IsValidForCreate": column.create,
        "IsValidForRead": column.read,
        "IsValidForUpdate": column.update and not is_key,
        "IsValidForAdvancedFind": managed(True),
        "IsCustomAttribute": column.custom,
        "IsCustomizable": managed(True),
        "IsLogical": False,
        "IsManaged": not column.custom,
        "IsSecured": False,
        "IsFilterable": True,
        "IsSearchable": False,
        "IsRetrievable": True,
        "RequiredLevel": managed("SystemRequired" if is_key else _REQUIRED[column.required]),
        "SourceType": 0,
        "IntroducedVersion": "5.0.0.0",
        "MetadataId": column.metadata_id,
        **_typed(table, column),
    }


def _typed(table: Table, column: Column) -> Json:
    """Return the properties that only this type of column has."""
    match column.type:
        case "string" | "memo":
            format_ = column.format or ("Text" if column.type == "string" else "TextArea")
            return {"MaxLength": column.max_length, "Format": format_, "FormatName": {"Value": format_}}
        case "integer" | "bigint":
            return {"MinValue": column.minimum, "MaxValue": column.maximum, "Format": "None"}
        case "decimal" | "double":
            return {"MinValue": column.minimum, "MaxValue": column.maximum, "Precision": column.precision}
        case "money":
            return _money(table, column)
        case "datetime" | "date":
            return _moment(column)
        case "lookup" | "customer" | "owner":
            return {"Targets": list(column.targets), "Format": "None"}
        case "boolean":
            return {
                "DefaultValue": bool(column.default),
                "OptionSet": _two_options(table, column),
                "GlobalOptionSet": None,
            }
        case "picklist" | "multiselect" | "state" | "status":
            default = column.default if column.default is not None else -1
            return {"DefaultFormValue": default, "OptionSet": option_set(table, column), "GlobalOptionSet": None}
    return {}


def _money(table: Table, column: Column) -> Json:
    base = column.name.endswith("_base")
    return {
        "MinValue": column.minimum,
        "MaxValue": column.maximum,
        "Precision": column.precision,
        "PrecisionSource": 2,
        "IsBaseCurrency": base,
        "CalculationOf": column.name.removesuffix("_base") if base else None,
    }


def _moment(column: Column) -> Json:
    day = column.type == "date"
    return {
        "Format": "DateOnly" if day else "DateAndTime",
        "DateTimeBehavior": {"Value": "DateOnly" if day else "UserLocal"},
    }


def option_set(table: Table, column: Column) -> Json:
    """Return the option set of a choice column."""
    kind = {"state": "State", "status": "Status"}.get(column.type, "Picklist")
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.OptionSetMetadata",
        "Name": f"{table.name}_{column.name}",
        "DisplayName": label(column.label),
        "IsGlobal": False,
        "IsCustomOptionSet": False,
        "IsManaged": True,
        "OptionSetType": kind,
        "MetadataId": metadata_id(table.name, column.name, "options"),
        "Options": [_option(column, option) for option in column.options.values()],
    }


def _option(column: Column, option: Option) -> Json:
    content: Json = {
        "Value": option.value,
        "Color": None,
        "IsManaged": True,
        "ExternalValue": "",
        "Label": label(option.label),
        "Description": label(None),
        "MetadataId": None,
    }
    if column.type == "status":
        content["State"] = option.state
    if column.type == "state":
        content |= {"DefaultStatus": option.value + 1, "InvariantName": option.label}
    return content


def global_option_set(name: str, spec: Json) -> Json:
    """Return the definition of a choice that columns share."""
    options = [Option(int(value), text) for value, text in spec["options"].items()]
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.OptionSetMetadata",
        "Name": name,
        "DisplayName": label(spec["label"]),
        "IsGlobal": True,
        "IsCustomOptionSet": True,
        "IsManaged": False,
        "OptionSetType": "Picklist",
        "MetadataId": metadata_id("optionset", name),
        "Options": [
            {"Value": option.value, "Color": None, "IsManaged": False, "Label": label(option.label)}
            for option in options
        ],
    }


def _two_options(table: Table, column: Column) -> Json:
    choices = {"FalseOption": Option(0, "No"), "TrueOption": Option(1, "Yes")}
    return {
        "Name": f"{table.name}_{column.name}",
        "IsGlobal": False,
        "OptionSetType": "Boolean",
        "MetadataId": metadata_id(table.name, column.name, "options"),
        **{name: _option(column, option) for name, option in choices.items()},
    }
