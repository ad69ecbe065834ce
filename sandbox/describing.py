"""Answers about metadata: EntityDefinitions and all below, RelationshipDefinitions (dataverse-web-api.md 3)."""

import re
import sqlite3
from typing import Any

from sandbox import defining, errors
from sandbox.addresses import split_key
from sandbox.errors import DataverseError
from sandbox.metadata import definitions
from sandbox.metadata.attributes import attribute, global_option_set, metadata_type
from sandbox.metadata.catalog import Key, Table
from sandbox.protocol import Answer
from sandbox.query.evaluating import choose, project
from sandbox.query.options import Options
from sandbox.service import Call
from sandbox.store.keys import add_key, drop_key

Json = dict[str, Any]
_CAST = re.compile(r"Microsoft\.Dynamics\.CRM\.(\w+)")
_MEMBER = re.compile(r"(\w+)(?:\((.*)\))?")
_ALWAYS = ("MetadataId",)


def entity_definitions(call: Call, segments: list[str]) -> Answer:
    """Answer `EntityDefinitions…`. Raises DataverseError: 404 for unknown tables, 405 for changes of definitions."""
    predicate = _MEMBER.fullmatch(segments[0])
    if predicate is None or predicate[2] is None:
        if call.request.method == "POST":
            return defining.create_entity(call)
        _only_reading(call)
        found = [_with_expansions(call, table, call.options) for table in call.catalog]
        return _many(call, "EntityDefinitions", found)
    table = _table(call, predicate[2])
    if len(segments) > 1:
        return _below(call, table, segments[1:])
    if call.request.method in ("PUT", "DELETE"):
        return {"PUT": defining.update_entity, "DELETE": defining.delete_entity}[call.request.method](call, table)
    _only_reading(call)
    item = project(_with_expansions(call, table, call.options), call.options, [*_ALWAYS, *_names(call.options)])
    return _one(call, "EntityDefinitions", item)


def _only_reading(call: Call) -> None:
    if call.request.method != "GET":
        message = "Operation not supported on EntityMetadata"
        raise DataverseError(405, errors.URI_LAYER, message)


def _table(call: Call, predicate: str) -> Table:
    """Return the table that a key predicate names: `LogicalName='x'` or a MetadataId."""
    pairs = dict(split_key(predicate))
    name = pairs.get("LogicalName", "")
    identity = pairs.get("MetadataId", predicate).lower()
    table = call.catalog.find(name) if name else call.catalog.by_metadata_id(identity)
    if table is None:
        message = f"Could not find an entity with name {name or predicate} and specified id."
        raise DataverseError(404, errors.OBJECT_DOES_NOT_EXIST, message)
    return table


def _names(options: Options) -> list[str]:
    return [expansion.name for expansion in options.expand]


def _with_expansions(call: Call, table: Table, options: Options) -> Json:
    item = definitions.entity(table)
    for expansion in options.expand:
        try:
            found = definitions.expanded(call.catalog, table, expansion.name)
        except KeyError as error:
            raise errors.no_such_column(expansion.name, "EntityMetadata") from error
        item[expansion.name] = [project(i, expansion.options, _ALWAYS) for i in choose(found, expansion.options)]
    return item


def _many(call: Call, context: str, items: list[Json]) -> Answer:
    options = call.options
    found = [
        _expanded_options(project(item, options, [*_ALWAYS, *_names(options)]), options)
        for item in choose(items, options)
    ]
    content: Json = {"@odata.context": call.context(context)}
    if options.count:
        content["@odata.count"] = len(found)
    return Answer.of(content | {"value": found})


def _one(call: Call, context: str, item: Json) -> Answer:
    return Answer.of({"@odata.context": call.context(f"{context}/$entity")} | item)


def _expanded_options(item: Json, options: Options) -> Json:
    """Apply the inner `$select` of an expanded option set."""
    for expansion in options.expand:
        inner = item.get(expansion.name)
        if isinstance(inner, dict):
            item = item | {expansion.name: project(inner, expansion.options, _ALWAYS)}
    return item


