"""Write metadata: tables, columns, relationships and choices (dataverse-web-api.md 3.6)."""

import json
import sqlite3
from typing import Any

from sandbox import errors
from sandbox.customizing import define, undefine
from sandbox.metadata.attributes import metadata_type
from sandbox.metadata.catalog import Table
from sandbox.metadata.columns import Column, metadata_id
from sandbox.metadata.loading import Definition
from sandbox.metadata.reading import (
    column_spec,
    column_type,
    invalid,
    label_of,
    lookup_spec,
    options_of,
    schema_name,
    table_spec,
)
from sandbox.protocol import Answer
from sandbox.service import Call

Json = dict[str, Any]
_FIRST_CODE = 10_000


def _created(call: Call, address: str) -> Answer:
    full = f"{call.request.root}{address}"
    return Answer.none({"OData-EntityId": full, "Location": full})


def _code(call: Call) -> int:
    return max([_FIRST_CODE, *(table.code for table in call.catalog if table.custom)]) + 1


# -- tables


def create_entities(call: Call) -> Answer:
    """Create the tables that the official SDK sends (16.1)."""
    found = call.request.json().get("Entities")
    if not isinstance(found, list) or not found or not all(isinstance(item, dict) for item in found):
        raise invalid("CreateEntities needs Entities.")
    tables = [_create_table(call, item, _code(call) + number) for number, item in enumerate(found)]
    context = call.context("Microsoft.Dynamics.CRM.CreateEntitiesResponse")
    return Answer.of({"@odata.context": context, "EntityIds": [metadata_id(name) for name in tables]})


def create_entity(call: Call) -> Answer:
    """Create one table from its definition."""
    name = _create_table(call, call.request.json(), _code(call))
    return _created(call, f"EntityDefinitions({metadata_id(name)})")


def _create_table(call: Call, content: Json, code: int) -> str:
    call.access.require_named("prvCreateEntity")
    spec = table_spec(content, code, call.service.catalog.option_sets)
    name = str(spec["name"])
    if call.service.catalog.find(name) is not None:
        raise invalid(f"An entity with the specified name {name} already exists.")
    with call.store.writing() as connection:
        define(call.service, connection, [Definition("table", name, spec)])
    return name


def update_entity(call: Call, table: Table) -> Answer:
    """Change a definition by PUT: its name for people, and change tracking, which once on stays on."""
    call.access.require_named("prvWriteEntity")
    body = call.request.json()
    tracked = body.get("ChangeTrackingEnabled", table.tracked)
    if tracked and not table.trackable:
        raise invalid(f"Change tracking cannot be enabled for entity '{table.name}'.")
    if table.tracked and not tracked:
        raise invalid(f"Change tracking cannot be switched off for entity '{table.name}'.")
    patch = {
        "tracked": bool(tracked),
        "trackable": table.trackable,
        "label": label_of(body, "DisplayName", table.label),
        "plural": label_of(body, "DisplayCollectionName", table.plural),
    }
    with call.store.writing() as connection:
        define(call.service, connection, [Definition("patch", table.name, patch)])
    return Answer.none()


def delete_entity(call: Call, table: Table) -> Answer:
    """Delete a custom table with its rows."""
    call.access.require_named("prvWriteEntity")
    if not table.custom:
        raise invalid(f"The entity '{table.name}' is not custom and cannot be deleted.")
    gone = [("table", table.name), ("patch", table.name)]
    gone += [("association", spec["name"]) for spec in call.catalog.associations if table.name in spec["tables"]]
    gone += [("column", f"{ref.column.table}.{ref.column.name}") for ref in table.references if ref.column.custom]
    with call.store.writing() as connection:
        undefine(call.service, connection, [pair for pair in gone if not pair[1].startswith(f"{table.name}.")])
    return Answer.none()


# -- columns


def create_attribute(call: Call, table: Table) -> Answer:
    """Add a column to a table."""
    call.access.require_named("prvCreateAttribute")
    content = call.request.json()
    if column_type(content) == "lookup":
        raise invalid("A lookup is created with its relationship, by POST RelationshipDefinitions.")
    name, spec = column_spec(content, call.catalog.option_sets)
    _add_column(call, table, name, spec)
    return _created(call, f"EntityDefinitions({table.metadata_id})/Attributes({metadata_id(table.name, name)})")


def _add_column(call: Call, table: Table, name: str, spec: Json) -> None:
    if name in table.columns:
        raise invalid(f"An attribute with the specified name {name} already exists for entity {table.name}.")
    with call.store.writing() as connection:
        define(call.service, connection, [Definition("column", f"{table.name}.{name}", spec)])


def update_attribute(call: Call, table: Table, column: Column) -> Answer:
    """Change a column by PUT: what people call it, its length, limits, options and whether it is required."""
    call.access.require_named("prvWriteAttribute")
    content = {
        "@odata.type": f"Microsoft.Dynamics.CRM.{metadata_type(column)}",
        **call.request.json(),
        "SchemaName": column.schema,
    }
    if column.custom:
        _, spec = column_spec(content, call.catalog.option_sets) if column.type != "lookup" else ("", {})
    else:
        spec = {"max": content["MaxLength"]} if "MaxLength" in content else {}
    spec |= {"label": label_of(content, "DisplayName", column.label)}
    if "options" in spec and "OptionSet" not in content:
        del spec["options"]
    with call.store.writing() as connection:
        _merge(call, connection, f"{table.name}.{column.name}", spec)
    return Answer.none()


