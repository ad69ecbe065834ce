"""`manage.py check_connection`: test the connection and say how far it gets."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from connection.check import check_connection
from connection.models import CRMConnection, NotConnected


class Command(BaseCommand):
    """Prints the steps of the test; ends with exit code 1 where one fails."""

    help = _("Tests the connection to Dynamics CRM, step by step.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Test the company's connection."""
        connection = CRMConnection.current()
        if connection is None:
            raise CommandError(str(NotConnected()))
        report = check_connection(connection)
        self.stdout.write(str(report))
        if report.error:
            raise CommandError(report.error.technical or str(report.error))
