"""Plant privileges, and who has which role."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from sandbox.access import DEPTHS, all_privileges, privilege_id, privilege_name
from sandbox.metadata.catalog import Catalog

_FILE = Path(__file__).parent / "roles.json"


def plant_privileges(connection: sqlite3.Connection, catalog: Catalog) -> None:
    """Make every privilege that does not exist yet, with what the planted roles may do to new tables too."""
    known = {row[0] for row in connection.execute("SELECT name FROM privilege")}
    rows = [(privilege_id(name), name, right) for name, right in all_privileges(catalog) if name not in known]
    sql = "INSERT INTO privilege (privilegeid, name, accessright, versionnumber) VALUES (?, ?, ?, 1)"
    connection.executemany(sql, rows)
    for role, grants in _content()["privileges"].items():
        found = connection.execute("SELECT roleid FROM role WHERE name = ? AND parentrootroleid IS NULL", [role])
        for (identity,) in found.fetchall():
            grant(connection, identity, _granted(catalog, grants))


def plant_members(connection: sqlite3.Connection) -> None:
    """Give every planted user the roles that the file names, which may be none."""
    content = _content()
    roles = dict(connection.execute("SELECT name, roleid FROM role WHERE parentrootroleid IS NULL"))
    for identity, name in connection.execute("SELECT systemuserid, fullname FROM systemuser").fetchall():
        for role in content["members"].get(name, content["everyone else"]):
            sql = "INSERT OR IGNORE INTO \"$link\" VALUES ('systemuserroles_association', ?, ?)"
            connection.execute(sql, [identity, roles[role]])


def grant(connection: sqlite3.Connection, role: str, granted: dict[str, int]) -> None:
    """Grant privileges, given by name, to a role."""
    rows = [(role, privilege_id(name), depth) for name, depth in granted.items()]
    connection.executemany('INSERT OR REPLACE INTO "$granted" VALUES (?, ?, ?)', rows)
    links = [("roleprivileges_association", role, privilege) for _, privilege, _ in rows]
    connection.executemany('INSERT OR IGNORE INTO "$link" VALUES (?, ?, ?)', links)


def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return content


def _granted(catalog: Catalog, grants: list[dict[str, Any]]) -> dict[str, int]:
    """Return privilege names with depths; a later grant replaces an earlier one."""
    found: dict[str, int] = {}
    for item in grants:
        depth = DEPTHS[item["depth"]]
        found |= dict.fromkeys(item.get("named", []), depth)
        tables = [table for table in catalog if {"*", table.name} & set(item.get("tables", []))]
        for table in tables:
            for verb in item["verbs"]:
                name = privilege_name(verb, table)
                found[name] = max(found.get(name, 0), depth)
    return found
