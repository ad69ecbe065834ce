"""Messages of the sales tables: closing, converting, locking and publishing (dataverse-web-api.md 13.1, 13.3)."""

# ruff: noqa: S608 - names in the SQL come from this file, values are bound

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sandbox import errors
from sandbox.addresses import RowAddress, parse_row
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Table
from sandbox.protocol import Answer
from sandbox.query.formatting import LOGICAL_NAME
from sandbox.query.options import Options
from sandbox.rows.documents import DOCUMENTS
from sandbox.rows.finding import require_id
from sandbox.rows.products import ACTIVE, DRAFT, UNDER_REVISION, before_revision
from sandbox.rows.reading import Query
from sandbox.rows.writing import Writer
from sandbox.service import Call

Json = dict[str, Any]
_NOT_COPIED = frozenset({"statecode", "statuscode", "overriddencreatedon", "importsequencenumber"})


# -- closing documents


def _close(
    call: Call, close: str, table: str, states: dict[int, int], default: int, opened: tuple[int, ...], **extra: Any
) -> Answer:
    """Close the row that a close activity names with the given status. Raises DataverseError (400) when it may not."""
    body = call.request.json()
    activity = body.get(close)
    address = activity.get(f"{table}id@odata.bind") if isinstance(activity, dict) else None
    if not isinstance(address, str):
        raise errors.bad_request(f"The parameter '{close}' must name a row under '{table}id@odata.bind'.")
    wanted = body.get("Status", -1)
    status = default if wanted == -1 else wanted
    if status not in states:
        message = f"{status} is not a valid status code to close a {table} with."
        raise DataverseError(400, errors.STATE_STATUS, message)
    with call.store.writing() as connection:
        row = parse_row(call.catalog, address)
        if row.table.name != table:
            raise errors.bad_request(f"'{address}' is no row of '{table}'.")
        identity = require_id(connection, row)
        _check_state(connection, row.table, identity, opened)
        values = {"statecode": states[status], "statuscode": status, **extra}
        call.writer(connection).update(row.table, [(identity, values)])
        call.count("updated")
    return Answer.none()


def _check_state(connection: sqlite3.Connection, table: Table, identity: str, allowed: tuple[int, ...]) -> None:
    sql = f"SELECT statecode FROM {table.name} WHERE {table.id} = ?"
    state = connection.execute(sql, [identity]).fetchone()[0]
    if state not in allowed:
        label = table.columns["statecode"].options[state].label
        message = f"This cannot be done to a {table.name} in the state {label}."
        raise DataverseError(400, errors.STATE_STATUS, message)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def win_quote(call: Call) -> Answer:
    """Win an active quote."""
    return _close(call, "QuoteClose", "quote", {4: 2}, 4, (1,))


def close_quote(call: Call) -> Answer:
    """Close a quote as lost, canceled or revised."""
    return _close(call, "QuoteClose", "quote", {5: 3, 6: 3, 7: 3}, 5, (0, 1))


def fulfill_order(call: Call) -> Answer:
    """Fulfill an order, in full or in part."""
    return _close(call, "OrderClose", "salesorder", {100001: 3, 100002: 3}, 100001, (0, 1))


def cancel_order(call: Call) -> Answer:
    """Cancel an order."""
    return _close(call, "OrderClose", "salesorder", {4: 2}, 4, (0, 1))


def win_opportunity(call: Call) -> Answer:
    """Win an opportunity."""
    return _close(call, "OpportunityClose", "opportunity", {3: 1}, 3, (0,), actualclosedate=_today())


def lose_opportunity(call: Call) -> Answer:
    """Lose an opportunity."""
    return _close(call, "OpportunityClose", "opportunity", {4: 2, 5: 2}, 4, (0,), actualclosedate=_today())


# -- converting


def convert_quote(call: Call) -> Answer:
    """Make an order out of a quote, which is won thereby when it was still active."""
    return _convert(call, "QuoteId", "quote", "salesorder", (1, 2), {"statecode": 2, "statuscode": 4})


