"""Rules of the product catalog: products, units and price lists (dataverse-web-api.md 13.1, 13.2)."""

import json
import sqlite3

from sandbox import errors
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Table
from sandbox.rows.currencies import Values
from sandbox.rows.values import Stored

ACTIVE, RETIRED, DRAFT, UNDER_REVISION = 0, 1, 2, 3
_ALWAYS_OPEN = frozenset({"statecode", "statuscode", "quantityonhand", "pricelevelid"})
_STAMPS = frozenset({"createdon", "createdby", "modifiedon", "modifiedby", "versionnumber"})


def prepare(table: Table, values: Values, before: Values, connection: sqlite3.Connection) -> None:
    """Complete and check a row of the catalog that is about to be written. Raises DataverseError."""
    match table.name:
        case "product":
            _product(table, values, before, connection)
        case "uom" if not before and values.get("baseuom") is None:
            values["baseuom"] = base_unit(connection, str(values.get("uomscheduleid")))
        case "productpricelevel":
            _price(values, before, connection)


def _product(table: Table, values: Values, before: Values, connection: sqlite3.Connection) -> None:
    if not before:
        _required(values)
        if _starts_active(values, connection):
            values.setdefault("statecode", ACTIVE)
        return
    state, wanted = before["statecode"], values.get("statecode", before["statecode"])
    if wanted == DRAFT and state != DRAFT:
        message = "You can't set a published, retired or revised product to the draft state."
        raise DataverseError(400, "0x80061035", message)
    if wanted == UNDER_REVISION and state not in (ACTIVE, UNDER_REVISION):
        raise DataverseError(400, errors.STATE_STATUS, "Only an active product can be revised.")
    closed = state in (ACTIVE, RETIRED) and wanted == state and before.get("parentproductid") is not None
    if closed and set(values) - _ALWAYS_OPEN:
        raise DataverseError(400, "0x8004F995", "The product can only be updated in the Draft or Under Revision state.")
    if state != wanted:
        _begin_or_end_revision(connection, before, wanted)


def _begin_or_end_revision(connection: sqlite3.Connection, before: Values, wanted: Stored) -> None:
    """Keep the product as it is when its revision begins, so that it can be reverted; forget that when it ends."""
    identity = before["productid"]
    if wanted != UNDER_REVISION:
        connection.execute('DELETE FROM "$revision" WHERE product = ?', [identity])
        return
    cursor = connection.execute("SELECT * FROM product WHERE productid = ?", [identity])
    row = dict(zip((item[0] for item in cursor.description), cursor.fetchone(), strict=True))
    connection.execute('INSERT OR REPLACE INTO "$revision" VALUES (?, ?)', [identity, json.dumps(row)])


def before_revision(connection: sqlite3.Connection, table: Table, identity: str) -> Values:
    """Return what a product was when its revision began, but for the columns that are open at all times."""
    found = connection.execute('SELECT content FROM "$revision" WHERE product = ?', [identity]).fetchone()
    row: Values = json.loads(found[0]) if found else {}
    left_out = _ALWAYS_OPEN | _STAMPS | {table.id}
    return {name: value for name, value in row.items() if name in table.columns and name not in left_out}


def _required(values: Values) -> None:
    """A product that is no family needs its units; a family is a heading (13.1)."""
    if values.get("productstructure", 1) == 2:
        return
    for name in ("defaultuomscheduleid", "defaultuomid", "quantitydecimal"):
        if values.get(name) is None:
            raise DataverseError(400, errors.FIELD_MISSING, f"Attribute: {name} cannot be set to NULL")


def _starts_active(values: Values, connection: sqlite3.Connection) -> bool:
    sql = "SELECT createproductswithoutparentinactivestate FROM organization"
    found = connection.execute(sql).fetchone()
    return bool(found and found[0]) and values.get("parentproductid") is None


def base_unit(connection: sqlite3.Connection, schedule: str) -> str | None:
    """Return the base unit of a unit group."""
    sql = "SELECT uomid FROM uom WHERE uomscheduleid = ? AND isschedulebaseuom = 1"
    found = connection.execute(sql, [schedule]).fetchone()
    return found[0] if found else None


def _price(values: Values, before: Values, connection: sqlite3.Connection) -> None:
    """A price-list item has the currency of its list, the name of its product, and a unit of its own (13.2)."""
    row = {**before, **values}
    product = connection.execute("SELECT name, productnumber FROM product WHERE productid = ?", [row.get("productid")])
    values["productidname"], values["productnumber"] = product.fetchone() or (None, None)
    currency = list_currency(connection, row.get("pricelevelid"))
    if values.get("transactioncurrencyid") not in (None, currency):
        raise currency_differs()
    values["transactioncurrencyid"] = currency
    sql = (
        "SELECT productpricelevelid FROM productpricelevel "
        "WHERE pricelevelid = ? AND productid = ? AND uomid = ? AND productpricelevelid IS NOT ?"
    )
    key = [row.get("pricelevelid"), row.get("productid"), row.get("uomid"), before.get("productpricelevelid")]
    if connection.execute(sql, key).fetchone():
        message = "This product and unit combination has a price for this price list."
        raise DataverseError(400, "0x80043B08", message)


def list_currency(connection: sqlite3.Connection, price_list: object) -> str | None:
    """Return the currency of a price list."""
    sql = "SELECT transactioncurrencyid FROM pricelevel WHERE pricelevelid = ?"
    found = connection.execute(sql, [price_list]).fetchone()
    return found[0] if found else None


def currency_differs() -> DataverseError:
    """Return the 400 for a row whose currency is not that of its price list."""
    message = "The currency of the record does not match the currency of the price list."
    return DataverseError(400, "0x80048CEE", message)
