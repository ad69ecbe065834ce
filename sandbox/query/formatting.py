"""How stored values become JSON, and how they read for a person (FormattedValue), as SQL expressions (4.7)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

from sandbox.metadata.columns import MONEY_SCALE, Column
from sandbox.query.building import Source, Statement

FORMATTED = "OData.Community.Display.V1.FormattedValue"
LOGICAL_NAME = "Microsoft.Dynamics.CRM.lookuplogicalname"
NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"


def text(value: str) -> str:
    """Return a constant as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def json_text(sql: str) -> str:
    """Return the expression for any text or number as JSON; quoting is saved where there is nothing."""
    return f"CASE WHEN {sql} IS NULL THEN 'null' ELSE json_quote({sql}) END"


def json_value(source: Source, column: Column) -> str:
    """Return the expression for a column's value as JSON."""
    sql = source.column(column.name)
    match column.type:
        case "boolean":
            return f"CASE {sql} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END"
        case "money":
            sign = f"CASE WHEN {sql} < 0 THEN '-' ELSE '' END"
            amount = f"printf('%s%d.%04d', {sign}, abs({sql})/10000, abs({sql})%10000)"
            return f"CASE WHEN {sql} IS NULL THEN 'null' ELSE {amount} END"
        case "integer" | "bigint" | "picklist" | "state" | "status":
            return f"coalesce({sql}, 'null')"
    # Ids and dates hold nothing that JSON escapes.
    if column.is_lookup or column.type in ("uniqueidentifier", "datetime", "date"):
        return f"""coalesce('"' || {sql} || '"', 'null')"""
    return json_text(sql)


def formatted(statement: Statement, source: Source, column: Column) -> str | None:
    """Return the expression for the column as people read it, or None for columns that have no such form."""
    sql = source.column(column.name)
    if column.is_lookup:
        return _lookup_name(statement, source, column)
    match column.type:
        case "boolean":
            return f"CASE {sql} WHEN 1 THEN 'Yes' ELSE 'No' END"
        case "picklist" | "state" | "status":
            choices = " ".join(f"WHEN {option.value} THEN {text(option.label)}" for option in column.options.values())
            return f"CASE {sql} {choices} END"
        case "datetime":
            return _moment(sql)
        case "date":
            return _day(sql)
        case "integer" | "bigint":
            return f"printf('%,d', {sql})"
        case "decimal" | "double":
            return f"printf('%.{column.precision}f', {sql})"
        case "money":
            return _amount(statement, source, sql)
    return None


def _lookup_name(statement: Statement, source: Source, column: Column) -> str:
    """Return the primary name of the row that a lookup points to."""
    names = {}
    for target in column.targets.values():
        table = statement.catalog.table(target.table)
        there = statement.whole(table)
        test = f"{there.column(table.id)} = {source.column(column.name)}"
        names[target.table] = f"(SELECT {there.column(table.primary)} FROM {there.sql} WHERE {test})"
    if not column.is_polymorphic:
        return next(iter(names.values()), "NULL")
    choices = " ".join(f"WHEN {text(table)} THEN {name}" for table, name in names.items())
    return f"CASE {source.column(column.type_column)} {choices} END"


def logical_name(source: Source, column: Column) -> str:
    """Return the name of the table that a lookup points to."""
    if column.is_polymorphic:
        return source.column(column.type_column)
    return text(next(iter(column.targets), ""))


def navigation(source: Source, column: Column) -> str:
    """Return the navigation property through which a lookup is written."""
    if column.is_polymorphic:
        pairs = ((target.table, target.navigation) for target in column.targets.values())
        choices = " ".join(f"WHEN {text(table)} THEN {text(name)}" for table, name in pairs)
        return f"CASE {source.column(column.type_column)} {choices} END"
    return text(next((target.navigation for target in column.targets.values()), ""))


def _day(sql: str) -> str:
    parts = (f"CAST(strftime('%{part}', {sql}) AS INTEGER)" for part in "mdY")
    return "printf('%d/%d/%d', " + ", ".join(parts) + ")"


def _moment(sql: str) -> str:
    hour = f"CAST(strftime('%H', {sql}) AS INTEGER)"
    half = f"CASE WHEN {hour} < 12 THEN 'AM' ELSE 'PM' END"
    clock = f"printf(' %d:%s %s', ({hour} + 11) % 12 + 1, strftime('%M', {sql}), {half})"
    return f"{_day(sql)} || {clock}"


def _amount(statement: Statement, source: Source, sql: str) -> str:
    currency = statement.whole(statement.catalog.table("transactioncurrency"))
    test = f"{currency.column('transactioncurrencyid')} = {source.column('transactioncurrencyid')}"
    symbol = f"(SELECT {currency.column('currencysymbol')} FROM {currency.sql} WHERE {test})"
    cents = f"(abs({sql}) + 50) / {MONEY_SCALE // 100}"
    sign = f"CASE WHEN {sql} < 0 THEN '-' ELSE '' END"
    return f"printf('%s%s%,d.%02d', {sign}, coalesce({symbol}, ''), {cents} / 100, {cents} % 100)"