def _merge(call: Call, connection: sqlite3.Connection, name: str, spec: Json) -> None:
    """Lay a change of a column over what was defined before."""
    found = connection.execute("SELECT spec FROM \"$definition\" WHERE kind = 'column' AND name = ?", [name]).fetchone()
    define(call.service, connection, [Definition("column", name, (json.loads(found[0]) if found else {}) | spec)])


def delete_attribute(call: Call, table: Table, column: Column) -> Answer:
    """Delete a custom column with its values."""
    call.access.require_named("prvWriteAttribute")
    if not column.custom or column.name == table.primary:
        raise invalid(f"The attribute '{column.name}' cannot be deleted.")
    users = [key.name for key in table.keys.values() if column.name in key.columns]
    if users:
        raise errors.in_use(f"{column.schema}(Attribute)", len(users))
    with call.store.writing() as connection:
        undefine(call.service, connection, [("column", f"{table.name}.{column.name}")])
    return Answer.none()


def insert_option(call: Call) -> Answer:
    """Add an option to a choice column (InsertOptionValue)."""
    call.access.require_named("prvWriteAttribute")
    body = call.request.json()
    table = call.catalog.find(str(body.get("EntityLogicalName")))
    column = table.columns.get(str(body.get("AttributeLogicalName"))) if table else None
    if table is None or column is None or column.type not in ("picklist", "multiselect"):
        raise invalid("InsertOptionValue needs the EntityLogicalName and AttributeLogicalName of a choice.")
    value = body.get("Value") or max([99_999_999, *column.options]) + 1
    if type(value) is not int or value in column.options:
        raise invalid(f"The option value {value} is taken or no whole number.")
    options = {str(option.value): option.label for option in column.options.values()}
    spec = {"options": options | {str(value): label_of(body, "Label", str(value))}}
    with call.store.writing() as connection:
        _merge(call, connection, f"{table.name}.{column.name}", spec)
    context = call.context("Microsoft.Dynamics.CRM.InsertOptionValueResponse")
    return Answer.of({"@odata.context": context, "NewOptionValue": value})


# -- relationships and choices


def create_relationship(call: Call) -> Answer:
    """Create a one-to-many relationship with its lookup, or a many-to-many one."""
    call.access.require_named("prvCreateRelationship")
    content = call.request.json()
    kind = str(content.get("@odata.type", "")).rpartition(".")[2]
    if kind == "ManyToManyRelationshipMetadata":
        identity = _many_to_many(call, content)
    elif kind == "OneToManyRelationshipMetadata":
        identity = _one_to_many(call, content)
    else:
        raise invalid(f"A relationship cannot have the type '{kind}'.")
    return _created(call, f"RelationshipDefinitions({identity})")


def _one_to_many(call: Call, content: Json) -> str:
    lookup = content.get("Lookup")
    table = call.catalog.find(str(content.get("ReferencingEntity")))
    if table is None or call.catalog.find(str(content.get("ReferencedEntity"))) is None or not isinstance(lookup, dict):
        raise invalid("A relationship needs a ReferencingEntity, a ReferencedEntity and a Lookup.")
    name, spec = lookup_spec(content, lookup)
    _add_column(call, table, name, spec)
    return metadata_id(table.name, name, str(content["ReferencedEntity"]))


def _many_to_many(call: Call, content: Json) -> str:
    name = schema_name(content)
    one, two = str(content.get("Entity1LogicalName")), str(content.get("Entity2LogicalName"))
    if call.catalog.find(one) is None or call.catalog.find(two) is None:
        raise invalid("A many-to-many relationship needs two tables.")
    names = [str(content.get(f"Entity{n}NavigationPropertyName") or name) for n in (1, 2)]
    intersect = str(content.get("IntersectEntityName") or name).lower()
    spec = {"name": name, "tables": [one, two], "navigations": names, "intersect": intersect, "custom": True}
    with call.store.writing() as connection:
        define(call.service, connection, [Definition("association", name, spec)])
    return metadata_id("association", name)


def delete_relationship(call: Call, item: Json) -> Answer:
    """Delete a custom relationship, with its lookup or its links."""
    call.access.require_named("prvCreateRelationship")
    if not item["IsCustomRelationship"]:
        raise invalid(f"The relationship '{item['SchemaName']}' is not custom and cannot be deleted.")
    with call.store.writing() as connection:
        if item["RelationshipType"] == "ManyToManyRelationship":
            connection.execute('DELETE FROM "$link" WHERE relationship = ?', [item["SchemaName"]])
            undefine(call.service, connection, [("association", item["SchemaName"])])
        else:
            name = f"{item['ReferencingEntity']}.{item['ReferencingAttribute']}"
            undefine(call.service, connection, [("column", name)])
    return Answer.none()


def create_option_set(call: Call) -> Answer:
    """Create a choice that several columns can share."""
    call.access.require_named("prvCreateOptionSet")
    content = call.request.json()
    name = str(content.get("Name") or "")
    if not name or name in call.catalog.option_sets:
        raise invalid(f"The option set name '{name}' is missing or taken.")
    spec = {"label": label_of(content, "DisplayName", name), "options": options_of(content)}
    with call.store.writing() as connection:
        define(call.service, connection, [Definition("optionset", name, spec)])
    return _created(call, f"GlobalOptionSetDefinitions({metadata_id('optionset', name)})")


def publish(call: Call) -> Answer:
    """Answer PublishXml and PublishAllXml: everything is in force already."""
    call.access.require_named("prvPublishCustomization")
    if call.request.segments[0] == "PublishXml" and not isinstance(call.request.json().get("ParameterXml"), str):
        raise errors.bad_request("PublishXml needs a ParameterXml.", errors.INVALID_ARGUMENT)
    return Answer.none()
