"""Who may do what: privileges from roles, direct and of teams (dataverse-web-api.md 9.2, 11)."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Catalog, Table
from sandbox.metadata.columns import metadata_id

ADMINISTRATOR_TEMPLATE = "627090ff-40a3-4053-8790-584edc5be201"
CUSTOMIZER_TEMPLATE = "119f245c-3cc8-4b62-b31c-d1a046ced15d"
VERBS = {"Read": 1, "Write": 2, "Append": 4, "AppendTo": 16, "Create": 32, "Delete": 65536, "Assign": 524288}
DEPTHS = {"Basic": 1, "Local": 2, "Deep": 4, "Global": 8}
NAMED = (
    "prvImportCustomization",
    "prvExportCustomization",
    "prvPublishCustomization",
    "prvCreateEntity",
    "prvWriteEntity",
    "prvCreateAttribute",
    "prvWriteAttribute",
    "prvCreateRelationship",
    "prvCreateOptionSet",
    "prvActOnBehalfOfAnotherUser",
    "prvBypassCustomPlugins",
)
_SCHEMAS = {"systemuser": "User"}
_ROLES = """
SELECT r.roleid, r.roletemplateid, coalesce(r.parentrootroleid, r.roleid) FROM role r WHERE r.roleid IN (
    SELECT two FROM "$link" WHERE relationship = 'systemuserroles_association' AND one = :user
    UNION SELECT two FROM "$link" WHERE relationship = 'teamroles_association' AND one IN (
        SELECT one FROM "$link" WHERE relationship = 'teammembership_association' AND two = :user))
"""
_PRIVILEGES = """
SELECT p.name, max(g.depth) FROM "$granted" g JOIN privilege p ON p.privilegeid = g.privilege
WHERE g.role IN (SELECT value FROM json_each(?)) GROUP BY p.name
"""


def privilege_name(verb: str, table: Table) -> str:
    """Return what the service calls the privilege, such as prvReadAccount."""
    return f"prv{verb}{_SCHEMAS.get(table.name, table.schema)}"


def privilege_id(name: str) -> str:
    """Return the id of a privilege; the same in every sandbox."""
    return metadata_id("privilege", name)


def all_privileges(catalog: Catalog) -> Iterator[tuple[str, int]]:
    """Yield every privilege that exists, with its access right."""
    yield from ((privilege_name(verb, table), right) for table in catalog for verb, right in VERBS.items())
    yield from ((name, 0) for name in NAMED)


@dataclass(frozen=True)
class Access:
    """What one user may do. `granted` maps privileges to depths; an administrator has all of them."""

    user: str
    roles: int
    administrator: bool
    granted: dict[str, int]

    @classmethod
    def of(cls, connection: sqlite3.Connection, user: str) -> "Access":
        """Return the access that a user has by roles, also those of teams."""
        roles = connection.execute(_ROLES, {"user": user}).fetchall()
        if any(template == ADMINISTRATOR_TEMPLATE for _, template, _ in roles):
            return cls(user, len(roles), True, {})
        listed = "[" + ",".join(f'"{root}"' for _, _, root in roles) + "]"
        return cls(user, len(roles), False, dict(connection.execute(_PRIVILEGES, [listed])) if roles else {})

    def require(self, verb: str, table: Table, depth: str = "Basic") -> None:
        """Raise DataverseError (403) unless the user may do this to some rows of the table, at least at this depth."""
        if not self.administrator and self.granted.get(privilege_name(verb, table), 0) < DEPTHS[depth]:
            raise self._missing(privilege_name(verb, table), f" on OTC={table.code} for entity '{table.name}'")

    def require_named(self, name: str) -> None:
        """Raise DataverseError (403) unless the user has a privilege that belongs to no table."""
        if not self.administrator and name not in self.granted:
            raise self._missing(name, "")

    def _missing(self, name: str, where: str) -> DataverseError:
        if not self.roles:
            return DataverseError(403, "0x80042f09", f"The user with id {self.user} has not been assigned any roles.")
        message = (
            f"Principal user (Id={self.user}, type=8, roleCount={self.roles}, privilegeCount={len(self.granted)}), is "
            f"missing {name} privilege (Id={privilege_id(name)}){where}. context.Caller={self.user}"
        )
        return DataverseError(403, "0x80040220", message)
