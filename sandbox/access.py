"""Who may do what: privileges from roles, direct and of teams (dataverse-web-api.md 9.2, 11)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, ids are our own

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

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
    "prvReadEntity",
    "prvReadAttribute",
    "prvReadRelationship",
    "prvReadOptionSet",
    "prvActOnBehalfOfAnotherUser",
    "prvBypassCustomPlugins",
)
# What the service calls a table in privileges, where that is not its schema name; lines go with their documents, and
# prices and units with products, and filters with messages, which have no privileges of their own.
_NAMES = {
    "systemuser": "User",
    "annotation": "Note",
    "customeraddress": "Account",
    "salesorder": "Order",
    "salesorderdetail": "Order",
    "quotedetail": "Quote",
    "invoicedetail": "Invoice",
    "pricelevel": "Product",
    "productpricelevel": "Product",
    "sdkmessagefilter": "SdkMessage",
    "uom": "Product",
    "uomschedule": "Product",
}
# Lines belong to whom their document belongs to.
_DOCUMENTS = {"quotedetail": "quote", "salesorderdetail": "salesorder", "invoicedetail": "invoice"}
# Each role that the user has, directly or through a team, with the business unit that its depth is counted from.
_ROLES = """
SELECT r.roletemplateid, coalesce(r.parentrootroleid, r.roleid), held.unit FROM role r JOIN (
    SELECT l.two AS role, u.businessunitid AS unit FROM "$link" l JOIN systemuser u ON u.systemuserid = l.one
        WHERE l.relationship = 'systemuserroles_association' AND l.one = :user
    UNION SELECT l.two, t.businessunitid FROM "$link" l JOIN team t ON t.teamid = l.one
        JOIN "$link" m ON m.relationship = 'teammembership_association' AND m.one = l.one AND m.two = :user
        WHERE l.relationship = 'teamroles_association') held ON held.role = r.roleid
"""
_PRIVILEGES = """
SELECT p.name, h.value ->> 1, max(g.depth) FROM json_each(?) h JOIN "$granted" g ON g.role = h.value ->> 0
JOIN privilege p ON p.privilegeid = g.privilege GROUP BY p.name, h.value ->> 1
"""
_TEAMS = "SELECT one FROM \"$link\" WHERE relationship = 'teammembership_association' AND two = ?"
_PARENTS = "SELECT businessunitid, parentbusinessunitid FROM businessunit"
_OWNED = frozenset({"UserOwned", "BusinessOwned"})


def privilege_name(verb: str, table: Table) -> str:
    """Return what the service calls the privilege, such as prvReadAccount."""
    return f"prv{verb}{_NAMES.get(table.name, table.schema)}"


def privilege_id(name: str) -> str:
    """Return the id of a privilege; the same in every sandbox."""
    return metadata_id("privilege", name)


def all_privileges(catalog: Catalog) -> Iterator[tuple[str, int]]:
    """Yield every privilege that exists once, with its access right."""
    yield from {privilege_name(verb, table): right for table in catalog for verb, right in VERBS.items()}.items()
    yield from ((name, 0) for name in NAMED)


@dataclass(frozen=True)
class Scope:
    """The rows that a privilege reaches when it does not reach all: those of owners and of business units (11)."""

    owners: tuple[str, ...]
    units: tuple[str, ...]

    def condition(self, table: Table) -> str:
        """Return the limit as SQL on the table's own columns; the ids are our own, so they stand in the text."""
        owner, unit = "ownerid", "owningbusinessunit"
        if table.ownership == "BusinessOwned":
            owner, unit = table.id, "businessunitid"
        test = f"({owner} IN ({_listed(self.owners)}) OR {unit} IN ({_listed(self.units)}))"
        document = _DOCUMENTS.get(table.name)
        return f"{document}id IN (SELECT {document}id FROM {document} WHERE {test})" if document else test


def _listed(identities: tuple[str, ...]) -> str:
    return ", ".join(f"'{identity}'" for identity in identities)


