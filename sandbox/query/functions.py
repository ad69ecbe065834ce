"""Query functions `Microsoft.Dynamics.CRM.*` as filter terms (dataverse-web-api.md 5.1)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.errors import bad_request, not_implemented
from sandbox.metadata.columns import Column
from sandbox.query import periods
from sandbox.query.literals import comparable
from sandbox.store.folding import folded

if TYPE_CHECKING:
    from sandbox.query.filtering import Filtering


def _values(filtering: "Filtering", column: Column, values: Any) -> list[Any]:
    listed = values if isinstance(values, list) else [values]
    return [comparable(column, value) for value in listed]


def _in(filtering: "Filtering", sql: str, column: Column, values: Any) -> str:
    listed = json.dumps(_values(filtering, column, values))
    return f"{sql} IN (SELECT value FROM json_each({filtering.statement.bind(listed)}))"


def _not_in(filtering: "Filtering", sql: str, column: Column, values: Any) -> str:
    return f"({_in(filtering, sql, column, values)}) IS NOT TRUE"


def _between(filtering: "Filtering", sql: str, column: Column, values: Any) -> str:
    bounds = _values(filtering, column, values)
    if len(bounds) != 2:
        raise bad_request("Between needs two values.")
    low, high = (filtering.statement.bind(bound) for bound in bounds)
    return f"({sql} BETWEEN {low} AND {high})"


def _not_between(filtering: "Filtering", sql: str, column: Column, values: Any) -> str:
    return f"NOT {_between(filtering, sql, column, values)}"


def _contain_values(filtering: "Filtering", sql: str, column: Column, values: Any) -> str:
    listed = values if isinstance(values, list) else [values]
    tests = [f"','||{sql}||',' LIKE {filtering.statement.bind(f'%,{value},%')}" for value in listed]
    return "(" + " OR ".join(tests) + ")"


def _not_contain_values(filtering: "Filtering", sql: str, column: Column, values: Any) -> str:
    return f"{_contain_values(filtering, sql, column, values)} IS NOT TRUE"


def _is_user(filtering: "Filtering", sql: str, column: Column, values: Any) -> str:
    return f"{sql} = {filtering.statement.bind(filtering.statement.user)}"


def _is_not_user(filtering: "Filtering", sql: str, column: Column, values: Any) -> str:
    return f"{sql} IS NOT {filtering.statement.bind(filtering.statement.user)}"


def _under(filtering: "Filtering", sql: str, column: Column, values: Any) -> str:
    return f"{sql} IN ({_descendants(filtering, column, values)}) AND {sql} <> {_root(filtering, column, values)}"


def _under_or_equal(filtering: "Filtering", sql: str, column: Column, values: Any) -> str:
    return f"{sql} IN ({_descendants(filtering, column, values)})"


def _root(filtering: "Filtering", column: Column, values: Any) -> str:
    return filtering.statement.bind(_values(filtering, column, values)[0])


def _descendants(filtering: "Filtering", column: Column, values: Any) -> str:
    """Return the query for a row and all below it, along the table's lookup to itself."""
    table = filtering.source.table
    parent = next((c.name for c in table.columns.values() if c.type == "lookup" and table.name in c.targets), None)
    if parent is None or column.name != table.id:
        raise bad_request(f"The table '{table.name}' has no hierarchy.")
    return (
        f'WITH RECURSIVE tree(id) AS (SELECT {_root(filtering, column, values)} UNION SELECT "{table.id}" '
        f'FROM "{table.name}" JOIN tree ON "{parent}" = tree.id) SELECT id FROM tree'
    )


_TESTS: dict[str, Callable[["Filtering", str, Column, Any], str]] = {
    "In": _in,
    "NotIn": _not_in,
    "Between": _between,
    "NotBetween": _not_between,
    "ContainValues": _contain_values,
    "DoesNotContainValues": _not_contain_values,
    "EqualUserId": _is_user,
    "NotEqualUserId": _is_not_user,
    "Under": _under,
    "UnderOrEqual": _under_or_equal,
}


def function_test(filtering: "Filtering", name: str, sql: str, column: Column, values: Any) -> str:
    """Return the SQL test of a query function. Raises DataverseError: 400 for bad values, 501 for an unknown name."""
    if name in _TESTS:
        return _TESTS[name](filtering, folded(sql) if column.is_text else sql, column, values)
    period = periods.period(name, values)
    if period is None or column.type not in ("datetime", "date"):
        raise not_implemented(f"the query function {name}")
    tests = []
    if period.start is not None:
        tests.append(f"{sql} >= {filtering.statement.bind(period.start)}")
    if period.end is not None:
        tests.append(f"{sql} < {filtering.statement.bind(period.end)}")
    return "(" + " AND ".join(tests) + ")"
