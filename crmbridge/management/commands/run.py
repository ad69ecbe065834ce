"""`manage.py run`: web and background work on one machine, in one command."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections
from django.utils.translation import gettext as _

from crmbridge.processes import manage, web_server
from crmbridge.queue_watch import QueueWatch
from crmbridge.supervisor import Program, supervise


class Command(BaseCommand):
    """Bring the database up to date, then supervise the web server and the task queue."""

    help = "Run crmbridge on this machine until SIGTERM or Ctrl-C."
    requires_system_checks = []  # they load every address, which takes as long as all the rest of a start

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The port of the web server, and how long work in hand may take when stopping."""
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--grace", type=float, default=20.0, metavar="SECONDS")

    def handle(self, *args: Any, port: int, grace: float, **options: Any) -> None:
        """Run; the exit code is 0 only where everything stopped in order."""
        call_command("migrate", verbosity=0)
        connections.close_all()
        self.stdout.write(_("crmbridge runs on http://localhost:%(port)d. Ctrl-C stops it.") % {"port": port})
        self.stdout.flush()
        cluster = Program("The task queue", manage("qcluster", "--skip-checks"))
        programs = [Program("The web server", web_server(port)), cluster]
        sys.exit(supervise(programs, grace=grace, meanwhile=QueueWatch(cluster).look))
