"""Filters, selections and orders on definitions and other small lists, which are dictionaries and not rows (3.1)."""

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.errors import bad_request, not_implemented
from sandbox.query.options import Options
from sandbox.query.parser import parse_filter
from sandbox.query.syntax import Comparison, Filter, Junction, Literal, Negation, Path, QueryFunction, TextMatch

Json = dict[str, Any]


def matches(item: Mapping[str, Any], tree: Filter) -> bool:
    """Return True when the item passes the filter. Raises DataverseError (501) for what definitions do not support."""
    match tree:
        case Junction("and", tests):
            return all(matches(item, test) for test in tests)
        case Junction(_, tests):
            return any(matches(item, test) for test in tests)
        case Negation(test):
            return not matches(item, test)
        case Comparison(operator, left, right):
            return _compare(operator, _value(item, left), _value(item, right))
        case TextMatch(function, path, text):
            return _text(function, str(_value(item, path) or "").lower(), str(text.value).lower())
        case QueryFunction("In", arguments):
            return str(item.get(arguments["PropertyName"])) in [str(value) for value in arguments["PropertyValues"]]
    raise not_implemented("this filter on definitions")


def _value(item: Any, operand: Path | Literal) -> Any:
    if isinstance(operand, Literal):
        return operand.value
    for part in operand.parts:
        item = item.get(part) if isinstance(item, Mapping) else None
    return item


def _compare(operator: str, left: Any, right: Any) -> bool:
    if operator in ("eq", "ne"):
        return bool(_folded(left) == _folded(right)) == (operator == "eq")
    if left is None or right is None:
        return False
    try:
        return bool({"gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right}[operator])
    except TypeError as error:
        raise bad_request("A binary operator with incompatible types was detected.") from error


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _text(function: str, value: str, text: str) -> bool:
    tests = {"contains": text in value, "startswith": value.startswith(text), "endswith": value.endswith(text)}
    return tests[function]


def choose(items: Iterable[Json], options: Options) -> list[Json]:
    """Return the items that pass `$filter`, sorted by `$orderby`, at most `$top`."""
    tree = parse_filter(options.filter, options.aliases) if options.filter else None
    found = [item for item in items if tree is None or matches(item, tree)]
    for order in reversed(options.orderby):
        found.sort(key=lambda item: str(_value(item, Path(order.path))), reverse=order.descending)
    return found[: options.top]


def project(item: Json, options: Options, always: Iterable[str]) -> Json:
    """Return the selected properties of an item, with those that always come back and its annotations."""
    if options.select is None:
        return item
    kept = {*options.select, *always}
    return {name: value for name, value in item.items() if name in kept or name.startswith("@")}
