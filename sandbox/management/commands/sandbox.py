"""`manage.py sandbox`: run a Dynamics CRM to try crmbridge on."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext_lazy as _

from sandbox.server import serve


class Command(BaseCommand):
    """Starts the sandbox and stays until it is told to stop."""

    help = _("Runs a sandbox: a CRM that speaks the Dataverse Web API over HTTPS, for demos and tests.")  # type: ignore[assignment]
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the command's options."""
        parser.add_argument("--port", type=int, default=8443, help=str(_("port to listen on; 0 takes a free one")))
        parser.add_argument("--data", type=Path, required=True, help=str(_("folder for the data and certificates")))
        parser.add_argument("--empty", action="store_true", help=str(_("start without sales data")))

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        serve(options["data"], options["port"], empty=options["empty"])
