"""The syntax tree of `$filter`, and the tokens it is read from (dataverse-web-api.md 5.1)."""

import re
from dataclasses import dataclass
from typing import Any

from sandbox.errors import DataverseError, bad_request

TOKEN = re.compile(
    r"""\s*(?:
    (?P<enum>[A-Za-z_][\w.]*\.[\w.]*'(?:[^']|'')*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"\\]|\\.)*")
  | (?P<guid>[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})
  | (?P<date>\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:?\d\d)?)?)
  | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<alias>@[A-Za-z_]\w*)
  | (?P<name>[A-Za-z_$][\w.$]*(?:/[A-Za-z_$][\w.$]*)*)
  | (?P<mark>[()\[\],:=*])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a filter; `kind` is the name of the group of TOKEN that matched."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Path:
    """A column, reached through zero or more navigation properties."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. `kind` tells a quoted string from a guid, a date, a number, a boolean and null."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`, operator being eq, ne, gt, ge, lt or le."""

    operator: str
    left: "Path | Literal"
    right: "Path | Literal"


@dataclass(frozen=True, slots=True)
class TextMatch:
    """contains, startswith or endswith."""

    function: str
    path: Path
    text: Literal


@dataclass(frozen=True, slots=True)
class Junction:
    """Several tests joined by `and` or `or`."""

    operator: str
    tests: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Negation:
    """`not test`."""

    test: "Filter"


@dataclass(frozen=True, slots=True)
class QueryFunction:
    """`Microsoft.Dynamics.CRM.<name>(PropertyName='x',PropertyValues=[…])`."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lambda:
    """`collection/any(x:test)` or `all`; no test means "has any"."""

    quantifier: str
    collection: str
    variable: str
    test: "Filter | None"


Filter = Comparison | TextMatch | Junction | Negation | QueryFunction | Lambda


def tokenize(text: str) -> list[Token]:
    """Split a filter into tokens. Raises DataverseError (400) at the first character that fits none."""
    tokens: list[Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = TOKEN.match(text, position)
        if not match or match.lastgroup is None:
            raise syntax_error(text, position)
        tokens.append(Token(match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


def syntax_error(text: str, position: int) -> DataverseError:
    """Return the 400 for text that is no filter."""
    return bad_request(f"Syntax error at position {position} in '{text[:200]}'.")
