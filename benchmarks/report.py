"""What a benchmark hands back: a table with a line for each measure."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

Line = dict[str, str | float | None]


@dataclass(frozen=True)
class Report:
    """A title that says under which conditions was measured, and lines with the same keys."""

    title: str
    lines: Sequence[Line]

    def show(self) -> None:
        """Print the table."""
        table = Table(title=self.title, title_justify="left", header_style="bold")
        for heading in self.lines[0]:
            table.add_column(heading, justify="left" if heading in ("measure", "unit") else "right")
        for line in self.lines:
            table.add_row(*[_text(value) for value in line.values()])
        Console().print(table)

    def as_json(self) -> list[dict[str, str | float | None]]:
        """The lines, each with the title."""
        return [{"benchmark": self.title, **line} for line in self.lines]


def _text(value: str | float | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
