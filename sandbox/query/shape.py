"""The JSON of a row as one SQL expression: selected columns, annotations and expanded rows (4.3, 5.2).

SQLite builds the text itself. A page of thousands of rows thereby never becomes Python objects, and its work does not
hold up the other requests.
"""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sandbox.errors import bad_request, no_such_column
from sandbox.metadata.catalog import Association, Reference, Table
from sandbox.metadata.columns import Column, Target
from sandbox.query.building import Source, Statement, linked_to, points_to
from sandbox.query.filtering import Filtering
from sandbox.query.formatting import (
    FORMATTED,
    LOGICAL_NAME,
    NAVIGATION,
    formatted,
    json_text,
    json_value,
    logical_name,
    navigation,
    text,
)
from sandbox.query.options import Expansion, Options
from sandbox.query.ordering import ordering_sql
from sandbox.query.parser import parse_filter

# SQLite takes at most 127 arguments in a function call, and the format is one of them.
_MOST_MEMBERS = 126
MAX_EXPANSIONS = 15
MAX_CHILDREN = 5000


@dataclass(frozen=True, slots=True)
class Shaping:
    """Builds row expressions for one statement; `annotations` are the patterns of `odata.include-annotations`."""

    statement: Statement
    annotations: tuple[str, ...] = ()

    def wants(self, annotation: str) -> bool:
        """Return True when the client asked for this annotation."""
        return any(fnmatchcase(annotation, pattern) for pattern in self.annotations)

    def row(self, source: Source, options: Options, more: Iterable[str] = ()) -> str:
        """Return the expression for the JSON of a row; `more` are further members, each ending in a comma.

        Raises DataverseError (400).
        """
        etag = json_text(f"'W/\"' || {source.column('versionnumber')} || '\"'")
        key = (source.table.id, json_value(source, source.table.columns[source.table.id]))
        columns = ((column.wire, source, column) for column in selected(source.table, options.select))
        pieces = self.members(columns, [("@odata.etag", etag)])
        expanded = [self._expansion(source, expansion) for expansion in options.expand]
        # The primary key closes the object: it is never left out, so that every piece before may end in a comma.
        return " || ".join(["'{'", *pieces, *more, *expanded, _members([key], "}")])

    def members(
        self, columns: Iterable[tuple[str, Source, Column]], first: Iterable[tuple[str, str]] = ()
    ) -> Iterator[str]:
        """Yield the members of an object for columns under their names piece by piece, each ending in a comma."""
        pairs = list(first)
        for name, source, column in columns:
            annotated = list(self._annotations(name, source, column))
            if pairs and (annotated or len(pairs) == _MOST_MEMBERS):
                yield _members(pairs, ",")
                pairs = []
            yield from annotated
            pairs.append((name, json_value(source, column)))
        if pairs:
            yield _members(pairs, ",")

    def _annotations(self, name: str, source: Source, column: Column) -> Iterator[str]:
        """Yield the annotations of a column; they precede it and are left out when it is null."""
        made: list[tuple[str, str]] = []
        if self.annotations and self.wants(FORMATTED):
            value = formatted(self.statement, source, column)
            made += [(FORMATTED, value)] if value else []
        if self.annotations and column.is_lookup:
            made += [(NAVIGATION, navigation(source, column))] if self.wants(NAVIGATION) else []
            made += [(LOGICAL_NAME, logical_name(source, column))] if self.wants(LOGICAL_NAME) else []
        if made:
            members = _members([(f"{name}@{annotation}", json_text(value)) for annotation, value in made], ",")
            yield f"CASE WHEN {source.column(column.name)} IS NULL THEN '' ELSE {members} END"

    # -- expanded rows

    def _expansion(self, source: Source, expansion: Expansion) -> str:
        name, table = expansion.name, source.table
        name, _, reference_only = name.partition("/")
        if reference_only and reference_only != "$ref":
            raise bad_request(f"Found a path '{expansion.name}' in $expand.")
        if reference_only:
            return f"{text(_key(name))} || {self._reference(source, name)} || ','"
        if name in table.navigations:
            value = self._single(source, *table.navigations[name], expansion.options)
        elif name in table.collections:
            value = self._collection(source, table.collections[name], expansion.options)
        elif name in table.associations:
            value = self._associated(source, table.associations[name], expansion.options)
        else:
            raise no_such_column(name, table.name)
        return f"{text(_key(name))} || {value} || ','"

    def _reference(self, source: Source, name: str) -> str:
        """Return the JSON of a lookup as the address of its row, relative to the service root."""
        if name not in source.table.navigations:
            raise bad_request(f"Only a lookup can be expanded as '{name}/$ref'.")
        column, target = source.table.navigations[name]
        there = self.statement.source(self.statement.catalog.table(target.table))
        address = (
            f"json_object('@odata.id', {text(f'{there.table.entity_set}(')} || {there.column(there.table.id)} || ')')"
        )
        return f"coalesce((SELECT {address} FROM {there.sql} WHERE {points_to(source, column, there)}), 'null')"

    def _single(self, source: Source, column: Column, target: Target, options: Options) -> str:
        there = self.statement.source(self.statement.catalog.table(target.table))
        row = self.row(there, options)
        return f"coalesce((SELECT {row} FROM {there.sql} WHERE {points_to(source, column, there)}), 'null')"

    def _collection(self, source: Source, reference: Reference, options: Options) -> str:
        child = self.statement.source(self.statement.catalog.table(reference.column.table))
        return self._rows(child, points_to(child, reference.column, source), options)

    def _associated(self, source: Source, association: Association, options: Options) -> str:
        if options.expand:
            raise bad_request(
                f"The many-to-many navigation property '{association.relationship}' cannot expand further."
            )
        there = self.statement.source(self.statement.catalog.table(association.table))
        return self._rows(there, linked_to(there, association, source), options)

    def _rows(self, child: Source, where: str, options: Options) -> str:
        """Return the JSON list of the rows of a source that pass a condition and the nested options."""
        _check_nested(options)
        filtering = Filtering(self.statement, child)
        if options.filter:
            where += f" AND {filtering.condition(parse_filter(options.filter, options.aliases))}"
        order = ordering_sql(filtering, options.orderby)
        limit = min(options.top or MAX_CHILDREN, MAX_CHILDREN)
        rows = f"SELECT {self.row(child, options)} AS j FROM {child.sql} WHERE {where} ORDER BY {order} LIMIT {limit}"
        return f"'[' || coalesce((SELECT group_concat(j, ',') FROM ({rows})), '') || ']'"


