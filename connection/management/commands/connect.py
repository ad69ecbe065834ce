"""`manage.py connect`: set up the connection to Dynamics CRM, test it and enable it."""

import json
import os
from argparse import ArgumentParser
from collections.abc import Mapping
from getpass import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from connection.check import enable
from connection.dataverse.certificate import CertificateUnusable
from connection.models import CRMConnection

SECRET_VARIABLE = "CRMBRIDGE_CLIENT_SECRET"  # noqa: S105 -- the name of the variable, not a secret


class Command(BaseCommand):
    """Takes the settings from a file or from options; never the secret, which others would see on the command line.

    With `--certificate`, no secret is asked for.
    """

    help = _("Sets up, tests and enables the connection to Dynamics CRM.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A file as the sandbox writes it, or the settings one by one."""
        parser.add_argument("--from-file", type=Path, help=_("JSON with address, tenant, client_id, client_secret."))
        parser.add_argument("--address", help=_("Address of the Dynamics CRM environment."))
        parser.add_argument("--tenant", help=_("Directory (tenant) ID or domain."))
        parser.add_argument("--client-id", help=_("Application (client) ID."))
        parser.add_argument("--certificate", type=Path, help=_("PEM file with the private key and the certificate."))
        parser.add_argument("--authority", help=_("Login server, where it is not Microsoft's."))

    def handle(self, *args: Any, **options: Any) -> None:
        """Store the settings, test them, and enable the connection where the test passes."""
        settings = _settings(options)
        connection = CRMConnection.current() or CRMConnection()
        connection.address, connection.authority = settings["address"], settings.get("authority") or ""
        connection.tenant_id, connection.client_id = settings["tenant"], settings["client_id"]
        _set_credential(connection, settings, options.get("certificate"))
        connection.save()
        report = enable(connection)
        self.stdout.write(str(report))
        if report.error:
            raise CommandError(report.error.technical or str(report.error))


def _settings(options: Mapping[str, Any]) -> dict[str, str]:
    given = {name: options[name] for name in ("address", "tenant", "client_id", "authority") if options[name]}
    settings: dict[str, str] = _file(options["from_file"]) | given
    if missing := [name for name in ("address", "tenant", "client_id") if not settings.get(name)]:
        raise CommandError(_("Missing: %(names)s.") % {"names": ", ".join(missing)})
    return settings


def _set_credential(connection: CRMConnection, settings: Mapping[str, str], certificate: Path | None) -> None:
    """The certificate where one is named, else the secret of the file, of the environment, or as typed."""
    if certificate is None:
        typed = settings.get("client_secret") or os.environ.get(SECRET_VARIABLE)
        connection.set_secret(typed or getpass(_("Client secret: ")))
        return
    try:
        connection.set_certificate(certificate.read_text("ascii", "replace"))
    except (OSError, CertificateUnusable) as error:
        raise CommandError(_("The certificate cannot be used: %(reason)s") % {"reason": error}) from None


def _file(path: Path | None) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text())) if path else {}
    except (OSError, ValueError) as error:
        raise CommandError(_("The file cannot be used: %(reason)s") % {"reason": error}) from None
