"""Filters as data: one declaration that decides about a record of either side.

Change tracking takes no `$filter` (dataverse-web-api.md 8.2), so a mapping's filters are applied on our side.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coupling.values import Value

OPERATORS: Mapping[str, Callable[[Value, Any], bool]] = {
    "eq": lambda value, operand: value == operand,
    "ne": lambda value, operand: value != operand,
    "in": lambda value, operand: value in operand,
    "blank": lambda value, _: value is None,
    "filled": lambda value, _: value is not None,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of a filter: `column operator operand`."""

    column: str
    operator: str
    operand: Any = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A mapping's filter on one side: all conditions must hold."""

    conditions: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, lines: Sequence[Sequence[Any]]) -> "Filter":
        """A filter from stored lines such as `["statecode", "eq", 0]` or `["parentcustomerid", "filled"]`.

        Raises:
            ValueError: an operator that does not exist.
        """
        for _, operator, *_operand in lines:
            if operator not in OPERATORS:
                raise ValueError(f"Filters know {', '.join(OPERATORS)}; not {operator!r}.")
        return cls(tuple(Condition(*line) for line in lines))

    @property
    def columns(self) -> list[str]:
        """The columns that the filter looks at."""
        return [condition.column for condition in self.conditions]

    def accepts(self, values: Mapping[str, Value]) -> bool:
        """Whether a record with these values is inside."""
        return all(OPERATORS[each.operator](values.get(each.column), each.operand) for each in self.conditions)