def _check_nested(options: Options) -> None:
    if options.expand and (options.orderby or options.top is not None):
        raise bad_request("Only $select and $filter clause can be provided while doing $expand on many-to-one.")


def _key(name: str) -> str:
    return f'"{name}":'


def _members(pairs: list[tuple[str, str]], end: str) -> str:
    """Return the members of a JSON object as text with `end` behind them; the values are JSON already.

    The names stand in the format, so that SQLite copies them instead of escaping them again for every row.
    """
    names = ",".join(f'"{name}":%s' for name, _ in pairs)
    return f"printf({text(names + end)}, {', '.join(value for _, value in pairs)})"


def selected(table: Table, select: tuple[str, ...] | None) -> list[Column]:
    """Return the columns that a row shows besides its primary key. Raises DataverseError (400) for an unknown one."""
    if select is None:
        return [column for column in table.columns.values() if column.name != table.id and column.read]
    columns: dict[str, Column] = {}
    for name in select:
        column = table.by_wire.get(name)
        if column is None and name not in table.navigations:
            raise no_such_column(name, table.name)
        if column is not None and column.read:
            columns[column.name] = column
            if column.name in table.composites:
                columns.setdefault(table.composites[column.name].name, table.composites[column.name])
            if column.type == "money" and "transactioncurrencyid" in table.columns:
                columns.setdefault("transactioncurrencyid", table.columns["transactioncurrencyid"])
    columns.pop(table.id, None)
    return list(columns.values())


def check_expansions(options: Options) -> None:
    """Raise DataverseError (400) when a query expands more than the service allows."""
    if _count(options) > MAX_EXPANSIONS:
        raise bad_request(f"The number of $expand exceeds the limit of {MAX_EXPANSIONS}.")


def _count(options: Options) -> int:
    return sum(1 + _count(expansion.options) for expansion in options.expand)
