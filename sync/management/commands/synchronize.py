"""`manage.py synchronize`: runs mappings, parents first, with a progress bar and a closing table."""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from connection.errors import CRMBridgeError
from connection.models import CRMConnection
from coupling.models import Direction, TableMapping
from coupling.prerequisites import in_order
from sync.engine.chain import synchronize_all
from sync.engine.run import Progress as ShowProgress
from sync.engine.run import couple
from sync.models import COUNTERS, JobState, SynchJob
from sync.rest import why_at_rest


class Command(BaseCommand):
    """Synchronize mappings now, in this process."""

    help = "Synchronize mappings (all enabled ones, or those named), parents first."
    requires_system_checks = []  # they load every address, which takes as long as all the rest of a start

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The mappings, the direction, and whether everything is looked at."""
        parser.add_argument("mappings", nargs="*", metavar="MAPPING", help="Names such as CUSTOMER; none means all.")
        parser.add_argument("--direction", choices=[each.value for each in Direction], default=Direction.BOTH.value)
        parser.add_argument("--full", action="store_true", help="Look at every record and create missing partners.")
        parser.add_argument("--couple", action="store_true", help="Only couple what matches; create and write nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, show, and exit with 1 where a run or a record failed."""
        mappings = _chosen(options["mappings"])
        console = Console(file=self.stdout, width=None if self.stdout.isatty() else 170)  # type: ignore[arg-type]
        try:
            if reason := why_at_rest():
                raise reason
            client = CRMConnection.enabled().client()
            with _bar(console) as show:
                if options["couple"]:
                    jobs = [couple(mapping, client, progress=show) for mapping in in_order(mappings)]
                else:
                    direction = Direction(options["direction"])
                    jobs = synchronize_all(mappings, client, direction=direction, full=options["full"], progress=show)
        except CRMBridgeError as error:
            raise CommandError(f"{error.text} {error.fix}") from error
        console.print(summary(jobs))
        _complain(jobs)


def _chosen(names: list[str]) -> list[TableMapping]:
    mappings = TableMapping.objects.filter(is_enabled=True)
    if not names:
        return list(mappings)
    wanted = [name.upper() for name in names]
    found = list(mappings.filter(name__in=wanted))
    if missing := set(wanted) - {mapping.name for mapping in found}:
        known = ", ".join(mappings.values_list("name", flat=True)) or _("none")
        raise CommandError(
            _("There is no enabled mapping named %(names)s. There are: %(known)s.")
            % {"names": ", ".join(sorted(missing)), "known": known}
        )
    return found


@contextmanager
def _bar(console: Console) -> Iterator[ShowProgress]:
    """A line a run with the records read so far; yields the function that moves it."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[int, TaskID] = {}

        def show(job: SynchJob) -> None:
            if job.pk not in tasks:
                tasks[job.pk] = bar.add_task(f"{job.mapping.name} · {job.get_direction_display()}", total=None)
            done = job.read if job.finished_at else None
            bar.update(tasks[job.pk], completed=job.read, total=done)

        yield show


def summary(jobs: Sequence[SynchJob]) -> Table:
    """The closing table: a line a job with its counters."""
    table = Table(header_style="bold")
    table.add_column(_("Mapping"), no_wrap=True)
    table.add_column(_("Direction"), no_wrap=True)
    for name in ("read", *COUNTERS):
        table.add_column(str(SynchJob._meta.get_field(name).verbose_name), justify="right", no_wrap=True)  # type: ignore[union-attr]
    for job in jobs:
        counters = [str(getattr(job, name) or "·") for name in ("read", *COUNTERS)]
        table.add_row(job.mapping.name, job.get_direction_display(), *counters)
    return table


def _complain(jobs: Sequence[SynchJob]) -> None:
    stopped = [f"{job.mapping.name}: {job.message_text}" for job in jobs if job.state == JobState.FAILED]
    if stopped:
        raise CommandError("\n".join(dict.fromkeys(stopped)))
    if failed := sum(job.failed for job in jobs):
        raise CommandError(
            ngettext(
                "%(count)d record could not be synchronized; Synch Errors says why.",
                "%(count)d records could not be synchronized; Synch Errors says why.",
                failed,
            )
            % {"count": failed}
        )
