"""`manage.py worker`: runs the task queue's cluster and keeps it running."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from crmbridge.processes import manage
from crmbridge.queue_watch import QueueWatch
from crmbridge.supervisor import Program, supervise


class Command(BaseCommand):
    """Supervise one cluster of task workers."""

    help = "Run background work until SIGTERM or Ctrl-C; a crashed cluster is started again."
    requires_system_checks = []  # they load every address, which takes as long as all the rest of a start

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How long work in hand may take when stopping."""
        parser.add_argument(
            "--grace",
            type=float,
            default=float(settings.Q_CLUSTER["timeout"]),
            metavar="SECONDS",
            help="When stopping, wait so long for the work in hand (%(default)s s) before it is killed.",
        )

    def handle(self, *args: Any, grace: float, **options: Any) -> None:
        """Run; the exit code is 0 only where everything stopped in order."""
        cluster = Program("The task queue", manage("qcluster", "--skip-checks"))
        sys.exit(supervise([cluster], grace=grace, meanwhile=QueueWatch(cluster).look))