# -- below a table


def _below(call: Call, table: Table, segments: list[str]) -> Answer:
    match = _MEMBER.fullmatch(segments[0])
    name, predicate = (match[1], match[2]) if match else ("", None)
    context = f"EntityDefinitions('{table.name}')/{name}"
    if name == "Attributes" and predicate is not None:
        return _attribute(call, table, predicate, segments[1:])
    if name == "Attributes" and call.request.method == "POST":
        return defining.create_attribute(call, table)
    if name == "Keys" and (call.request.method != "GET" or predicate is not None):
        return _keys(call, table, predicate)
    _only_reading(call)
    if name in definitions.EXPANDABLE:
        found = definitions.expanded(call.catalog, table, name)
        return _many(call, context, _cast(found, segments[1:]))
    entity = definitions.entity(table)
    if name in entity:
        return Answer.of({"@odata.context": call.context(context), "value": entity[name]})
    raise errors.segment_not_found(segments[0])


def _cast(items: list[Json], segments: list[str]) -> list[Json]:
    """Keep the items of the type that the address casts to."""
    if not segments:
        return items
    match = _CAST.fullmatch(segments[0])
    if match is None:
        raise errors.segment_not_found(segments[0])
    if match[1] == "EnumAttributeMetadata":
        raise errors.bad_request(f"The type '{segments[0]}' cannot be cast to.")
    return [item for item in items if item["@odata.type"].endswith(f".{match[1]}")]


def _attribute(call: Call, table: Table, predicate: str, segments: list[str]) -> Answer:
    name = dict(split_key(predicate)).get("LogicalName")
    wanted = name if name is not None else predicate.lower()
    column = next((c for c in table.columns.values() if wanted in (c.name, c.metadata_id)), None)
    if column is None:
        message = f"Could not find an attribute with specified name: {wanted}"
        raise DataverseError(404, errors.OBJECT_DOES_NOT_EXIST, message)
    if call.request.method in ("PUT", "DELETE"):
        change = {"PUT": defining.update_attribute, "DELETE": defining.delete_attribute}[call.request.method]
        return change(call, table, column)
    _only_reading(call)
    item = attribute(table, column)
    cast = _CAST.fullmatch(segments[0]) if segments else None
    if cast and cast[1] not in (metadata_type(column), "AttributeMetadata"):
        raise DataverseError(404, errors.URI_LAYER, f"The column '{column.name}' is no {cast[1]}.")
    rest = segments[1:] if cast else segments
    context = f"EntityDefinitions('{table.name}')/Attributes"
    if rest:
        return _part_of(call, item, rest[0], context)
    chosen = project(item, call.options, [*_ALWAYS, *_names(call.options)])
    return _one(call, context, _expanded_options(chosen, call.options))


def _part_of(call: Call, item: Json, name: str, context: str) -> Answer:
    """Return an option set or a plain property of a column."""
    if name not in item:
        raise errors.segment_not_found(name)
    value = item[name]
    content = {"@odata.context": call.context(f"{context}/{name}")}
    return Answer.of(content | (project(value, call.options, _ALWAYS) if isinstance(value, dict) else {"value": value}))


# -- alternate keys


def _keys(call: Call, table: Table, predicate: str | None) -> Answer:
    match call.request.method:
        case "POST" if predicate is None:
            return _create_key(call, table)
        case "GET" | "DELETE" if predicate is not None:
            key = _key(table, predicate)
            if call.request.method == "DELETE":
                return _delete_key(call, table, key)
            item = project(definitions.key_definition(table, key), call.options, _ALWAYS)
            return _one(call, f"EntityDefinitions('{table.name}')/Keys", item)
    raise errors.not_allowed(call.request.method)


def _key(table: Table, predicate: str) -> Key:
    wanted = dict(split_key(predicate)).get("LogicalName", predicate).lower()
    for key in table.keys.values():
        if wanted in (key.name.lower(), definitions.key_definition(table, key)["MetadataId"]):
            return key
    raise DataverseError(404, errors.OBJECT_DOES_NOT_EXIST, f"Could not find a key {predicate}.")


