"""`manage.py import_northwind FOLDER`."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from financials.northwind.csvfile import UnusableFileError
from financials.northwind.importing import ImportReport, import_northwind


class Command(BaseCommand):
    """Import Northwind's customers and salespeople; exit code 1 when a row was refused."""

    help = "Imports customers, contacts and salespeople from a folder with Northwind's CSV files. May be repeated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One folder."""
        parser.add_argument("folder", type=Path, help="folder with customers.csv and employees.csv")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        """Import, and state what was done.

        Raises:
            CommandError: a file or the folder cannot be used.
        """
        try:
            report = import_northwind(folder)
        except UnusableFileError as error:
            raise CommandError(str(error)) from error
        self._state(report)
        if report.refusals:
            sys.exit(1)

    def _state(self, report: ImportReport) -> None:
        for model, counts in report.counts.items():
            said = {"table": model._meta.verbose_name_plural, **counts}
            self.stdout.write(_("%(table)s: %(created)d created, %(changed)d changed, %(unchanged)d unchanged") % said)
        for refusal in report.refusals:
            self.stderr.write(str(refusal))
        if report.refusals:
            self.stderr.write(_("%(count)d rows were refused; all others are in.") % {"count": len(report.refusals)})
