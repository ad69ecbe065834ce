"""The protocol that both sides speak, so that the engine cannot tell ERP from CRM (DESIGN §4)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol
from uuid import UUID

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.errors import CRMBridgeError
from coupling.errors import ValueUnfit
from coupling.values import Value, decimal_text

Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Column:
    """What a side can store in one field: its kind, its limits, and when it may be written."""

    name: str
    kind: str = "text"  # text, code, integer, decimal, boolean, date, datetime, id
    max_length: int | None = None
    decimals: int | None = None
    can_create: bool = True
    can_update: bool = True

    def as_stored(self, value: Value) -> Value:
        """`value` as this side will hold it: cut to length, rounded, a code in capitals (mappings.md G-7).

        Raises:
            ValueUnfit: the value is no number where a number belongs.
        """
        if value is None:
            return None
        if self.kind == "decimal":
            return decimal_text(self._number(value, self.decimals))
        if self.kind == "integer":
            return int(self._number(value, 0))
        if self.kind in ("text", "code"):
            return self._text(str(value))
        return value

    def _number(self, value: str | int, decimals: int | None) -> Decimal:
        try:
            number = Decimal(value)
            rounded = number if decimals is None else number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        except ArithmeticError:
            rounded = Decimal("NaN")
        if not rounded.is_finite():
            raise ValueUnfit(
                format_lazy(_("“{value}” does not fit {column}, which holds numbers."), value=value, column=self.name)
            )
        return rounded

    def _text(self, text: str) -> str | None:
        text = text.strip().upper() if self.kind == "code" else text
        return (
            text[: self.max_length].rstrip() or None
            if self.max_length and len(text) > self.max_length
            else text or None
        )


@dataclass(frozen=True, slots=True)
class Record:
    """One record as read: its id, the version it was read at, its values, and what people call it."""

    id: UUID
    version: str
    values: Values
    name: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some changed records, the ids of deleted ones, and the cursor that is right once this page is settled (I4).

    `position` is where the same reading goes on after this page, in another process if need be; blank where it ends.
    """

    records: Sequence[Record]
    deleted: Sequence[UUID] = ()
    cursor: str | None = None
    position: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """Values to write into one record: the columns that change only; `version` is the one it was judged at (I2)."""

    id: UUID
    values: Values
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one write: the record as it now is where the side tells, else the error."""

    error: CRMBridgeError | None = None
    record: Record | None = None


class Table(Protocol):
    """One side of a mapping."""

    columns: Mapping[str, Column]
    is_transactional: bool
    """Whether writes belong to the caller's database transaction (the ERP) or are final at once (the CRM)."""

    def changes(self, cursor: str, page_size: int) -> Iterator[Page]:
        """Everything changed since `cursor` (all, where it is blank), page by page, oldest first.

        The position of a page serves as a cursor too.
        """

    def fetch(self, ids: Sequence[UUID]) -> dict[UUID, Record]:
        """The records with these ids, those that exist, at a constant number of requests."""

    def find(self, column: str, values: Sequence[Value]) -> list[Record]:
        """The records whose `column` holds one of `values`, whatever the case of letters."""

    def create(self, rows: Sequence[Write]) -> list[Written]:
        """Create records under the ids given, in order; one outcome each (I6)."""

    def update(self, writes: Sequence[Write]) -> list[Written]:
        """Write changed columns in order; one outcome each (I6).

        Where the record has left the version named, nothing is written: `RecordChanged` or `VersionMismatch` (I2).
        """

    def count(self) -> int:
        """How many records there are, roughly."""

    def accepts(self, record: Record) -> bool:
        """Whether the record is inside the mapping's filter on this side."""