def _create_key(call: Call, table: Table) -> Answer:
    """Create an alternate key; its index exists when the answer is given (3.4)."""
    body = call.request.json()
    name, columns = str(body.get("SchemaName") or ""), body.get("KeyAttributes")
    if not name or not isinstance(columns, list) or not columns or len(columns) > 16:
        raise DataverseError(400, errors.INVALID_ARGUMENT, "A key needs a SchemaName and up to 16 KeyAttributes.")
    for column in columns:
        if column not in table.columns:
            raise errors.no_such_column(str(column), table.name)
    _check_new_key(table, name, columns)
    _store_key(call, table, Key(name, tuple(columns)))
    key_id = definitions.key_definition(table, table.keys[name])["MetadataId"]
    address = f"{call.request.root}EntityDefinitions({table.metadata_id})/Keys({key_id})"
    return Answer.none({"OData-EntityId": address, "Location": address})


def _check_new_key(table: Table, name: str, columns: list[str]) -> None:
    if any(key.name.lower() == name.lower() for key in table.keys.values()):
        raise DataverseError(400, "0x80060893", f"An entity key with the name {name} already exists.")
    if any(set(key.columns) == set(columns) for key in table.keys.values()):
        raise DataverseError(400, "0x80060894", "An entity key with the selected attributes already exists.")
    if len(table.keys) >= 10:
        raise DataverseError(400, errors.INVALID_ARGUMENT, "A table can have at most 10 keys.")


def _store_key(call: Call, table: Table, key: Key) -> None:
    with call.store.writing() as connection:
        try:
            add_key(connection, table, key)
        except sqlite3.IntegrityError as error:
            message = f"The key {key.name} cannot be built: rows with the same values exist."
            raise DataverseError(400, errors.INVALID_ARGUMENT, message) from error


def _delete_key(call: Call, table: Table, key: Key) -> Answer:
    with call.store.writing() as connection:
        drop_key(connection, table, key.name)
    return Answer.none()


# -- relationships


def relationship_definitions(call: Call, segments: list[str]) -> Answer:
    """Answer `RelationshipDefinitions…`: the list, one by id or schema name, or a cast."""
    if call.request.method == "POST":
        return defining.create_relationship(call)
    found = definitions.relationships(call.catalog)
    match = _MEMBER.fullmatch(segments[0])
    if match is not None and match[2] is not None:
        wanted = dict(split_key(match[2])).get("SchemaName", match[2]).lower()
        for item in found:
            if wanted in (item["SchemaName"].lower(), item["MetadataId"]):
                if call.request.method == "DELETE":
                    return defining.delete_relationship(call, item)
                _only_reading(call)
                return _one(call, "RelationshipDefinitions", project(item, call.options, _ALWAYS))
        raise DataverseError(404, errors.OBJECT_DOES_NOT_EXIST, f"Could not find a relationship {match[2]}.")
    return _many(call, "RelationshipDefinitions", _cast(found, segments[1:]))


def global_option_sets(call: Call, segments: list[str]) -> Answer:
    """Answer `GlobalOptionSetDefinitions…`: the choices that were created here. Raises DataverseError (404)."""
    if call.request.method == "POST":
        return defining.create_option_set(call)
    _only_reading(call)
    found = [global_option_set(name, spec) for name, spec in call.catalog.option_sets.items()]
    match = _MEMBER.fullmatch(segments[0])
    if match is None or match[2] is None:
        if call.options.filter:
            raise errors.bad_request("The query parameter $filter is not supported.")
        return _many(call, "GlobalOptionSetDefinitions", found)
    wanted = dict(split_key(match[2])).get("Name", match[2])
    for item in found:
        if wanted in (item["Name"], item["MetadataId"]):
            return _one(call, "GlobalOptionSetDefinitions", project(item, call.options, _ALWAYS))
    raise DataverseError(404, errors.OBJECT_DOES_NOT_EXIST, "Could not find the option set.")
