"""The simple SELECT statements that the official SDK sends under `?sql=` (16.1), read into query options."""

import re

from sandbox.errors import bad_request, no_such_column, not_implemented
from sandbox.metadata.catalog import Table
from sandbox.query.options import Options, Ordering

_STATEMENT = re.compile(
    r"\s*SELECT\s+(?:TOP\s+(?P<top>\d{1,9})\s+)?(?P<columns>.+?)\s+FROM\s+(?P<table>\w+)(?:\s+(?:AS\s+)?(?P<alias>"
    r"(?!WHERE\b|ORDER\b|JOIN\b|INNER\b|LEFT\b|GROUP\b|OFFSET\b)\w+))?"
    r"(?:\s+WHERE\s+(?P<where>.+?))?(?:\s+ORDER\s+BY\s+(?P<order>[\w\s.,]+?))?\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|<>|!=|<=|>=|[=<>(),]|[\w.:+-]+)")
_OPERATORS = {"=": "eq", "<>": "ne", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_JOINED = frozenset({"and", "or", "not", "(", ")"})


def parse_sql(text: str, table: Table) -> Options:
    """Read a statement on a table. Raises DataverseError: 400 for nonsense, 501 for what is beyond the subset."""
    match = _STATEMENT.fullmatch(text)
    if match is None:
        if re.match(r"\s*SELECT\b", text, re.IGNORECASE):
            raise not_implemented("joins, groups and offsets in SQL")
        raise bad_request("The SQL statement is not a SELECT.")
    if match["table"].lower() != table.name:
        raise bad_request(f"The SQL statement must select from '{table.name}'.", "0x80041102")
    return Options(
        select=_columns(table, match["columns"]),
        filter=_Where(table, match["where"]).filter() if match["where"] else None,
        orderby=tuple(_order(table, piece) for piece in (match["order"] or "").split(",") if piece.strip()),
        top=int(match["top"]) if match["top"] else None,
    )


def _wire(table: Table, name: str) -> str:
    """Return the property that a column, perhaps behind an alias, is read under."""
    plain = name.rpartition(".")[2].lower()
    column = table.columns.get(plain) or table.by_wire.get(plain)
    if column is None:
        raise no_such_column(plain, table.name)
    return column.wire


def _columns(table: Table, text: str) -> tuple[str, ...] | None:
    if text.strip() == "*":
        return None
    names = [piece.strip() for piece in text.split(",")]
    if not all(re.fullmatch(r"[\w.]+", name) for name in names):
        raise not_implemented("expressions in SQL")
    return tuple(_wire(table, name) for name in names)


def _order(table: Table, text: str) -> Ordering:
    words = text.split()
    if len(words) > 2 or (len(words) == 2 and words[1].lower() not in ("asc", "desc")):
        raise bad_request(f"Syntax error in ORDER BY at '{text.strip()}'.")
    return Ordering((_wire(table, words[0]),), len(words) == 2 and words[1].lower() == "desc")


class _Where:
    """Writes a WHERE clause as `$filter`, token by token."""

    def __init__(self, table: Table, text: str) -> None:
        self.table = table
        self.tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise bad_request(f"Syntax error in WHERE at '{text[position:][:50]}'.")
            self.tokens.append(match[1])
            position = match.end()

    def _take(self, wanted: str = "") -> str:
        if not self.tokens or (wanted and self.tokens[0].lower() != wanted):
            raise bad_request(f"Syntax error in WHERE: expected '{wanted or 'more'}'.")
        return self.tokens.pop(0)

    def _next_is(self, *words: str) -> bool:
        return bool(self.tokens) and self.tokens[0].lower() in words

    def filter(self) -> str:
        """Return the clause as a filter."""
        pieces = []
        while self.tokens:
            pieces.append(self._take().lower() if self._next_is(*_JOINED) else self._test())
        return " ".join(pieces)

    def _test(self) -> str:
        column = _wire(self.table, self._take())
        if self._next_is("is"):
            self._take()
            operator = "ne" if self._next_is("not") and self._take() else "eq"
            self._take("null")
            return f"{column} {operator} null"
        negated = "not " if self._next_is("not") and self._take() else ""
        word = self._take().lower()
        if word in _OPERATORS and not negated:
            return f"{column} {_OPERATORS[word]} {self._take()}"
        if word == "like":
            return f"{negated}{_like(column, self._take())}"
        if word == "in":
            return f"{negated}({' or '.join(f'{column} eq {value}' for value in self._list())})"
        if word == "between":
            low = self._take()
            self._take("and")
            return f"{negated}({column} ge {low} and {column} le {self._take()})"
        raise bad_request(f"Syntax error in WHERE at '{word}'.")

    def _list(self) -> list[str]:
        self._take("(")
        values = [self._take()]
        while self._next_is(","):
            self._take()
            values.append(self._take())
        self._take(")")
        return values


def _like(column: str, literal: str) -> str:
    if not literal.startswith("'"):
        raise bad_request("LIKE needs a text.")
    pattern = literal[1:-1]
    inner = "'" + pattern.strip("%") + "'"
    if pattern.startswith("%"):
        return f"{'contains' if pattern.endswith('%') else 'endswith'}({column},{inner})"
    return f"startswith({column},{inner})" if pattern.endswith("%") else f"{column} eq {inner}"
