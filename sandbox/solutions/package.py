"""Read a solution's zip: solution.xml says what it is, customizations.xml what it brings. Nothing here touches rows."""

import io
import re
import zipfile
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from sandbox.metadata.catalog import Catalog
from sandbox.metadata.loading import Definition
from sandbox.metadata.reading import plural_of

_MAX_FILE = 64 * 1024 * 1024
_TYPES = {
    "nvarchar": "string",
    "ntext": "memo",
    "int": "integer",
    "bigint": "bigint",
    "decimal": "decimal",
    "float": "double",
    "money": "money",
    "bit": "boolean",
    "picklist": "picklist",
    "multiselectpicklist": "multiselect",
    "datetime": "datetime",
}
_REQUIRED = {"applicationrequired": "application", "required": "application", "systemrequired": "system"}
Element = ElementTree.Element


class PackageError(ValueError):
    """The file is no solution, or one that cannot be read."""


@dataclass(frozen=True)
class Role:
    """A security role of a solution: privileges by name with their depths."""

    identity: str
    name: str
    privileges: dict[str, str]


@dataclass(frozen=True)
class Package:
    """What a solution's zip says."""

    name: str
    label: str
    version: str
    managed: bool
    prefix: str
    entities: list[Element] = field(repr=False, default_factory=list)
    relationships: list[Element] = field(repr=False, default_factory=list)
    roles: list[Role] = field(default_factory=list)


