"""`$metadata`: the tables as CSDL (dataverse-web-api.md 3.5)."""

from functools import cache
from xml.etree import ElementTree as Xml

from sandbox.metadata.catalog import Catalog, Table
from sandbox.metadata.columns import Column

_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"
_NAMESPACE = "Microsoft.Dynamics.CRM"
_TYPES = {
    "integer": "Edm.Int32",
    "picklist": "Edm.Int32",
    "state": "Edm.Int32",
    "status": "Edm.Int32",
    "bigint": "Edm.Int64",
    "decimal": "Edm.Decimal",
    "money": "Edm.Decimal",
    "double": "Edm.Double",
    "boolean": "Edm.Boolean",
    "datetime": "Edm.DateTimeOffset",
    "date": "Edm.Date",
    "uniqueidentifier": "Edm.Guid",
    "lookup": "Edm.Guid",
    "customer": "Edm.Guid",
    "owner": "Edm.Guid",
}


@cache
def document(catalog: Catalog) -> bytes:
    """Return the metadata document of a catalog."""
    root = Xml.Element("edmx:Edmx", {"Version": "4.0", "xmlns:edmx": _EDMX})
    services = Xml.SubElement(root, "edmx:DataServices")
    schema = Xml.SubElement(services, "Schema", {"Namespace": _NAMESPACE, "Alias": "mscrm", "xmlns": _EDM})
    Xml.SubElement(schema, "EntityType", {"Name": "crmbaseentity", "Abstract": "true"})
    container = Xml.Element("EntityContainer", {"Name": "System"})
    for table in catalog:
        _entity_type(schema, catalog, table)
        _entity_set(container, catalog, table)
    schema.append(container)
    content: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _entity_type(schema: Xml.Element, catalog: Catalog, table: Table) -> None:
    entity = Xml.SubElement(schema, "EntityType", {"Name": table.name, "BaseType": "mscrm.crmbaseentity"})
    Xml.SubElement(Xml.SubElement(entity, "Key"), "PropertyRef", {"Name": table.id})
    for column in table.columns.values():
        _property(entity, column)
    for name, (column, target) in table.navigations.items():
        element = Xml.SubElement(
            entity, "NavigationProperty", {"Name": name, "Type": f"mscrm.{target.table}", "Nullable": "true"}
        )
        referenced = {"Property": column.wire, "ReferencedProperty": catalog.table(target.table).id}
        Xml.SubElement(element, "ReferentialConstraint", referenced)
    for name, reference in table.collections.items():
        kind = f"Collection(mscrm.{reference.column.table})"
        partner = reference.target.navigation
        Xml.SubElement(entity, "NavigationProperty", {"Name": name, "Type": kind, "Partner": partner})


def _property(entity: Xml.Element, column: Column) -> None:
    attributes = {"Name": column.wire, "Type": _TYPES.get(column.type, "Edm.String")}
    if column.max_length:
        attributes["MaxLength"] = str(column.max_length)
    if column.type in ("decimal", "money"):
        attributes["Scale"] = "Variable"
    Xml.SubElement(entity, "Property", attributes)


def _entity_set(container: Xml.Element, catalog: Catalog, table: Table) -> None:
    entity_set = Xml.SubElement(
        container, "EntitySet", {"Name": table.entity_set, "EntityType": f"{_NAMESPACE}.{table.name}"}
    )
    for name, (_, target) in table.navigations.items():
        bound = {"Path": name, "Target": catalog.table(target.table).entity_set}
        Xml.SubElement(entity_set, "NavigationPropertyBinding", bound)
