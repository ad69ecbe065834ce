"""`$apply`: filter, groupby and aggregate (dataverse-web-api.md 5.2)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import re
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from sandbox.access import Access
from sandbox.errors import DataverseError, bad_request
from sandbox.metadata.catalog import Catalog, Table
from sandbox.metadata.columns import MONEY_SCALE, Column
from sandbox.query.building import Statement
from sandbox.query.filtering import Filtering
from sandbox.query.options import Options, split_top_level
from sandbox.query.parser import parse_filter
from sandbox.query.syntax import Path
from sandbox.store.folding import folded

SOURCE_LIMIT = 50_000
_CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_AGGREGATE = re.compile(r"(\$count|[\w/]+)(?: with (\w+))? as (\w+)")
_NAME = re.compile(r"[A-Za-z_]\w*(?:/[A-Za-z_]\w*)*")
_FUNCTIONS = {"sum": "sum", "average": "avg", "min": "min", "max": "max", "countdistinct": "count(DISTINCT"}


@dataclass(slots=True)
class _Plan:
    """What a chain of transformations asks for."""

    conditions: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    aggregates: list[tuple[str, str, str]] = field(default_factory=list)


def _read(plan: _Plan, text: str) -> None:
    """Add one transformation to the plan. Raises DataverseError (400)."""
    match = _CALL.fullmatch(text)
    kind, inner = (match[1], match[2]) if match else ("", "")
    match kind:
        case "filter":
            plan.conditions.append(inner)
        case "aggregate":
            plan.aggregates += [_aggregate(piece) for piece in split_top_level(inner, ",")]
        case "groupby":
            columns, *rest = split_top_level(inner, ",")
            plan.groups += [_name(name) for name in split_top_level(columns.strip("()"), ",")]
            for transformation in rest:
                _read(plan, transformation)
        case _:
            raise bad_request(f"The transformation '{text}' is not supported in $apply.")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise bad_request(f"Syntax error in $apply at '{text}'.")
    return text


def _aggregate(text: str) -> tuple[str, str, str]:
    match = _AGGREGATE.fullmatch(text)
    if match is None or (match[1] != "$count" and match[2] not in _FUNCTIONS):
        raise bad_request(f"Syntax error in $apply at '{text}'.")
    return match[1], match[2] or "", match[3]


def _function(filtering: Filtering, name: str, method: str) -> str:
    """Return an aggregate as SQL; money leaves its ten-thousandths."""
    if name == "$count":
        return "count(*)"
    sql, column = filtering.path(Path(tuple(name.split("/"))))
    function = _FUNCTIONS[method]
    counted = f"{function} {sql})" if "(" in function else f"{function}({sql})"
    return f"{counted} / {MONEY_SCALE}.0" if column.type == "money" and "(" not in function else counted


def aggregate(
    connection: sqlite3.Connection,
    catalog: Catalog,
    table: Table,
    options: Options,
    user: str,
    access: Access | None = None,
) -> list[dict[str, Any]]:
    """Return the groups that `$apply` asks for. Raises DataverseError: 400, also beyond 50 000 source rows."""
    if options.orderby:
        raise bad_request("$orderby is not supported together with $apply.")
    plan = _Plan()
    for transformation in split_top_level(options.apply or "", "/"):
        _read(plan, transformation)
    statement = Statement(catalog, user, access)
    source = statement.source(table)
    filtering = Filtering(statement, source)
    conditions = [filtering.condition(parse_filter(text, options.aliases)) for text in plan.conditions]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    counted = f"SELECT count(*) FROM (SELECT 1 FROM {source.sql}{where} LIMIT {SOURCE_LIMIT + 1})"
    check_size(connection, counted, statement.values)
    columns = [filtering.path(Path(tuple(name.split("/")))) for name in plan.groups]
    groups = [sql for sql, _ in columns]
    values = [_function(filtering, name, method) for name, method, _ in plan.aggregates]
    if not groups and not values:
        raise bad_request("$apply needs groupby or aggregate.")
    names = plan.groups + [alias for _, _, alias in plan.aggregates]
    keys = [folded(sql) if column.is_text else sql for sql, column in columns]
    grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
    sql = f"SELECT {', '.join(groups + values)} FROM {source.sql}{where}{grouped}"
    rows = connection.execute(sql, statement.values)
    kinds = [column for _, column in columns]
    return [dict(zip(names, [*map(_shown, kinds, row), *row[len(kinds) :]], strict=True)) for row in rows]


def _shown(column: Column, value: Any) -> Any:
    """Return a stored value of a group as JSON shows it."""
    if value is None:
        return None
    if column.type == "boolean":
        return bool(value)
    return value / MONEY_SCALE if column.type == "money" else value


def check_size(connection: sqlite3.Connection, counted: str, values: dict[str, Any]) -> None:
    """Raise DataverseError (0x8004E023) when a statement counts more rows than may be aggregated."""
    if connection.execute(counted, values).fetchone()[0] > SOURCE_LIMIT:
        message = f"The maximum record limit of {SOURCE_LIMIT} is exceeded. Reduce the number of records."
        raise DataverseError(400, "0x8004E023", message)