def convert_order(call: Call) -> Answer:
    """Make an invoice out of an order."""
    return _convert(call, "SalesOrderId", "salesorder", "invoice", (0, 1, 3), None)


def _convert(
    call: Call, parameter: str, source: str, target: str, allowed: tuple[int, ...], closing: Json | None
) -> Answer:
    body = call.request.json()
    here, there = call.catalog.table(source), call.catalog.table(target)
    call.access.require("Read", here)
    with call.store.writing() as connection:
        identity = require_id(connection, RowAddress(here, str(body.get(parameter, "")).lower()))
        _check_state(connection, here, identity, allowed)
        writer = call.writer(connection)
        writer.require_rows("Read", here, [identity])
        made = _copied(call, writer, here, there, identity)
        if closing and _state(connection, here, identity) == 1:
            writer.update(here, [(identity, closing)])
        call.count("created")
        row = Query(connection, call.catalog, there, _columns(body), user=call.user).row(made)
    assert row is not None
    context = json.dumps(call.context(f"{there.entity_set}/$entity"))
    return Answer.text(f'{{"@odata.context":{context},"@odata.type":"#Microsoft.Dynamics.CRM.{target}",{row.json[1:]}')


def _state(connection: sqlite3.Connection, table: Table, identity: str) -> int:
    return int(connection.execute(f"SELECT statecode FROM {table.name} WHERE {table.id} = ?", [identity]).fetchone()[0])


def _columns(body: Json) -> Options:
    """Return the ColumnSet of a message as options; lookups are named without their wrapping there."""
    columns = body.get("ColumnSet")
    named = columns.get("Columns") if isinstance(columns, dict) and not columns.get("AllColumns") else None
    return Options(select=tuple(str(name) for name in named) if isinstance(named, list) else None)


def _copied(call: Call, writer: Writer, here: Table, there: Table, identity: str) -> str:
    """Copy a document with its lines into a document of another kind; amounts stay as they were."""
    link = {f"{here.id}@odata.bind": f"/{here.entity_set}({identity})"} if here.id in there.navigations else {}
    made = writer.create(there, [_payload(call, here, there, identity, writer.connection) | link])[0]
    lines, new_lines = (call.catalog.table(DOCUMENTS[table.name][0]) for table in (here, there))
    sql = f"SELECT {lines.id} FROM {lines.name} WHERE {here.id} = ? ORDER BY lineitemnumber, seq"
    bind = {f"{there.id}@odata.bind": f"/{there.entity_set}({made})", "ispriceoverridden": True}
    payloads = [
        _payload(call, lines, new_lines, row[0], writer.connection) | bind
        for row in writer.connection.execute(sql, [identity]).fetchall()
    ]
    if payloads:
        writer.create(new_lines, payloads)
    return made


def _payload(call: Call, here: Table, there: Table, identity: str, connection: sqlite3.Connection) -> Json:
    """Return the columns that both tables have, as a body to create a row with."""
    row = Query(connection, call.catalog, here, Options(), (LOGICAL_NAME,), call.user).row(identity)
    assert row is not None
    content: Json = json.loads(row.json, parse_float=Decimal)
    payload: Json = {}
    for name, column in there.columns.items():
        value = content.get(column.wire) if name in here.columns else None
        if value is None or not column.create or name in _NOT_COPIED:
            continue
        if column.is_lookup:
            kind = content[f"{column.wire}@{LOGICAL_NAME}"]
            entity_set = call.catalog.table(kind).entity_set
            payload[f"{column.targets[kind].navigation}@odata.bind"] = f"/{entity_set}({value})"
        else:
            payload[name] = value
    return payload


# -- single rows


def lock_pricing(call: Call, identity: str) -> Answer:
    """Keep an order's prices and totals as they are."""
    return _set_lock(call, identity, True)


def unlock_pricing(call: Call, identity: str) -> Answer:
    """Let an order's prices and totals be computed again."""
    return _set_lock(call, identity, False)


