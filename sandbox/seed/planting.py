"""Fill an empty store from the data files; lookups in them name rows by what people call them."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
import sqlite3
from pathlib import Path
from typing import Any

from sandbox.access import ADMINISTRATOR_TEMPLATE, CUSTOMIZER_TEMPLATE
from sandbox.details import Credentials
from sandbox.metadata.catalog import Catalog, Table
from sandbox.metadata.columns import metadata_id
from sandbox.rows.writing import Writer
from sandbox.seed.duplicates import plant_rules
from sandbox.seed.privileges import plant_members, plant_privileges
from sandbox.seed.sdkmessages import plant_messages
from sandbox.store.database import Store, set_setting, setting
from sandbox.store.keys import forget_keys
from sandbox.store.schema import quoted

_FOLDER = Path(__file__).parent
ADMINISTRATOR = metadata_id("seed", "systemuser", "Sandbox Administrator")
Rows = dict[str, list[dict[str, Any]]]


def is_planted(store: Store) -> bool:
    """Return True when the store has its organization and its roles."""
    with store.reading() as connection:
        return connection.execute("SELECT 1 FROM organization, privilege").fetchone() is not None


def plant(store: Store, catalog: Catalog, credentials: Credentials, *, empty: bool) -> None:
    """Replace all rows by those of a new sandbox. Delta tokens from before have expired thereafter."""
    with store.writing() as connection:
        forget_keys(connection, catalog)
        for table in catalog:
            connection.execute(f"DELETE FROM {quoted(table.name)}")
        for name in ("$deleted", "$link", "$granted", "$revision", "$component"):
            connection.execute(f"DELETE FROM {quoted(name)}")
        set_setting(connection, "oldest version", setting(connection, "version") + 1)
        for name in ("organization",) if empty else ("organization", "sales"):
            _Planter(connection, catalog, credentials).plant(_read(name))
        plant_privileges(connection, catalog)
        plant_messages(connection, catalog)
        plant_members(connection)
        plant_rules(Writer(connection, catalog, ADMINISTRATOR))


def _read(name: str) -> Rows:
    content: Rows = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


class _Planter:
    """Writes the rows of one data file through the ordinary writer, so that they obey the same rules."""

    def __init__(self, connection: sqlite3.Connection, catalog: Catalog, credentials: Credentials) -> None:
        self.connection = connection
        self.catalog = catalog
        self._placeholders = {"client": credentials.client_id, "sync client": credentials.sync_client_id}

    def plant(self, rows: Rows) -> None:
        later: list[tuple[str, dict[str, Any]]] = []
        for name, items in rows.items():
            table = self.catalog.table(name)
            writer = Writer(self.connection, self.catalog, ADMINISTRATOR)
            for item in items:
                body = self._body(table, item)
                # The primary contact is planted after its account.
                if "primarycontactid@odata.bind" in body:
                    contact = body.pop("primarycontactid@odata.bind")
                    later.append((body[table.id], {"primarycontactid@odata.bind": contact}))
                writer.create(table, [body])
        if later:
            writer = Writer(self.connection, self.catalog, ADMINISTRATOR)
            writer.update(self.catalog.table("account"), later)

    def _body(self, table: Table, item: dict[str, Any]) -> dict[str, Any]:
        body = {table.id: _identity(table, _name(table, item))}
        for key, value in item.items():
            if key in table.navigations:
                target = self.catalog.table(table.navigations[key][1].table)
                body[f"{key}@odata.bind"] = f"/{target.entity_set}({_identity(target, value)})"
            else:
                body[key] = self._placeholders.get(value, value) if isinstance(value, str) else value
        if table.name == "systemuser":
            unit = self.connection.execute("SELECT businessunitid FROM businessunit").fetchone()[0]
            body["businessunitid@odata.bind"] = f"/businessunits({unit})"
        return body


def _identity(table: Table, name: str) -> str:
    """Return the id of a planted row; the same in every sandbox, and for role templates the same everywhere."""
    if table.name == "roletemplate":
        return {"System Administrator": ADMINISTRATOR_TEMPLATE, "System Customizer": CUSTOMIZER_TEMPLATE}[name]
    return metadata_id("seed", table.name, name)


def _name(table: Table, item: dict[str, Any]) -> str:
    """Return what the data files call a row."""
    if "firstname" in item:
        return f"{item['firstname']} {item['lastname']}"
    return str(item.get("isocurrencycode") or item[table.primary])
