"""Makes the package that Dynamics CRM imports, byte for byte the same from the same files (dataverse-web-api.md 12).

The form is that of an exported managed solution: `solution.xml` names it, `customizations.xml` holds what it brings.
"""

import io
import zipfile
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from connection.solution.content import Column, Key, Labels, Role, Solution, Table, shipped

# What Dataverse calls the product's languages.
_LANGUAGES = {"en": "1033", "nb": "1044"}
# The oldest time that a zip can say: the package is to depend on nothing but its content.
_TIME = (1980, 1, 1, 0, 0, 0)
_ENTITY, _ROLE = "1", "20"
_MOST = "100000000000"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_CONTENT_TYPES = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/octet-stream" /></Types>'
)


def build(solution: Solution | None = None) -> bytes:
    """The zip of the solution that is shipped (or of another one)."""
    solution = solution or shipped()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as package:
        package.writestr(zipfile.ZipInfo("[Content_Types].xml", _TIME), _CONTENT_TYPES)
        package.writestr(zipfile.ZipInfo("customizations.xml", _TIME), _text(_customizations(solution)))
        package.writestr(zipfile.ZipInfo("solution.xml", _TIME), _text(_manifest(solution)))
    return content.getvalue()


def _text(root: Element) -> bytes:
    ElementTree.indent(root)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root) + b"\n"


def _add(parent: Element, tag: str, text: object = None, **attributes: str) -> Element:
    element = SubElement(parent, tag, attributes)
    element.text = None if text is None else str(text)
    return element


def _facts(parent: Element, facts: dict[str, object]) -> None:
    for tag, text in facts.items():
        _add(parent, tag, text)


def _labelled(parent: Element, group: str, tag: str, labels: Labels) -> None:
    found = _add(parent, group)
    for language, text in labels.items():
        _add(found, tag, description=text, languagecode=_LANGUAGES[language])


# -- solution.xml


def _manifest(solution: Solution) -> Element:
    root = Element("ImportExportXml", {"version": "9.2", "SolutionPackageVersion": "9.2", "languagecode": "1033"})
    manifest = _add(root, "SolutionManifest")
    _add(manifest, "UniqueName", solution.unique_name)
    _labelled(manifest, "LocalizedNames", "LocalizedName", solution.labels)
    _labelled(manifest, "Descriptions", "Description", solution.descriptions)
    _facts(manifest, {"Version": solution.version, "Managed": 1})
    publisher = _add(manifest, "Publisher")
    _add(publisher, "UniqueName", solution.publisher.unique_name)
    _labelled(publisher, "LocalizedNames", "LocalizedName", solution.publisher.labels)
    _add(publisher, "Descriptions")
    _add(publisher, "CustomizationPrefix", solution.publisher.prefix)
    _add(publisher, "CustomizationOptionValuePrefix", solution.publisher.option_prefix)
    _add(publisher, "Addresses")
    components = _add(manifest, "RootComponents")
    for table in solution.tables:
        # Of the CRM's own tables, only what is listed belongs to the solution.
        _add(components, "RootComponent", type=_ENTITY, schemaName=table.name, behavior="0" if table.is_own else "2")
    for role in solution.roles:
        _add(components, "RootComponent", type=_ROLE, id=f"{{{role.id}}}", behavior="0")
    _add(manifest, "MissingDependencies")
    return root


# -- customizations.xml


def _customizations(solution: Solution) -> Element:
    root = Element("ImportExportXml", {"xmlns:xsi": _XSI})
    entities = _add(root, "Entities")
    for table in solution.tables:
        _entity(entities, table, solution.version)
    roles = _add(root, "Roles")
    for role in solution.roles:
        _role(roles, role)
    for empty in ("Workflows", "FieldSecurityProfiles", "Templates", "EntityMaps"):
        _add(root, empty)
    relationships = _add(root, "EntityRelationships")
    for table in solution.tables:
        for column in table.columns:
            if column.kind == "lookup":
                _relationship(relationships, table, column, solution.version)
    for empty in ("OrganizationSettings", "optionsets", "CustomControls"):
        _add(root, empty)
    languages = _add(root, "Languages")
    for code in _LANGUAGES.values():
        _add(languages, "Language", code)
    return root


def _entity(parent: Element, table: Table, version: str) -> None:
    entity = _add(parent, "Entity")
    label = table.labels["en"]
    _add(entity, "Name", table.schema, LocalizedName=label, OriginalName=label)
    if table.code is not None:
        _add(entity, "ObjectTypeCode", table.code)
    info = _add(_add(entity, "EntityInfo"), "entity", Name=table.schema)
    if table.is_own:
        _labelled(info, "LocalizedNames", "LocalizedName", table.labels)
        _labelled(info, "LocalizedCollectionNames", "LocalizedCollectionName", table.plural)
        _labelled(info, "Descriptions", "Description", table.descriptions)
    else:
        info.set("unmodified", "1")
    attributes = _add(info, "attributes")
    if table.is_own:
        _primary_key(attributes, table, version)
    for column in table.columns:
        _attribute(attributes, table, column, version)
    if table.is_own:
        _own(info, table, version)
    for empty in ("FormXml", "SavedQueries", "RibbonDiffXml"):
        _add(entity, empty)


