"""Rules of quotes, orders and invoices: numbers, what may be edited, prices and totals (dataverse-web-api.md 13.3)."""

# ruff: noqa: S608 - names in the SQL come from this file, values are bound

import sqlite3
import uuid
from decimal import ROUND_HALF_UP, Decimal

from sandbox import errors
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Table
from sandbox.metadata.columns import MONEY_SCALE
from sandbox.rows.currencies import Values
from sandbox.rows.products import currency_differs, list_currency

# document -> (its lines, the column with its number, how numbers begin)
DOCUMENTS = {
    "quote": ("quotedetail", "quotenumber", "QUO"),
    "salesorder": ("salesorderdetail", "ordernumber", "ORD"),
    "invoice": ("invoicedetail", "invoicenumber", "INV"),
}
LINES = {lines: document for document, (lines, _, _) in DOCUMENTS.items()}
LINE_COLUMNS = ("productid", "uomid", "isproductoverridden", "ispriceoverridden", "quantity", "productdescription")
_STATES = frozenset({"statecode", "statuscode"})
_OPEN = 0
_CENT = MONEY_SCALE // 100


def prepare(table: Table, values: Values, before: Values, connection: sqlite3.Connection) -> None:
    """Complete and check a document, opportunity or line that is about to be written. Raises DataverseError."""
    if table.name in LINES:
        _line(table, values, before, connection)
        return
    _currency(values, before, connection)
    if table.name in DOCUMENTS:
        _document(table, values, before, connection)


def _currency(values: Values, before: Values, connection: sqlite3.Connection) -> None:
    """A document takes the currency of its price list, and must not have another (0x80048CEE)."""
    if values.get("pricelevelid") is None:
        return
    currency = list_currency(connection, values["pricelevelid"])
    if values.setdefault("transactioncurrencyid", before.get("transactioncurrencyid") or currency) != currency:
        raise currency_differs()


def _document(table: Table, values: Values, before: Values, connection: sqlite3.Connection) -> None:
    _, number, prefix = DOCUMENTS[table.name]
    if not before:
        values[number] = (
            values.get(number) or f"{prefix}-{uuid.uuid4().int % 100_000:05}-{uuid.uuid4().hex[:6].upper()}"
        )
    elif before["statecode"] != _OPEN and values.get("statecode") != _OPEN and set(values) - _STATES:
        message = f"The {table.name} cannot be edited because it is not active."
        raise DataverseError(400, errors.INVALID_ARGUMENT, message)
    if not before.get("ispricelocked"):
        values |= totals(connection, table.name, str(before.get(table.id)), {**before, **values})


def totals(connection: sqlite3.Connection, document: str, identity: str, header: Values) -> Values:
    """Return the sums of a document's lines with its own discount and freight; a simple sum, as 17.2 allows."""
    lines = DOCUMENTS[document][0]
    sql = (
        "SELECT coalesce(sum(baseamount), 0), coalesce(sum(manualdiscountamount), 0), coalesce(sum(tax), 0) "
        f"FROM {lines} WHERE {document}id = ?"
    )
    amount, line_discount, tax = connection.execute(sql, [identity]).fetchone()
    net = amount - line_discount
    discount = _cents(Decimal(net) * Decimal(str(header.get("discountpercentage") or 0)) / 100)
    discount += int(header.get("discountamount") or 0)
    before_freight = net - discount
    return {
        "totallineitemamount": net,
        "totallineitemdiscountamount": line_discount,
        "totaldiscountamount": discount + line_discount,
        "totaltax": tax,
        "totalamountlessfreight": before_freight,
        "totalamount": before_freight + int(header.get("freightamount") or 0) + tax,
    }


def _line(table: Table, values: Values, before: Values, connection: sqlite3.Connection) -> None:
    document = LINES[table.name]
    row = {**before, **values}
    locked = "0" if document == "quote" else "ispricelocked"
    sql = f"SELECT statecode, pricelevelid, transactioncurrencyid, {locked} FROM {document} WHERE {document}id = ?"
    parent = connection.execute(sql, [row.get(f"{document}id")]).fetchone()
    if parent is None:
        return  # the check of required columns names the parent
    if parent[0] != _OPEN:
        message = f"The lines cannot be edited because the {document} is not active."
        raise DataverseError(400, errors.INVALID_ARGUMENT, message)
    _what(row)
    values["transactioncurrencyid"] = parent[2]
    if not parent[3] and not row.get("ispriceoverridden") and not row.get("isproductoverridden"):
        _list_price(values, row, parent[1], connection)
    row = {**before, **values}
    values["baseamount"] = _cents(Decimal(str(row.get("quantity") or 0)) * int(row.get("priceperunit") or 0))
    discount, tax = int(row.get("manualdiscountamount") or 0), int(row.get("tax") or 0)
    values["extendedamount"] = int(values["baseamount"] or 0) - discount + tax


def _what(row: Values) -> None:
    """A line names either a product with its unit, or what it is in its own words (13.3)."""
    if row.get("isproductoverridden"):
        if row.get("uomid") is not None:
            message = "You cannot specify both a unit and a product description."
            raise DataverseError(400, "0x80043AFA", message)
        if row.get("productdescription") is None:
            raise DataverseError(400, errors.FIELD_MISSING, "Attribute: productdescription cannot be set to NULL")
    elif row.get("productid") is None:
        raise DataverseError(400, errors.FIELD_MISSING, "Attribute: productid cannot be set to NULL")
    elif row.get("uomid") is None:
        raise DataverseError(400, "0x80043B0D", "The unit Id is missing.")


def _list_price(values: Values, row: Values, price_list: object, connection: sqlite3.Connection) -> None:
    sql = "SELECT amount FROM productpricelevel WHERE pricelevelid = ? AND productid = ? AND uomid = ?"
    found = connection.execute(sql, [price_list, row.get("productid"), row.get("uomid")]).fetchone()
    if found is not None:
        values["priceperunit"] = found[0]
    values["pricingerrorcode"] = 0 if found else 2 if price_list is None else 11


def _cents(amount: Decimal) -> int:
    """Return stored money rounded to hundredths."""
    return int((amount / _CENT).quantize(Decimal(1), ROUND_HALF_UP)) * _CENT
