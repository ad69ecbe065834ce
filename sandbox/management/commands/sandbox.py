"""`manage.py sandbox`: run a Dynamics CRM to try crmbridge on."""

from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from sandbox.conditions.latency import Latency
from sandbox.conditions.protection import PRESETS
from sandbox.server import Conduct, serve
from sandbox.signin import LIFETIME


class Command(BaseCommand):
    """Starts the sandbox and stays until it is told to stop."""

    help = _("Runs a sandbox: a CRM that speaks the Dataverse Web API over HTTPS, for demos and tests.")
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the command's options."""
        parser.add_argument("--port", type=int, default=8443, help=_("port to listen on; 0 takes a free one"))
        parser.add_argument("--data", type=Path, required=True, help=_("folder for the data and certificates"))
        parser.add_argument("--empty", action="store_true", help=_("start without sales data"))
        parser.add_argument("--latency", default="none", type=_latency, help=_("none, published, or 30+2 (ms)"))
        parser.add_argument("--limits", default="none", choices=PRESETS, help=_("service protection limits"))
        parser.add_argument("--faults", action="store_true", help=_("allow faults to be switched on"))
        parser.add_argument("--token-lifetime", type=int, default=LIFETIME, help=_("seconds that a token lives"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        conduct = Conduct(**{part.name: options[part.name] for part in fields(Conduct)})
        serve(options["data"], options["port"], conduct)


def _latency(text: str) -> str:
    """Check the option where it is given."""
    Latency.parse(text)
    return text