@dataclass(frozen=True)
class Access:
    """What one user may do. `reaches` maps privileges to depths by business unit; an administrator has all of them.

    `teams` and `parents` (of business units) are there only when some privilege reaches less than everything.
    """

    user: str
    roles: int
    administrator: bool
    reaches: dict[str, dict[str, int]]
    teams: tuple[str, ...] = ()
    parents: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: sqlite3.Connection, user: str) -> "Access":
        """Return the access that a user has by roles, also those of teams."""
        roles = connection.execute(_ROLES, {"user": user}).fetchall()
        if any(template == ADMINISTRATOR_TEMPLATE for template, _, _ in roles):
            return cls(user, len(roles), True, {})
        reaches: dict[str, dict[str, int]] = {}
        for name, unit, depth in connection.execute(_PRIVILEGES, [json.dumps([[r, u] for _, r, u in roles])]):
            reaches.setdefault(name, {})[unit] = depth
        if all(max(depths.values()) == DEPTHS["Global"] for depths in reaches.values()):
            return cls(user, len(roles), False, reaches)
        teams = tuple(row[0] for row in connection.execute(_TEAMS, [user]))
        return cls(user, len(roles), False, reaches, teams, dict(connection.execute(_PARENTS)))

    @cached_property
    def granted(self) -> dict[str, int]:
        """The greatest depth of each privilege."""
        return {name: max(depths.values()) for name, depths in self.reaches.items()}

    def scope(self, verb: str, table: Table) -> Scope | None:
        """Return the rows of a table that the user may do this to, or None for all of them."""
        depths = self.reaches.get(privilege_name(verb, table), {})
        is_owned = table.ownership in _OWNED or table.name in _DOCUMENTS
        if self.administrator or not is_owned or DEPTHS["Global"] in depths.values():
            return None
        units = {unit for unit, depth in depths.items() if depth >= DEPTHS["Local"]}
        above = {unit for unit, depth in depths.items() if depth >= DEPTHS["Deep"]}
        units |= {unit for unit in self.parents if self._is_below(unit, above)}
        return Scope((self.user, *self.teams), tuple(sorted(units)))

    def _is_below(self, unit: str, above: set[str]) -> bool:
        seen: set[str] = set()
        current: str | None = unit
        while current is not None and current not in above and current not in seen:
            seen.add(current)
            current = self.parents.get(current)
        return current in above

    def require(self, verb: str, table: Table, depth: str = "Basic") -> None:
        """Raise DataverseError (403) unless the user may do this to some rows of the table, at least at this depth."""
        if not self.administrator and self.granted.get(privilege_name(verb, table), 0) < DEPTHS[depth]:
            raise self._missing(privilege_name(verb, table), f" on OTC={table.code} for entity '{table.name}'")

    def require_as_owner(self, table: Table) -> None:
        """Raise DataverseError (403, 0x80040231) unless the user may read the table, which who owns rows of it must."""
        name = privilege_name("Read", table)
        if not self.administrator and name not in self.reaches:
            message = f"Principal user (Id={self.user}, type=8) is missing {name} privilege (Id={privilege_id(name)})"
            raise DataverseError(403, "0x80040231", message)

    def require_named(self, name: str) -> None:
        """Raise DataverseError (403) unless the user has a privilege that belongs to no table."""
        if not self.administrator and name not in self.reaches:
            raise self._missing(name, "")

    def _missing(self, name: str, where: str) -> DataverseError:
        if not self.roles:
            return DataverseError(403, "0x80042f09", f"The user with id {self.user} has not been assigned any roles.")
        message = (
            f"Principal user (Id={self.user}, type=8, roleCount={self.roles}, privilegeCount={len(self.reaches)}), is "
            f"missing {name} privilege (Id={privilege_id(name)}){where}. context.Caller={self.user}"
        )
        return DataverseError(403, "0x80040220", message)
