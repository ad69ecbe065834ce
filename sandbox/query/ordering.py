"""`$orderby` as SQL, and the place in that order where a page ends (5.2, 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.query.filtering import Filtering
from sandbox.query.options import Ordering
from sandbox.query.syntax import Path


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One expression that rows are sorted by."""

    sql: str
    descending: bool


def order_keys(filtering: Filtering, orderby: Sequence[Ordering]) -> list[OrderKey]:
    """Return the sort expressions; the order of arrival comes last and makes the order total."""
    keys = [OrderKey(filtering.comparable(Path(order.path))[0], order.descending) for order in orderby]
    return [*keys, OrderKey(f"{filtering.source.alias}.seq", keys[-1].descending if keys else False)]


def ordering_sql(filtering: Filtering, orderby: Sequence[Ordering]) -> str:
    """Return the ORDER BY clause."""
    return ", ".join(f"{key.sql} DESC" if key.descending else key.sql for key in order_keys(filtering, orderby))


def after(filtering: Filtering, keys: Sequence[OrderKey], values: Sequence[Any]) -> str:
    """Return the test that a row comes after the one with these key values. Nulls sort first."""
    branches = []
    equal: list[str] = []
    for key, value in zip(keys, values, strict=True):
        parameter = filtering.statement.bind(value)
        branches.append(" AND ".join([*equal, _beyond(key, value, parameter)]))
        equal.append(f"{key.sql} IS {parameter}")
    # The bound on the first key repeats what the branches say, so that an index can jump to the place.
    bound = _bound(keys[0], values[0], filtering)
    return bound + "(" + " OR ".join(f"({branch})" for branch in branches) + ")"


def _beyond(key: OrderKey, value: Any, parameter: str) -> str:
    if value is None:
        return "0" if key.descending else f"{key.sql} IS NOT NULL"
    if key.descending:
        return f"({key.sql} < {parameter} OR {key.sql} IS NULL)"
    return f"{key.sql} > {parameter}"


def _bound(key: OrderKey, value: Any, filtering: Filtering) -> str:
    if value is None or key.descending:
        return ""
    return f"{key.sql} >= {filtering.statement.bind(value)} AND "