def _own(info: Element, table: Table, version: str) -> None:
    """What only a table that the solution brings itself says: its keys and its settings."""
    keys = _add(info, "EntityKeys")
    for key in table.keys:
        _key(keys, key, version)
    _facts(info, {"EntitySetName": table.entity_set, "OwnershipTypeMask": "UserOwned"})
    _facts(info, dict.fromkeys(("IsAuditEnabled", "IsActivity", "IsBPFEntity", "IsSLAEnabled"), 0))
    _facts(info, {"IsDuplicateCheckSupported": 0, "IntroducedVersion": version, "IsCustomizable": 1, "IsRenameable": 1})
    _facts(info, {"ChangeTrackingEnabled": 1, "CanChangeTrackingBeEnabled": 1})


def _key(parent: Element, key: Key, version: str) -> None:
    entity_key = _add(parent, "EntityKey")
    _facts(entity_key, {"Name": key.schema, "LogicalName": key.schema.lower(), "IntroducedVersion": version})
    _add(entity_key, "IsCustomizable", 0)
    columns = _add(entity_key, "EntityKeyAttributes")
    for name in key.columns:
        _add(columns, "AttributeName", name)
    _labelled(entity_key, "displaynames", "displayname", key.labels)


def _primary_key(parent: Element, table: Table, version: str) -> None:
    schema = f"{table.schema}Id"
    attribute = _add(parent, "attribute", PhysicalName=schema)
    _facts(attribute, {"Type": "primarykey", "Name": schema.lower(), "LogicalName": schema.lower()})
    _facts(attribute, {"RequiredLevel": "systemrequired", "DisplayMask": "ValidForAdvancedFind|RequiredForGrid"})
    _facts(attribute, {"ValidForUpdateApi": 0, "ValidForReadApi": 1, "ValidForCreateApi": 1, "IsCustomField": 0})
    _add(attribute, "IntroducedVersion", version)
    _labelled(attribute, "displaynames", "displayname", table.labels)


def _attribute(parent: Element, table: Table, column: Column, version: str) -> None:
    kind, facts = _FORMS[column.kind](column)
    mask = "PrimaryName|" if column.schema == table.primary else ""
    attribute = _add(parent, "attribute", PhysicalName=column.schema)
    _facts(attribute, {"Type": kind, "Name": column.name, "LogicalName": column.name})
    _add(attribute, "RequiredLevel", "required" if column.required else "none")
    _add(attribute, "DisplayMask", f"{mask}ValidForAdvancedFind|ValidForForm|ValidForGrid")
    _facts(attribute, dict.fromkeys(("ValidForUpdateApi", "ValidForReadApi", "ValidForCreateApi", "IsCustomField"), 1))
    _facts(attribute, {"IsAuditEnabled": 0, "IsSecured": 0, "IntroducedVersion": version, "IsCustomizable": 1})
    _facts(attribute, facts)
    if column.kind == "yes_no":
        _yes_no(attribute, f"{table.name}_{column.name}", version)
    _labelled(attribute, "displaynames", "displayname", column.labels)


def _yes_no(attribute: Element, name: str, version: str) -> None:
    options = _add(attribute, "optionset", Name=name)
    _facts(options, {"OptionSetType": "bit", "IntroducedVersion": version, "IsCustomizable": 1})
    listed = _add(options, "options")
    for value, labels in ((1, {"en": "Yes", "nb": "Ja"}), (0, {"en": "No", "nb": "Nei"})):
        option = _add(listed, "option", value=str(value), ExternalValue="", IsHidden="0")
        _labelled(option, "labels", "label", labels)


_FORMS: dict[str, Any] = {
    "text": lambda it: ("nvarchar", {"Format": "text", "MaxLength": it.length, "Length": it.length * 2}),
    "yes_no": lambda it: ("bit", {"AppDefaultValue": 0}),
    "money": lambda it: (
        "money",
        {"MinValue": f"-{_MOST}", "MaxValue": _MOST, "Accuracy": it.precision, "AccuracySource": 2},
    ),
    "decimal": lambda it: ("decimal", {"MinValue": f"-{_MOST}", "MaxValue": _MOST, "Accuracy": it.precision}),
    "date": lambda it: ("datetime", {"Format": "date", "Behavior": 2}),
    "moment": lambda it: ("datetime", {"Format": "datetime", "Behavior": 1}),
    "lookup": lambda it: ("lookup", {"LookupStyle": "single"}),
}


def _role(parent: Element, role: Role) -> None:
    element = _add(parent, "Role", id=f"{{{role.id}}}", name=role.name, isinherited="1")
    _add(element, "IsCustomizable", 1)
    privileges = _add(element, "RolePrivileges")
    for name in role.privileges:
        _add(privileges, "RolePrivilege", name=name, level="Global")


def _relationship(parent: Element, table: Table, column: Column, version: str) -> None:
    element = _add(parent, "EntityRelationship", Name=column.relationship)
    _facts(element, {"EntityRelationshipType": "OneToMany", "IsCustomizable": 1, "IntroducedVersion": version})
    _facts(element, {"IsHierarchical": 0, "ReferencingEntityName": table.schema, "ReferencedEntityName": column.target})
    cascades: Iterable[str] = ("Assign", "Archive", "Reparent", "Share", "Unshare", "RollupView")
    _add(element, "CascadeDelete", "RemoveLink")
    _facts(element, {f"Cascade{action}": "NoCascade" for action in cascades})
    _facts(element, {"IsValidForAdvancedFind": 1, "ReferencingAttributeName": column.schema})
    roles = _add(element, "EntityRelationshipRoles")
    _facts(_add(roles, "EntityRelationshipRole"), {"NavigationPropertyName": column.schema, "RelationshipRoleType": 1})
    _facts(
        _add(roles, "EntityRelationshipRole"),
        {"NavigationPropertyName": column.relationship, "RelationshipRoleType": 0},
    )