def read_package(content: bytes) -> Package:
    """Return what a zip holds. Raises PackageError."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            manifest = _xml(archive, "solution.xml").find("SolutionManifest")
            customizations = _xml(archive, "customizations.xml")
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, OSError, NotImplementedError) as error:
        raise PackageError(f"The solution file is invalid: {error}") from error
    name = _text(manifest, "UniqueName")
    version = _text(manifest, "Version")
    if manifest is None or not name or not re.fullmatch(r"\d+(\.\d+){1,3}", version):
        raise PackageError("The solution file is invalid: solution.xml must name a UniqueName and a Version.")
    return Package(
        name=name,
        label=_label(manifest, "LocalizedNames/LocalizedName", name),
        version=version,
        managed=_text(manifest, "Managed") == "1",
        prefix=_text(manifest, "Publisher/CustomizationPrefix"),
        entities=customizations.findall("Entities/Entity/EntityInfo/entity"),
        relationships=customizations.findall("EntityRelationships/EntityRelationship"),
        roles=[_role(element) for element in customizations.findall("Roles/Role")],
    )


def _xml(archive: zipfile.ZipFile, name: str) -> Element:
    if archive.getinfo(name).file_size > _MAX_FILE:
        raise PackageError(f"The solution file is invalid: {name} is too large.")
    text = archive.read(name)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise PackageError(f"The solution file is invalid: {name} declares entities.")
    return ElementTree.fromstring(text)  # noqa: S314 - declarations were refused above


def _text(element: Element | None, path: str) -> str:
    found = element.findtext(path) if element is not None else None
    return (found or "").strip()


def _label(element: Element, path: str, default: str) -> str:
    found = element.find(path)
    return (found.get("description") if found is not None else None) or default


def _role(element: Element) -> Role:
    found = element.findall("RolePrivileges/RolePrivilege")
    privileges = {item.get("name", ""): item.get("level", "") for item in found}
    return Role(element.get("id", "").strip("{}").lower(), element.get("name", ""), privileges)


def definitions_of(package: Package, catalog: Catalog) -> list[Definition]:
    """Return the tables, columns and lookups that a package adds to a catalog, in the form of the data files."""
    found: list[Definition] = []
    made: set[str] = set()
    for entity in package.entities:
        name = entity.get("Name", "").lower()
        table = catalog.find(name)
        columns = [pair for pair in map(_column, entity.findall("attributes/attribute")) if pair]
        if table is None or table.custom:
            code = table.code if table is not None else 10_000 + len(list(catalog)) + len(made)
            found.append(_table(entity, name, dict(columns), code))
            made.add(name)
        else:
            found += [Definition("column", f"{name}.{column}", spec) for column, spec in columns]
        if entity.findtext("ChangeTrackingEnabled") == "1" and table is not None and table.trackable:
            found.append(Definition("patch", name, {"tracked": True, "trackable": True}))
    return found + [definition for item in package.relationships if (definition := _lookup(item)) is not None]


def _keys(entity: Element) -> dict[str, list[str]]:
    """Return the alternate keys of a table with their columns."""
    keys = entity.findall("EntityKeys/EntityKey")
    return {
        _text(key, "LogicalName"): [(item.text or "").strip() for item in key.iter("AttributeName")] for key in keys
    }


def _column(attribute: Element) -> tuple[str, dict[str, Any]] | None:
    """Return a custom column; those that every table has by itself are left out."""
    kind = _TYPES.get(_text(attribute, "Type"))
    schema = attribute.get("PhysicalName", "")
    if kind is None or "_" not in schema:
        return None
    spec: dict[str, Any] = {"type": kind, "label": _label(attribute, "displaynames/displayname", schema)}
    spec |= {"schema": schema, "custom": True, "required": _REQUIRED.get(_text(attribute, "RequiredLevel"), "none")}
    if kind in ("string", "memo"):
        spec["max"] = int(_text(attribute, "MaxLength") or _text(attribute, "Length") or 100)
    if kind in ("integer", "decimal", "double", "money"):
        limits = {"min": _text(attribute, "MinValue"), "max": _text(attribute, "MaxValue")}
        spec |= {name: float(value) for name, value in limits.items() if value}
        spec["precision"] = int(_text(attribute, "Accuracy") or 2)
    if kind == "datetime" and _text(attribute, "Behavior") == "2":
        spec["type"] = "date"
    if kind in ("picklist", "multiselect"):
        options = attribute.findall("optionset/options/option")
        spec["options"] = {item.get("value", ""): _label(item, "labels/label", "") for item in options}
    return schema.lower(), spec


def _table(entity: Element, name: str, columns: dict[str, Any], code: int) -> Definition:
    schema = entity.get("Name", "")
    label = _label(entity, "LocalizedNames/LocalizedName", schema)
    owned = _text(entity, "OwnershipTypeMask") != "OrgOwned"
    named = [a for a in entity.findall("attributes/attribute") if "PrimaryName" in _text(a, "DisplayMask")]
    primary = named[0].get("PhysicalName", "").lower() if named else next(iter(columns), f"{name}id")
    spec = {
        "name": name,
        "schema": schema,
        "set": _text(entity, "EntitySetName") or plural_of(name),
        "label": label,
        "plural": _label(entity, "LocalizedCollectionNames/LocalizedCollectionName", label),
        "code": code,
        "id": f"{name}id",
        "primary": primary,
        "ownership": "UserOwned" if owned else "OrganizationOwned",
        "bulk": True,
        "tracked": _text(entity, "ChangeTrackingEnabled") == "1",
        "trackable": True,
        "custom": True,
        "include": [*(["owned"] if owned else []), "stated", "stamped"],
        "addressable": [],
        "keys": _keys(entity),
        "columns": {f"{name}id": {"type": "uniqueidentifier", "label": label, "schema": f"{schema}Id"}, **columns},
    }
    return Definition("table", name, spec)


def _lookup(item: Element) -> Definition | None:
    """Return the lookup of a one-to-many relationship that is custom."""
    schema = _text(item, "ReferencingAttributeName")
    if _text(item, "EntityRelationshipType") != "OneToMany" or "_" not in schema:
        return None
    relationship, table = item.get("Name", ""), _text(item, "ReferencingEntityName").lower()
    target = {"navigation": schema, "collection": relationship}
    delete = _text(item, "CascadeDelete").lower()
    spec = {
        "type": "lookup",
        "label": schema,
        "schema": schema,
        "targets": {_text(item, "ReferencedEntityName").lower(): target},
        "relationship": relationship,
        "delete": delete if delete in ("cascade", "restrict", "removelink") else "removelink",
        "index": True,
        "custom": True,
    }
    return Definition("column", f"{table}.{schema.lower()}", spec)
