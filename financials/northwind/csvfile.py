"""Reads a CSV file row by row; a row that cannot be read is reported and does not stop the others."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _


class UnusableFileError(Exception):
    """A file or folder is missing, cannot be opened or has other columns; the message says which."""


@dataclass(frozen=True)
class Line:
    """One row of a file: where it stands, and its values by column, trimmed."""

    file: str
    number: int
    values: dict[str, str]


@dataclass(frozen=True)
class Refusal:
    """A row that did not go in: where it stands, and why."""

    file: str
    number: int
    reason: str

    def __str__(self) -> str:
        return _("%(file)s, line %(number)s: %(reason)s") % vars(self)


def read_lines(path: Path, columns: tuple[str, ...]) -> Iterator[Line | Refusal]:
    """The rows of a UTF-8 file with a header that names at least COLUMNS, each as a line or as a refusal.

    Raises:
        UnusableFileError: the file cannot be opened, or a column is missing.
    """
    try:
        # Bytes that are not UTF-8 survive as surrogates, so that only their own row is refused.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from _lines(path.name, file, columns)
    except OSError as error:
        said = {"file": path, "why": error.strerror}
        raise UnusableFileError(_("%(file)s cannot be read: %(why)s.") % said) from error


def _lines(name: str, file: Iterable[str], columns: tuple[str, ...]) -> Iterator[Line | Refusal]:
    rows = csv.reader(file, strict=True)
    header: list[str] = next(rows, [])
    if missing := [column for column in columns if column not in header]:
        raise UnusableFileError(
            _("%(file)s has no column %(columns)s.") % {"file": name, "columns": ", ".join(missing)}
        )
    while True:
        number = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Refusal(name, number, _("the quotes or commas are broken (%(why)s)") % {"why": error})
            continue
        if row:
            yield _line(name, number, header, row)


def _line(name: str, number: int, header: list[str], row: list[str]) -> Line | Refusal:
    if len(row) != len(header):
        counts = {"found": len(row), "expected": len(header)}
        return Refusal(name, number, _("%(found)s columns instead of %(expected)s") % counts)
    if any("\udc80" <= character <= "\udcff" for value in row for character in value):
        return Refusal(name, number, _("not UTF-8 text; save the file as UTF-8"))
    if any("\x00" in value for value in row):
        return Refusal(name, number, _("contains a NUL character"))
    return Line(name, number, dict(zip(header, (value.strip() for value in row), strict=True)))
