"""Tables, keys and relationships as EntityMetadata (dataverse-web-api.md 3.1, 3.3, 3.4)."""

from collections.abc import Iterator
from typing import Any

from sandbox.access import VERBS, privilege_id, privilege_name
from sandbox.metadata.attributes import attribute
from sandbox.metadata.catalog import Catalog, Key, Reference, Table
from sandbox.metadata.columns import Column, metadata_id
from sandbox.metadata.labels import label, managed

Json = dict[str, Any]
EXPANDABLE = ("Attributes", "Keys", "ManyToOneRelationships", "OneToManyRelationships", "ManyToManyRelationships")
# The tables that keep an audit log as soon as the organization switches auditing on.
_AUDITED = ("account", "contact", "opportunity", "quote", "salesorder", "invoice", "product", "systemuser")
_CASCADES = {"cascade": "Cascade", "restrict": "Restrict", "removelink": "RemoveLink"}


def entity(table: Table) -> Json:
    """Return the definition of a table without its columns, keys and relationships."""
    return {
        "LogicalName": table.name,
        "SchemaName": table.schema,
        "EntitySetName": table.entity_set,
        "LogicalCollectionName": table.entity_set,
        "CollectionSchemaName": table.entity_set,
        "DisplayName": label(table.label),
        "DisplayCollectionName": label(table.plural),
        "Description": label(None),
        "ObjectTypeCode": table.code,
        "PrimaryIdAttribute": table.id,
        "PrimaryNameAttribute": table.primary,
        "OwnershipType": table.ownership,
        "ChangeTrackingEnabled": table.tracked,
        "CanChangeTrackingBeEnabled": managed(table.trackable),
        "IsOptimisticConcurrencyEnabled": True,
        "IsActivity": False,
        "IsAuditEnabled": managed(table.name in _AUDITED),
        "IsCustomEntity": table.custom,
        "IsCustomizable": managed(True),
        "IsDuplicateDetectionEnabled": managed(table.has_state),
        "IsIntersect": False,
        "IsLogicalEntity": False,
        "IsManaged": not table.custom,
        "IsPrivate": False,
        "IsStateModelAware": table.has_state,
        "IsValidForAdvancedFind": True,
        "IsMappable": managed(True),
        "CanCreateAttributes": managed(True),
        "EntityColor": None,
        "Privileges": _privileges(table),
        "IntroducedVersion": "5.0.0.0",
        "TableType": "Standard",
        "HasChanged": None,
        "MetadataId": table.metadata_id,
    }


def _privileges(table: Table) -> list[Json]:
    """Return what there is to be allowed on a table, as SecurityPrivilegeMetadata."""
    depths = {f"CanBe{depth}": True for depth in ("Basic", "Deep", "Global", "Local")}
    named = [(verb, privilege_name(verb, table)) for verb in VERBS]
    return [depths | {"Name": name, "PrivilegeId": privilege_id(name), "PrivilegeType": verb} for verb, name in named]


def expanded(catalog: Catalog, table: Table, name: str) -> list[Json]:
    """Return one of the collections of a table's definition. Raises KeyError for an unknown name."""
    match name:
        case "Attributes":
            return [attribute(table, column) for column in table.columns.values()]
        case "Keys":
            return [key_definition(table, key) for key in table.keys.values()]
        case "ManyToOneRelationships":
            return list(many_to_one(catalog, table))
        case "OneToManyRelationships":
            return [_relationship(catalog, reference) for reference in table.references]
        case "ManyToManyRelationships":
            return [
                item for item in many_to_many(catalog) if table.name in (item[f"Entity{n}LogicalName"] for n in (1, 2))
            ]
    raise KeyError(name)


def key_definition(table: Table, key: Key) -> Json:
    """Return the definition of an alternate key; the sandbox builds its index at once."""
    return {
        "LogicalName": key.name.lower(),
        "SchemaName": key.name,
        "EntityLogicalName": table.name,
        "DisplayName": label(key.name),
        "KeyAttributes": list(key.columns),
        "EntityKeyIndexStatus": "Active",
        "IsCustomizable": managed(True),
        "IsManaged": False,
        "AsyncJob": None,
        "MetadataId": metadata_id(table.name, "key", key.name),
    }


def many_to_one(catalog: Catalog, table: Table) -> Iterator[Json]:
    """Yield the relationships in which the table's own lookups stand."""
    for column in table.columns.values():
        for target in column.targets.values():
            yield _relationship(catalog, Reference(column, target))


def _relationship(catalog: Catalog, reference: Reference) -> Json:
    column, target = reference.column, reference.target
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata",
        "SchemaName": target.relationship,
        "RelationshipType": "OneToManyRelationship",
        "ReferencedEntity": target.table,
        "ReferencedAttribute": catalog.table(target.table).id,
        "ReferencingEntity": column.table,
        "ReferencingAttribute": column.name,
        "ReferencingEntityNavigationPropertyName": target.navigation,
        "ReferencedEntityNavigationPropertyName": target.collection,
        "CascadeConfiguration": _cascades(column),
        "IsCustomRelationship": column.custom,
        "IsCustomizable": managed(True),
        "IsHierarchical": column.type == "lookup" and target.table == column.table,
        "IsManaged": True,
        "IsValidForAdvancedFind": True,
        "SecurityTypes": "Append",
        "MetadataId": metadata_id(column.table, column.name, target.table),
    }


def many_to_many(catalog: Catalog) -> Iterator[Json]:
    """Yield the many-to-many relationships of all tables."""
    for spec in catalog.associations:
        (one, two), (from_one, from_two) = spec["tables"], spec["navigations"]
        yield {
            "@odata.type": "#Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata",
            "SchemaName": spec["name"],
            "RelationshipType": "ManyToManyRelationship",
            "IntersectEntityName": spec["intersect"],
            "Entity1LogicalName": one,
            "Entity1IntersectAttribute": catalog.table(one).id,
            "Entity1NavigationPropertyName": from_one,
            "Entity2LogicalName": two,
            "Entity2IntersectAttribute": catalog.table(two).id,
            "Entity2NavigationPropertyName": from_two,
            "IsCustomRelationship": bool(spec.get("custom")),
            "IsManaged": not spec.get("custom"),
            "MetadataId": metadata_id("association", spec["name"]),
        }


def _cascades(column: Column) -> Json:
    others = dict.fromkeys(("Assign", "Share", "Unshare", "Reparent", "Merge"), "NoCascade")
    return {"Delete": _CASCADES[column.delete], **others}


def relationships(catalog: Catalog) -> list[Json]:
    """Return every relationship of every table."""
    found = [relationship for table in catalog for relationship in many_to_one(catalog, table)]
    return [*found, *many_to_many(catalog)]
