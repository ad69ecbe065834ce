"""Rules that the service keeps on every write: required columns, state and status, and those of single tables."""

import sqlite3

from sandbox import errors
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Table
from sandbox.rows import documents, products
from sandbox.rows.currencies import Values
from sandbox.webhooks.steps import check_image, check_step

_CATALOG = frozenset({"product", "uom", "productpricelevel"})


def prepare(table: Table, values: Values, before: Values, connection: sqlite3.Connection) -> None:
    """Complete and check a row of the sales tables before its amounts are settled. Raises DataverseError (13)."""
    if table.name in _CATALOG:
        products.prepare(table, values, before, connection)
    elif table.name in documents.DOCUMENTS or table.name in documents.LINES or table.name == "opportunity":
        documents.prepare(table, values, before, connection)
    elif table.name == "post" and before:
        raise errors.not_allowed("PATCH")
    elif table.name == "sdkmessageprocessingstep":
        check_step(values, before)
    elif table.name == "sdkmessageprocessingstepimage":
        check_image(values, before, connection)
    elif table.name == "annotation" and values.get("documentbody") is not None:
        values["isdocument"] = 1
        values["filesize"] = len(str(values["documentbody"])) * 3 // 4


def needed(table: Table) -> list[str]:
    """Return the columns that these rules need to see of a row as it is."""
    names = {
        "product": ["parentproductid"],
        "productpricelevel": ["pricelevelid", "productid", "uomid"],
        "salesorder": ["ispricelocked"],
        "invoice": ["ispricelocked"],
        "sdkmessageprocessingstep": ["stage", "mode"],
        "sdkmessageprocessingstepimage": ["sdkmessageprocessingstepid", "imagetype", "messagepropertyname"],
    }.get(table.name, [])
    if table.name in documents.DOCUMENTS:
        return [*names, "discountpercentage"]
    if table.name in documents.LINES:
        return [*documents.LINE_COLUMNS, f"{documents.LINES[table.name]}id"]
    return names


def check_required(table: Table, values: Values) -> None:
    """Raise 400 when a new row lacks a column that the system itself requires."""
    for name in table.required:
        if values.get(name) is None:
            raise DataverseError(400, errors.FIELD_MISSING, f"Attribute: {name} cannot be set to NULL")


def check_state(table: Table, values: Values, before: Values) -> None:
    """Settle statecode and statuscode, and raise 400 for a pair that does not fit (dataverse-web-api.md 4.8)."""
    if "statecode" not in table.columns or not ("statecode" in values or "statuscode" in values):
        return
    states, statuses = table.columns["statecode"], table.columns["statuscode"]
    state = values.get("statecode", before.get("statecode"))
    state = 0 if state is None else int(state)
    status = values.get("statuscode")
    if status is None:
        unchanged = state == before.get("statecode") and "statuscode" not in values
        values["statuscode"] = before.get("statuscode") if unchanged else statuses.default_option(state)
    elif statuses.options[int(status)].state != state:
        message = (
            f"{status} is not a valid status code for state code {table.name}State.{states.options[state].label} "
            f"on {table.name}."
        )
        raise DataverseError(400, errors.STATE_STATUS, message)


def before_create(table: Table, values: Values, connection: sqlite3.Connection) -> None:
    """Refuse new rows of tables that the system alone fills."""
    if table.name == "organization" and connection.execute("SELECT 1 FROM organization").fetchone():
        raise DataverseError(400, errors.INVALID_ARGUMENT, "The organization cannot be created.")


def before_update(table: Table, values: Values, before: Values, connection: sqlite3.Connection) -> None:
    """Refuse changes that a table does not allow: required columns emptied, the base currency's rate (13.2)."""
    for name, value in values.items():
        if value is None and name in table.required:
            raise DataverseError(400, errors.FIELD_MISSING, f"Attribute: {name} cannot be set to NULL")
    if table.name == "transactioncurrency" and values.get("exchangerate", 1) != 1:
        _refuse_base(connection, str(before[table.id]), "The exchange rate of the base currency cannot be modified.")


def before_delete(table: Table, identity: str, connection: sqlite3.Connection) -> None:
    """Refuse to delete what the system needs: the organization and the base currency."""
    if table.name == "organization":
        raise errors.not_allowed("DELETE")
    if table.name == "transactioncurrency":
        _refuse_base(connection, identity, "The base currency of an organization cannot be deleted.")


def _refuse_base(connection: sqlite3.Connection, identity: str, message: str) -> None:
    if connection.execute("SELECT 1 FROM organization WHERE basecurrencyid = ?", [identity]).fetchone():
        raise DataverseError(400, errors.INVALID_ARGUMENT, message)
