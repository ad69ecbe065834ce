"""What a write brings with it: totals of documents, base units of unit groups, roles of business units."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox.metadata.catalog import Table
from sandbox.rows.currencies import Values
from sandbox.rows.documents import LINES, totals
from sandbox.store.database import take_versions

if TYPE_CHECKING:
    from sandbox.rows.writing import Writer


def after_create(writer: Writer, table: Table, identities: Sequence[str]) -> None:
    """Do what follows the creation of rows."""
    if table.name in LINES:
        retotal(writer, LINES[table.name], parents(writer, table, identities))
    elif table.name == "uomschedule":
        for identity in identities:
            _base_unit(writer, identity)
    elif table.name == "businessunit":
        for identity in identities:
            _copy_roles(writer, identity)


def after_update(writer: Writer, table: Table, identities: Sequence[str]) -> None:
    """Do what follows the change of rows."""
    if table.name in LINES:
        retotal(writer, LINES[table.name], parents(writer, table, identities))


def parents(writer: Writer, table: Table, identities: Sequence[str]) -> list[str]:
    """Return the documents that lines belong to."""
    column = f"{LINES[table.name]}id"
    sql = f"SELECT DISTINCT {column} FROM {table.name} WHERE {table.id} IN (SELECT value FROM json_each(?))"
    return [row[0] for row in writer.connection.execute(sql, [json.dumps(list(identities))])]


def retotal(writer: Writer, document: str, identities: Sequence[str]) -> None:
    """Sum up documents again after their lines changed, unless their prices are locked."""
    table = writer.catalog.table(document)
    locked = "0" if document == "quote" else "ispricelocked"
    names = ("discountpercentage", "discountamount", "freightamount", "transactioncurrencyid", locked)
    sql = f"SELECT {', '.join(names)} FROM {document} WHERE {table.id} = ?"
    rows: list[Values] = []
    for identity, version in zip(identities, take_versions(writer.connection, len(identities)), strict=True):
        found = writer.connection.execute(sql, [identity]).fetchone()
        header = dict(zip(names, found, strict=True)) if found else {}
        if found and not header[locked]:
            values = totals(writer.connection, document, identity, header)
            writer.currencies.complete(table, values, header)
            stamps: Values = {"modifiedon": writer.now, "modifiedby": writer.user, "versionnumber": version}
            rows.append(values | stamps | {table.id: identity})
    writer.store_changes(table, rows)


def _base_unit(writer: Writer, schedule: str) -> None:
    """A unit group comes with its base unit (13.2)."""
    sql = "SELECT baseuomname FROM uomschedule WHERE uomscheduleid = ?"
    name = writer.connection.execute(sql, [schedule]).fetchone()[0]
    bind = {"uomscheduleid@odata.bind": f"/uomschedules({schedule})"}
    unit = {"name": name, "quantity": 1, "isschedulebaseuom": True, **bind}
    writer.on_behalf().create(writer.catalog.table("uom"), [unit])


def _copy_roles(writer: Writer, unit: str) -> None:
    """Each business unit below the root has a copy of every role (11)."""
    sql = (
        "SELECT roleid, name, roletemplateid FROM role WHERE parentrootroleid IS NULL "
        "AND businessunitid IS NOT ? AND EXISTS (SELECT 1 FROM businessunit WHERE businessunitid = ? "
        "AND parentbusinessunitid IS NOT NULL)"
    )
    copies = [
        {
            "roleid": str(uuid.uuid4()),
            "name": name,
            "businessunitid@odata.bind": f"/businessunits({unit})",
            "parentrootroleid@odata.bind": f"/roles({root})",
            **({"roletemplateid@odata.bind": f"/roletemplates({template})"} if template else {}),
        }
        for root, name, template in writer.connection.execute(sql, [unit, unit]).fetchall()
    ]
    if copies:
        writer.on_behalf().create(writer.catalog.table("role"), copies)
