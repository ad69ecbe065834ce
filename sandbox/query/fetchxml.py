"""FetchXML: its frame, and queries of one table, read into query options (5.4). `linking` reads what goes beyond."""

import json
from dataclasses import dataclass
from urllib.parse import unquote
from xml.etree import ElementTree

from sandbox.errors import bad_request, no_such_column
from sandbox.metadata.catalog import Table
from sandbox.metadata.columns import TEXT_TYPES, Column
from sandbox.query.options import Options, Ordering

_COMPARED = {"eq": "eq", "ne": "ne", "neq": "ne", "gt": "gt", "ge": "ge", "lt": "lt", "le": "le"}
_FUNCTIONS = {
    "in": "In",
    "not-in": "NotIn",
    "between": "Between",
    "not-between": "NotBetween",
    "on": "On",
    "on-or-after": "OnOrAfter",
    "on-or-before": "OnOrBefore",
    "last-x-days": "LastXDays",
    "next-x-days": "NextXDays",
    "today": "Today",
    "yesterday": "Yesterday",
    "eq-userid": "EqualUserId",
    "ne-userid": "NotEqualUserId",
    "contain-values": "ContainValues",
}
_SEVERAL = frozenset({"in", "not-in", "between", "not-between", "contain-values"})
_TEXT = {
    "begins-with": "startswith",
    "ends-with": "endswith",
    "not-begin-with": "startswith",
    "not-end-with": "endswith",
}
Element = ElementTree.Element


@dataclass(frozen=True)
class Fetch:
    """A query in FetchXML: its options, the page that is wanted and where it begins, if a cookie tells."""

    options: Options
    size: int
    page: int
    cookie: str
    total: bool


def parse_fetch(root: Element, entity: Element, table: Table) -> Fetch:
    """Read a query of one table. Raises DataverseError (400)."""
    columns = [column_of(table, item.get("name")).wire for item in entity.findall("attribute")]
    tests = [test for item in entity.findall("filter") if (test := _filter(table, item))]
    orders = [
        Ordering((column_of(table, item.get("attribute")).wire,), item.get("descending") == "true")
        for item in entity.findall("order")
    ]
    options = Options(
        select=tuple(columns) if columns and entity.find("all-attributes") is None else None,
        filter=" and ".join(tests) or None,
        orderby=tuple(orders),
    )
    size, page = page_of(root)
    return Fetch(options, size, page, root.get("paging-cookie", ""), root.get("returntotalrecordcount") == "true")


def page_of(root: Element) -> tuple[int, int]:
    """Return the size and the number of the wanted page; with `top` there is only one, called 0. Raises 400."""
    top = _number(root, "top", 0)
    size = min(top or _number(root, "count", 5000), 5000)
    return size, 0 if top else _number(root, "page", 1)


def parse_frame(text: str, table: Table) -> tuple[Element, Element]:
    """Return `<fetch>` and the `<entity>` in it, which must be the table. Raises DataverseError (400)."""
    root = _root(text)
    entity = root.find("entity")
    if entity is None or entity.get("name") != table.name:
        raise bad_request(f"The FetchXML must query the entity '{table.name}'.", "0x80041102")
    return root, entity


def _root(text: str) -> Element:
    if "<!" in text:
        raise bad_request("Invalid XML: declarations are not allowed.", "0x80040201")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - declarations were refused above
    except ElementTree.ParseError as error:
        raise bad_request(f"Invalid XML: {error}.", "0x80040201") from error
    if root.tag != "fetch":
        raise bad_request("Invalid XML: the root must be <fetch>.", "0x80040201")
    return root


def _number(root: Element, name: str, default: int) -> int:
    text = root.get(name) or str(default)
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or (int(text) == 0 and name != "top"):
        raise bad_request(f"Invalid value '{text}' for '{name}' in FetchXML.")
    return int(text)


def column_of(table: Table, name: str | None) -> Column:
    """Return the column with a logical name. Raises DataverseError (400)."""
    column = table.columns.get(name or "")
    if column is None:
        raise no_such_column(name or "", table.name)
    return column


def _filter(table: Table, item: Element) -> str:
    """Return a filter as `$filter` writes it, in parentheses; an empty one says nothing."""
    tests = [condition_of(table, child) for child in item.findall("condition")]
    tests += [test for child in item.findall("filter") if (test := _filter(table, child))]
    operator = " or " if item.get("type") == "or" else " and "
    return f"({operator.join(tests)})" if tests else ""


def condition_of(table: Table, item: Element) -> str:
    """Return a condition as `$filter` writes it. Raises DataverseError (400)."""
    column, operator = column_of(table, item.get("attribute")), item.get("operator", "")
    values = [child.text or "" for child in item.findall("value")]
    value = item.get("value", values[0] if values else "")
    if operator in ("null", "not-null"):
        return f"{column.wire} {'eq' if operator == 'null' else 'ne'} null"
    if operator in _COMPARED:
        return f"{column.wire} {_COMPARED[operator]} {_literal(column, value)}"
    if operator in _TEXT:
        test = f"{_TEXT[operator]}({column.wire},{_quoted(value)})"
        return f"not {test}" if operator.startswith("not") else test
    if operator in ("like", "not-like"):
        return ("not " if operator == "not-like" else "") + _like(column, value)
    if operator not in _FUNCTIONS:
        raise bad_request(f"The condition operator '{operator}' is not supported.")
    function = f"Microsoft.Dynamics.CRM.{_FUNCTIONS[operator]}(PropertyName='{column.name}'"
    if operator in _SEVERAL:
        return f"{function},PropertyValues={json.dumps(values)})"
    return f"{function},PropertyValue={_quoted(value)})" if value else f"{function})"


def _like(column: Column, pattern: str) -> str:
    inner = _quoted(pattern.strip("%"))
    if pattern.startswith("%"):
        return f"{'contains' if pattern.endswith('%') else 'endswith'}({column.wire},{inner})"
    if pattern.endswith("%"):
        return f"startswith({column.wire},{inner})"
    return f"({column.wire} eq {inner})"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _literal(column: Column, value: str) -> str:
    if column.type == "boolean":
        return {"1": "true", "0": "false"}.get(value, _quoted(value))
    plain = column.type not in TEXT_TYPES and value and all(c.isalnum() or c in "-:.+" for c in value)
    return value if plain else _quoted(value)


def parse_cookie(cookie: str) -> str:
    """Return the place in a paging cookie. Raises DataverseError (400) when it is not ours."""
    if "<!" in cookie:
        raise bad_request("Malformed XML in the paging cookie.")
    try:
        root = ElementTree.fromstring(unquote(unquote(cookie)))  # noqa: S314 - declarations were refused above
    except ElementTree.ParseError as error:
        raise bad_request("Malformed XML in the paging cookie.") from error
    return root.get("position", "")
