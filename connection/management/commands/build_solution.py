"""`manage.py build_solution`: write the solution's package to a file, for whoever imports it by hand."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from connection.solution import build, shipped


class Command(BaseCommand):
    """The same package that the assisted setup imports; the same files make the same bytes."""

    help = _("Builds the Dynamics CRM solution package.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where the package goes."""
        parser.add_argument("--output", type=Path, help=_("File to write; by default named after the version."))

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the package and say where it is."""
        solution = shipped()
        name = f"{solution.unique_name}_{solution.version.replace('.', '_')}_managed.zip"
        output: Path = options["output"] or Path(name)
        try:
            output.write_bytes(build())
        except OSError as error:
            raise CommandError(_("The file cannot be written: %(reason)s") % {"reason": error}) from None
        self.stdout.write(_("Wrote version %(version)s to %(file)s.") % {"version": solution.version, "file": output})