def _set_lock(call: Call, identity: str, locked: bool) -> Answer:
    table = call.catalog.table("salesorder")
    with call.store.writing() as connection:
        call.writer(connection).update(table, [(identity, {})])
        connection.execute("UPDATE salesorder SET ispricelocked = ? WHERE salesorderid = ?", [locked, identity])
    return Answer.none()


def publish_product(call: Call, identity: str) -> Answer:
    """Activate a product, and with a family all its products. Raises 0x8004F90A when it is not open."""
    table = call.catalog.table("product")
    with call.store.writing() as connection:
        if _state(connection, table, identity) not in (DRAFT, UNDER_REVISION):
            message = "You can only publish a product that is in the Draft or Under Revision state."
            raise DataverseError(400, "0x8004F90A", message)
        found = _hierarchy(connection, identity)
        call.writer(connection).update(table, [(row, {"statecode": ACTIVE, "statuscode": 1}) for row in found])
        call.count("updated", len(found))
    return Answer.none()


def _hierarchy(connection: sqlite3.Connection, identity: str) -> list[str]:
    sql = """
        WITH RECURSIVE below(id) AS (
            SELECT :id UNION SELECT p.productid FROM product p JOIN below ON p.parentproductid = below.id
        ) SELECT productid FROM product JOIN below ON below.id = productid WHERE statecode IN (2, 3)
    """
    return [row[0] for row in connection.execute(sql, {"id": identity})]


def revert_product(call: Call, identity: str) -> Answer:
    """End the revision of a product: it is active again, and as it was before (13.1)."""
    table = call.catalog.table("product")
    with call.store.writing() as connection:
        _check_state(connection, table, identity, (UNDER_REVISION,))
        values = before_revision(connection, table, identity)
        writer = call.writer(connection)
        # The columns are put back as they stand in the store; the update after it settles state, amounts and versions.
        if values:
            writer.store_changes(table, [{**values, table.id: identity}])
        writer.update(table, [(identity, {"statecode": ACTIVE, "statuscode": 1})])
        call.count("updated")
    return Answer.none()


def actual_value(call: Call, identity: str) -> Answer:
    """Return what an opportunity brought in: the sum of its orders that were not canceled."""
    call.access.require("Read", call.catalog.table("opportunity"))
    sql = "SELECT coalesce(sum(totalamount), 0) FROM salesorder WHERE opportunityid = ? AND statecode <> 2"
    with call.store.reading() as connection:
        call.writer(connection).require_rows("Read", call.catalog.table("opportunity"), [identity])
        amount = connection.execute(sql, [identity]).fetchone()[0]
    context = call.context("Microsoft.Dynamics.CRM.CalculateActualValueOpportunityResponse")
    return Answer.of({"@odata.context": context, "Value": amount / 10_000})


UNBOUND: dict[str, Callable[[Call], Answer]] = {
    "WinQuote": win_quote,
    "CloseQuote": close_quote,
    "FulfillSalesOrder": fulfill_order,
    "CancelSalesOrder": cancel_order,
    "WinOpportunity": win_opportunity,
    "LoseOpportunity": lose_opportunity,
    "ConvertQuoteToSalesOrder": convert_quote,
    "ConvertSalesOrderToInvoice": convert_order,
}
OF_ROWS: dict[tuple[str, str], tuple[str, Callable[[Call, str], Answer]]] = {
    ("salesorder", "LockSalesOrderPricing"): ("POST", lock_pricing),
    ("salesorder", "UnlockSalesOrderPricing"): ("POST", unlock_pricing),
    ("product", "PublishProductHierarchy"): ("POST", publish_product),
    ("product", "RevertProduct"): ("POST", revert_product),
    ("opportunity", "CalculateActualValueOpportunity"): ("GET", actual_value),
}
# The one message that is documented as bound to its table as well as unbound.
OF_TABLES = {("salesorder", "FulfillSalesOrder"): fulfill_order}
