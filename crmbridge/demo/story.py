"""Tells the demo on the terminal: a line for each step with what came of it and how long it took."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from coupling.models import Direction
from sync.models import COUNTERS, SynchJob


class Story:
    """The teller. Steps that fail raise on; the line says where it was."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, highlight=False, width=None if out.isatty() else 110)
        self._began = time.monotonic()

    def step(self, title: str, act: Callable[[], str]) -> None:
        """Do `act` and tell what it returns."""
        began = time.monotonic()
        try:
            with self._console.status(f"{title} …"):
                outcome = act()
        except BaseException:
            self._line("[red]✗[/]", title, "", time.monotonic() - began)
            raise
        self._line("[green]✓[/]", title, outcome, time.monotonic() - began)

    def heading(self, text: str) -> None:
        """Begin a chapter."""
        self._console.print(f"\n[bold]{text}[/]")

    def jobs(self, jobs: Sequence[SynchJob]) -> None:
        """Show what each run did, leaving out what nothing happened of."""
        jobs = [job for job in jobs if job.read]
        counters = [name for name in ("read", *COUNTERS) if any(getattr(job, name) for job in jobs)]
        table = Table("mapping", "direction", *(Column(name, justify="right") for name in counters), box=SIMPLE)
        for job in jobs:
            way = "to CRM" if job.direction == Direction.TO_CRM else "from CRM"
            table.add_row(job.mapping.name, way, *(str(getattr(job, name) or "·") for name in counters))
        self._console.print(table)

    def items(self, texts: Sequence[str], mark: str = "·") -> None:
        """Show a list."""
        for text in texts:
            self._console.print(f"  {mark} {text}", markup=False, soft_wrap=True)

    def facts(self, facts: Mapping[str, str]) -> None:
        """Show names with what they stand for."""
        for name, value in facts.items():
            self._console.print(f"  {name:<20} [cyan]{value}[/]", soft_wrap=True)

    def verdict(self, problems: Sequence[str]) -> None:
        """Close with what was found."""
        taken = f"{time.monotonic() - self._began:.0f} s"
        if not problems:
            self._console.print(f"\n[bold green]Both sides agree.[/] The whole chain took {taken}.")
            return
        self._console.print(f"\n[bold red]The two sides differ[/] after {taken}:")
        self.items(problems[:20], mark="✗")
        if len(problems) > 20:
            self.items([f"and {len(problems) - 20} more"])

    def _line(self, mark: str, title: str, outcome: str, seconds: float) -> None:
        self._console.print(f"{mark} {title:<18} {outcome} [dim]{seconds:.1f} s[/]", soft_wrap=True)
