"""The shape of a default mapping: plain data, free of the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connection.errors import Text
from coupling.models import Direction


@dataclass(frozen=True, slots=True)
class DefaultField:
    """One row of a default mapping (mappings.md §0.1 explains the flags)."""

    erp_field: str
    crm_column: str
    direction: Direction = Direction.BOTH
    lookup: str = ""
    is_local_currency_when_blank: bool = False
    options_of: str = ""
    clear_on_failed: bool = False
    not_null: bool = False
    match_priority: int | None = None
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class DefaultMapping:
    """One default table mapping with its fields, in order; `about` tells whoever chooses it what it is good for."""

    name: str
    erp_table: str
    crm_table: str
    direction: Direction
    fields: Sequence[DefaultField]
    erp_key: str = "no"
    erp_filter: Sequence[Sequence[Any]] = ()
    crm_filter: Sequence[Sequence[Any]] = ()
    erp_template: Mapping[str, Any] = field(default_factory=dict)
    crm_template: Mapping[str, Any] = field(default_factory=dict)
    about: Text = ""

    @property
    def needs(self) -> set[str]:
        """The names of the mappings whose records must be coupled first."""
        return {row.lookup for row in self.fields if row.lookup and row.is_enabled and not row.clear_on_failed}
