"""`manage.py preflight`: finds what would go wrong before anything is written."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from connection.preflight.finding import Level
from coupling.preflight.check import Stage, checked


class Command(BaseCommand):
    """Print the findings, group by group; exits with 1 where something stands in the way."""

    help = "Check both sides of the enabled mappings before anything is written."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which part, and whether for a machine."""
        parser.add_argument("--stage", choices=Stage.values, help="Only this part of the checks.")
        parser.add_argument("--json", action="store_true", help="Print JSON, as the API answers.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check and print."""
        report = checked(Stage(options["stage"]) if options["stage"] else None)
        self.stdout.write(json.dumps(report.to_json(), indent=2) if options["json"] else str(report))
        if report.level == Level.BLOCKER:
            raise CommandError(_("Something stands in the way."))
