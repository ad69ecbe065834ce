"""Turn the syntax tree of a filter into an SQL condition."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.errors import bad_request, no_such_column
from sandbox.metadata.columns import TEXT_TYPES, Column
from sandbox.query.building import Source, Statement, linked_to, points_to
from sandbox.query.functions import function_test
from sandbox.query.literals import comparable, incompatible
from sandbox.query.patterns import text_test
from sandbox.query.syntax import (
    Comparison,
    Filter,
    Junction,
    Lambda,
    Literal,
    Negation,
    Path,
    QueryFunction,
    TextMatch,
)
from sandbox.store.folding import folded

_SQL = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_MIRRORED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq", "ne": "ne"}


@dataclass(slots=True)
class Filtering:
    """Compiles filters over one source; `variables` names the rows of enclosing lambdas."""

    statement: Statement
    source: Source
    variables: dict[str, Source] = field(default_factory=dict)

    def condition(self, tree: Filter) -> str:
        """Return the SQL condition of a tree. Raises DataverseError (400) for unknown columns and wrong types."""
        match tree:
            case Junction(operator, tests):
                return _balanced([self.condition(test) for test in tests], operator.upper())
            case Negation(test):
                # Rows for which the inner test is neither true nor false (null columns) belong to the negation.
                return f"({self.condition(test)}) IS NOT TRUE"
            case Comparison():
                return self._comparison(tree)
            case TextMatch():
                return self._text_match(tree)
            case QueryFunction(name, arguments):
                return self._function(name, arguments)
            case Lambda():
                return self._lambda(tree)

    # -- paths

    def path(self, path: Path) -> tuple[str, Column]:
        """Return a column, also behind single-valued navigation properties, as SQL."""
        parts = path.parts
        source = self.source
        if parts[0] in self.variables and len(parts) > 1:
            source, parts = self.variables[parts[0]], parts[1:]
        return self._walk(source, parts)

    def _walk(self, source: Source, parts: tuple[str, ...]) -> tuple[str, Column]:
        name, rest = parts[0], parts[1:]
        if rest:
            return self._through(source, name, rest)
        column = source.table.by_wire.get(name)
        if column is None and name in source.table.navigations:
            column = source.table.navigations[name][0]
        if column is None:
            raise no_such_column(name, source.table.name)
        return source.column(column.name), column

    def _through(self, source: Source, name: str, rest: tuple[str, ...]) -> tuple[str, Column]:
        if name not in source.table.navigations:
            raise no_such_column(name, source.table.name)
        lookup, target = source.table.navigations[name]
        there = self.statement.source(self.statement.catalog.table(target.table))
        inner, column = self._walk(there, rest)
        sql = f"(SELECT {inner} FROM {there.sql} WHERE {points_to(source, lookup, there)})"
        return sql, column

    def comparable(self, path: Path) -> tuple[str, Column]:
        """Return a column as `path` does, in the form in which its values compare."""
        sql, column = self.path(path)
        return (folded(sql) if column.is_text else sql), column

    # -- tests

    def _comparison(self, tree: Comparison) -> str:
        left, right, operator = tree.left, tree.right, tree.operator
        if isinstance(left, Literal):
            left, right, operator = right, left, _MIRRORED[operator]
        if isinstance(left, Literal):
            raise bad_request("A comparison needs at least one column.")
        sql, column = self.comparable(left)
        if isinstance(right, Path):
            return _compared(sql, operator, self.comparable(right)[0])
        if right.kind == "null":
            return _null_test(sql, operator)
        return _compared(sql, operator, self.statement.bind(comparable(column, right.value)))

    def _text_match(self, tree: TextMatch) -> str:
        sql, column = self.path(tree.path)
        if column.type not in TEXT_TYPES:
            raise incompatible(column, tree.text.value)
        return text_test(self.statement, sql, tree.function, str(tree.text.value))

    def _function(self, name: str, arguments: dict[str, Any]) -> str:
        property_name = arguments.get("PropertyName")
        if not isinstance(property_name, str):
            raise bad_request(f"The function '{name}' needs a PropertyName.")
        sql, column = self._property(property_name)
        values = arguments.get("PropertyValues", arguments.get("PropertyValue"))
        if isinstance(values, str) and values.startswith("["):
            values = json.loads(values)
        return function_test(self, name, sql, column, values)

    def _property(self, name: str) -> tuple[str, Column]:
        """Functions name lookups by their column as well as by `_x_value`."""
        column = self.source.table.columns.get(name)
        return self._walk(self.source, (column.wire,)) if column else self.path(Path(tuple(name.split("/"))))

    def _lambda(self, tree: Lambda) -> str:
        child, test = self._children(tree.collection)
        sql = f"SELECT 1 FROM {child.sql} WHERE {test}"
        if tree.test is None:
            return f"EXISTS ({sql})"
        inner = Filtering(self.statement, child, {**self.variables, tree.variable: child}).condition(tree.test)
        if tree.quantifier == "any":
            return f"EXISTS ({sql} AND {inner})"
        return f"NOT EXISTS ({sql} AND ({inner}) IS NOT TRUE)"

    def _children(self, name: str) -> tuple[Source, str]:
        """Return the rows behind a collection, and the test that they belong to our row."""
        table, catalog = self.source.table, self.statement.catalog
        if name in table.associations:
            association = table.associations[name]
            there = self.statement.source(catalog.table(association.table))
            return there, linked_to(there, association, self.source)
        if name not in table.collections:
            raise no_such_column(name, table.name)
        reference = table.collections[name]
        child = self.statement.source(catalog.table(reference.column.table))
        return child, points_to(child, reference.column, self.source)


def _balanced(conditions: list[str], operator: str) -> str:
    """Join conditions two by two: SQLite refuses a chain of more than a thousand."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    left, right = _balanced(conditions[:middle], operator), _balanced(conditions[middle:], operator)
    return f"({left} {operator} {right})"


def _compared(left: str, operator: str, right: str) -> str:
    if operator == "eq":
        return f"{left} = {right}"
    if operator == "ne":
        # Unequal includes rows without a value, as the service's own condition does.
        return f"{left} IS NOT {right}"
    return f"{left} {_SQL[operator]} {right}"


def _null_test(sql: str, operator: str) -> str:
    if operator not in ("eq", "ne"):
        return "0"
    return f"{sql} IS NULL" if operator == "eq" else f"{sql} IS NOT NULL"
