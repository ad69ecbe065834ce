"""FetchXML that reads several tables, groups, or asks for distinct rows, as one SQL statement (5.4)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from sandbox.errors import bad_request, not_implemented
from sandbox.metadata.columns import MONEY_SCALE, Column
from sandbox.query.building import Source, Statement
from sandbox.query.fetchxml import column_of, condition_of
from sandbox.query.filtering import Filtering
from sandbox.query.formatting import FORMATTED, formatted, json_text, json_value, text
from sandbox.query.options import Options
from sandbox.query.parser import parse_filter
from sandbox.query.shape import Shaping, selected

_JOINS = {"inner": "JOIN", "outer": "LEFT JOIN"}
_AGGREGATES = {"sum": "sum", "avg": "avg", "min": "min", "max": "max", "countcolumn": "count"}
_PARTS = {
    "day": "CAST(strftime('%d', {0}) AS INTEGER)",
    "week": "CAST(strftime('%W', {0}) AS INTEGER) + 1",
    "month": "CAST(strftime('%m', {0}) AS INTEGER)",
    "quarter": "(CAST(strftime('%m', {0}) AS INTEGER) + 2) / 3",
    "year": "CAST(strftime('%Y', {0}) AS INTEGER)",
}


@dataclass(frozen=True, slots=True)
class _Value:
    """A column of the answer: the expression of its JSON, and that of how it reads for a person, if it has one."""

    name: str
    json: str
    label: str | None = None
    group: str = ""


def needs_linking(root: Element) -> bool:
    """Return True for a query that the plain options of one table cannot express."""
    flags = root.get("aggregate") == "true" or root.get("distinct") == "true"
    return flags or root.find("entity//link-entity") is not None or root.find("entity/attribute[@alias]") is not None


class Linking:
    """Compiles `<fetch>` over its linked tables. All raises DataverseError: 400, 403, or 501 for what is missing."""

    def __init__(self, statement: Statement, root: Element, entity: Element, patterns: tuple[str, ...]) -> None:
        self.statement = statement
        self.catalog = statement.catalog
        self.shaping = Shaping(self.statement, patterns)
        self.aggregated = root.get("aggregate") == "true"
        self.distinct = root.get("distinct") == "true"
        self.entity = entity
        self.source = self.statement.source(self.catalog.table(entity.get("name", "")))
        self.sources: dict[str, Source] = {}
        self.joins: list[str] = []
        self.items: list[tuple[Element, str, Source]] = [(entity, "", self.source)]
        for link in entity.findall("link-entity"):
            self._link(link, self.source, inside_outer=False)

    def _link(self, item: Element, parent: Source, *, inside_outer: bool) -> None:
        kind = item.get("link-type", "inner")
        if kind not in _JOINS or (inside_outer and kind == "inner"):
            raise not_implemented(f"the link-type '{kind}' here")
        table = self.catalog.find(item.get("name", ""))
        if table is None:
            raise bad_request(f"The entity with a name = '{item.get('name')}' was not found.", "0x80041102")
        source = self.statement.source(table)
        alias = item.get("alias") or f"{table.name}{len(self.sources) + 1}"
        if alias in self.sources:
            raise bad_request(f"The alias '{alias}' is used more than once in FetchXML.")
        self.sources[alias] = source
        self.items.append((item, f"{alias}.", source))
        met = f"{source.column(column_of(table, item.get('from')).name)} = "
        met += parent.column(column_of(parent.table, item.get("to")).name)
        # What an outer link filters says which rows it finds, not which rows of the parent stay.
        self.joins.append(f"{_JOINS[kind]} {source.sql} ON {' AND '.join([met, *self._filters(item, source)])}")
        for inner in item.findall("link-entity"):
            self._link(inner, source, inside_outer=inside_outer or kind == "outer")

    # -- conditions and order

    def _filters(self, item: Element, source: Source) -> list[str]:
        return [test for child in item.findall("filter") if (test := self._filter(child, source))]

    def _filter(self, item: Element, source: Source) -> str:
        tests = [self._condition(child, source) for child in item.findall("condition")]
        tests += self._filters(item, source)
        operator = " OR " if item.get("type") == "or" else " AND "
        return f"({operator.join(tests)})" if tests else ""

    def _condition(self, item: Element, source: Source) -> str:
        there = self._named(item.get("entityname"), source)
        test = parse_filter(condition_of(there.table, item), {})
        return f"({Filtering(self.statement, there).condition(test)})"

    def _named(self, alias: str | None, source: Source) -> Source:
        if alias and alias not in self.sources:
            raise bad_request(f"The alias '{alias}' names no link-entity.")
        return self.sources[alias] if alias else source

    def _orders(self) -> Iterator[str]:
        for item, _, source in self.items:
            for order in item.findall("order"):
                down = " DESC" if order.get("descending") == "true" else ""
                yield self._ordered(order, source) + down

    def _ordered(self, order: Element, source: Source) -> str:
        alias = order.get("alias")
        if alias and self.aggregated:
            return self._computed(alias)
        there = self._named(order.get("entityname"), source)
        if self.aggregated:
            raise bad_request(
                "An attribute cannot be specified for an order clause of an aggregate query. Use an alias."
            )
        return there.column(column_of(there.table, order.get("attribute")).name)

    def _computed(self, alias: str) -> str:
        """Return what an aggregate query sorts by: the value, before it becomes JSON."""
        for item, _, source in self.items:
            for attribute in item.findall("attribute"):
                if attribute.get("alias") == alias:
                    return self._aggregate(attribute, source)[0]
        raise bad_request(f"The alias '{alias}' names no attribute.")

    # -- columns

    def _aggregate(self, item: Element, source: Source) -> tuple[str, Column]:
        """Return the expression of a grouped or computed attribute, as it is stored, and its column."""
        column = column_of(source.table, item.get("name"))
        sql, function = source.column(column.name), item.get("aggregate", "")
        if item.get("groupby") == "true":
            return self._part(item, sql), column
        if function == "count":
            return "count(*)", column
        if function not in _AGGREGATES:
            raise bad_request(f"The aggregate '{function}' of '{column.name}' is not supported.")
        once = "DISTINCT " if item.get("distinct") == "true" else ""
        return f"{_AGGREGATES[function]}({once}{sql})", column

    def _part(self, item: Element, sql: str) -> str:
        grouping = item.get("dategrouping")
        if grouping is None:
            return sql
        if grouping not in _PARTS:
            raise not_implemented(f"the dategrouping '{grouping}'")
        return _PARTS[grouping].format(sql)

    def _aggregates(self) -> Iterator[_Value]:
        for item, _, source in self.items:
            for attribute in item.findall("attribute"):
                alias = attribute.get("alias")
                if not alias:
                    raise bad_request("Every attribute of an aggregate query needs an alias.")
                sql, column = self._aggregate(attribute, source)
                grouped = attribute.get("groupby") == "true"
                is_plain = grouped and attribute.get("dategrouping") is None
                counted = attribute.get("aggregate") in ("count", "countcolumn")
                group = sql if grouped else ""
                if column.type == "money" and not counted:
                    sql = f"{sql} / {MONEY_SCALE}.0"
                shown = json_value(source, column) if is_plain else json_text(sql)
                label = formatted(self.statement, source, column) if is_plain else f"printf('%,d', {sql})"
                whole = is_plain or counted
                yield _Value(alias, shown, label if whole else None, group)

    def _columns(self) -> Iterator[tuple[str, Source, Column]]:
        """Yield every column of the answer but those of the queried table under their own names."""
        for item, prefix, source in self.items:
            attributes = item.findall("attribute")
            for attribute in attributes:
                column = column_of(source.table, attribute.get("name"))
                if prefix or attribute.get("alias") or self.distinct:
                    own = f"{prefix}{column.name}" if prefix else column.wire
                    yield attribute.get("alias") or own, source, column
            if prefix and item.find("all-attributes") is not None:
                yield from ((f"{prefix}{column.name}", source, column) for column in selected(source.table, None))

    def _row(self) -> str:
        """Return the expression of a row: what the query names, around the queried table's own columns."""
        pieces = list(self.shaping.members(self._columns()))
        if self.distinct and not pieces:
            raise bad_request("A distinct query needs attributes.")
        if self.distinct:
            return f"'{{' || rtrim({' || '.join(pieces)}, ',') || '}}'"
        own = [a for a in self.entity.findall("attribute") if not a.get("alias")]
        names = tuple(column_of(self.source.table, item.get("name")).wire for item in own)
        everything = self.entity.find("all-attributes") is not None
        return self.shaping.row(self.source, Options(select=None if everything else names), pieces)

    # -- statements

    def _from(self) -> str:
        tests = self._filters(self.entity, self.source)
        where = f" WHERE {' AND '.join(tests)}" if tests else ""
        return f"FROM {self.source.sql} {' '.join(self.joins)}{where}"

    def rows(self, size: int, skipped: int) -> str:
        """Return the statement that yields up to `size` rows as JSON."""
        arrival = [f"{source.alias}.seq" for _, _, source in self.items]
        order = ", ".join([*self._orders(), *arrival])
        grouped = "GROUP BY j" if self.distinct else ""
        return f"SELECT {self._row()} AS j {self._from()} {grouped} ORDER BY {order} LIMIT {size} OFFSET {skipped}"

    def groups(self, size: int, skipped: int) -> str:
        """Return the statement that yields the groups of an aggregate query as JSON."""
        values = list(self._aggregates())
        if not values:
            raise bad_request("An aggregate query needs attributes.")
        members = []
        for value in values:
            if value.label and self.shaping.wants(FORMATTED):
                members.append((f"{value.name}@{FORMATTED}", json_text(value.label)))
            members.append((value.name, value.json))
        row = ", ".join(f"{text(name)}, json({shown})" for name, shown in members)
        grouping = ", ".join(value.group for value in values if value.group)
        order = ", ".join([*self._orders(), *([grouping] if grouping else [])])
        return (
            f"SELECT json_object({row}) AS j {self._from()} {f'GROUP BY {grouping}' if grouping else ''} "
            f"{f'ORDER BY {order}' if order else ''} LIMIT {size} OFFSET {skipped}"
        )

    def source_rows(self, limit: int) -> str:
        """Return the statement that counts what an aggregate query reads, no further than `limit`."""
        return f"SELECT count(*) FROM (SELECT 1 {self._from()} LIMIT {limit})"
