"""Query options of a request: `$select`, `$filter` and the others, with nested ones inside `$expand` (5.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from sandbox.errors import bad_request, not_implemented


@dataclass(frozen=True, slots=True)
class Ordering:
    """One column of `$orderby`."""

    path: tuple[str, ...]
    descending: bool


@dataclass(frozen=True, slots=True)
class Expansion:
    """One navigation property of `$expand` with its own options."""

    name: str
    options: "Options"


@dataclass(frozen=True, slots=True)
class Options:
    """The parsed options. `select` is None when nothing was selected; `aliases` are `@name` parameters."""

    select: tuple[str, ...] | None = None
    filter: str | None = None
    orderby: tuple[Ordering, ...] = ()
    top: int | None = None
    count: bool = False
    expand: tuple[Expansion, ...] = ()
    apply: str | None = None
    skiptoken: str | None = None
    deltatoken: str | None = None
    aliases: dict[str, str] = field(default_factory=dict)

    @property
    def given(self) -> list[str]:
        """The options that change tracking refuses (dataverse-web-api.md 8.2)."""
        pairs = {"$filter": self.filter, "$orderby": self.orderby, "$expand": self.expand, "$top": self.top}
        return [name for name, value in pairs.items() if value]


def split_top_level(text: str, separator: str) -> list[str]:
    """Split at separators outside parentheses and quotes."""
    pieces, depth, quoted, start = [], 0, False, 0
    for index, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == separator and depth == 0:
            pieces.append(text[start:index])
            start = index + 1
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if piece.strip()]


def parse_query(query: str) -> dict[str, str]:
    """Return the decoded parameters of a raw query string."""
    parameters: dict[str, str] = {}
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        if name:
            parameters[unquote_plus(name)] = unquote_plus(value)
    return parameters


def _orderings(text: str) -> tuple[Ordering, ...]:
    orderings = []
    for piece in split_top_level(text, ","):
        path, _, direction = piece.partition(" ")
        if direction.strip() not in ("", "asc", "desc"):
            raise bad_request(f"Syntax error in $orderby at '{piece}'.")
        orderings.append(Ordering(tuple(path.split("/")), direction.strip() == "desc"))
    return tuple(orderings)


def _expansions(text: str, aliases: Mapping[str, str]) -> tuple[Expansion, ...]:
    expansions = []
    for piece in split_top_level(text, ","):
        name, parenthesis, inner = piece.partition("(")
        nested = dict(pair.split("=", 1) for pair in split_top_level(inner[:-1], ";") if "=" in pair)
        if parenthesis and not inner.endswith(")"):
            raise bad_request(f"Syntax error in $expand at '{piece}'.")
        expansions.append(Expansion(name.strip(), parse_options({**nested, **aliases})))
    return tuple(expansions)


def _whole(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise bad_request(f"Invalid value '{text}' for {name} query option found.")
    return int(text)


def parse_options(parameters: Mapping[str, str]) -> Options:
    """Return the options among decoded parameters; unknown ones are left alone. Raises DataverseError (400)."""
    for refused in ("$skip", "$search", "$format"):
        if refused in parameters:
            raise bad_request(f"The query option '{refused}' is not supported.")
    for lacking in ("fetchXml", "sql", "savedQuery", "userQuery"):
        if lacking in parameters:
            raise not_implemented(f"the query option '{lacking}'")
    aliases = {name: value for name, value in parameters.items() if name.startswith("@")}
    orderby = parameters.get("$orderby", "")
    if orderby.startswith("@"):
        orderby = aliases.get(orderby, "")
    select = parameters.get("$select")
    return Options(
        select=tuple(split_top_level(select, ",")) if select and select.strip() != "*" else None,
        filter=parameters.get("$filter") or None,
        orderby=_orderings(orderby),
        top=_whole("$top", parameters.get("$top")),
        count=parameters.get("$count", "").lower() == "true",
        expand=_expansions(parameters.get("$expand", ""), aliases),
        apply=parameters.get("$apply"),
        skiptoken=parameters.get("$skiptoken"),
        deltatoken=parameters.get("$deltatoken"),
        aliases=aliases,
    )
