"""`manage.py connect`: set up the connection to Dynamics CRM, test it and enable it, by the form that the pages use."""

import json
import os
from argparse import ArgumentParser
from collections.abc import Mapping
from getpass import getpass
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from connection.check import enable
from connection.forms import ConnectionForm
from connection.models import CRMConnection, SettingsLocked

SECRET_VARIABLE = "CRMBRIDGE_CLIENT_SECRET"  # noqa: S105 -- the name of the variable, not a secret


class Command(BaseCommand):
    """Takes the settings from a file or from options; never the secret, which others would see on the command line.

    With `--certificate`, no secret is asked for.
    """

    help = _("Sets up, tests and enables the connection to Dynamics CRM.")
    requires_system_checks = []  # they load every address, which takes as long as all the rest of a start

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A file as the sandbox writes it, or the settings one by one."""
        parser.add_argument("--from-file", type=Path, help=_("JSON with address, tenant, client_id, client_secret."))
        parser.add_argument("--address", help=_("Address of the Dynamics CRM environment."))
        parser.add_argument("--tenant", help=_("Directory (tenant) ID or domain."))
        parser.add_argument("--client-id", help=_("Application (client) ID."))
        parser.add_argument("--certificate", type=Path, help=_("PEM file with the private key and the certificate."))
        parser.add_argument("--authority", help=_("Login server, where it is not Microsoft's."))

    def handle(self, *args: Any, **options: Any) -> None:
        """Store the settings, test them, and enable the connection where the test passes.

        The settings of an enabled connection are not touched.
        """
        _refuse_enabled(CRMConnection.current())
        settings = _settings(options)
        files, secret = _credential(settings, options.get("certificate"))
        with transaction.atomic():
            connection = CRMConnection.objects.select_for_update().order_by("pk").first() or CRMConnection()
            form = ConnectionForm(_input(connection, settings) | secret, files, instance=connection)
            if not form.is_valid():
                raise CommandError(_said(form))
            form.save()
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


def _refuse_enabled(connection: CRMConnection | None) -> None:
    """Before anything is asked for; the form refuses too, where somebody enables it meanwhile."""
    if connection and connection.is_enabled:
        raise CommandError(str(SettingsLocked()))


def _credential(settings: Mapping[str, str], certificate: Path | None) -> tuple[dict[str, File[bytes]], dict[str, str]]:
    """The certificate where one is named, else the secret of the file, of the environment, or as typed."""
    if certificate is None:
        typed = settings.get("client_secret") or os.environ.get(SECRET_VARIABLE)
        return {}, {"new_secret": typed or getpass(_("Client secret: "))}
    try:
        return {"new_certificate": SimpleUploadedFile(certificate.name, certificate.read_bytes())}, {}
    except OSError as error:
        raise CommandError(_("The file cannot be used: %(reason)s") % {"reason": error}) from None


def _input(connection: CRMConnection, settings: Mapping[str, str]) -> dict[str, str]:
    given = {name: settings.get(name) or "" for name in ("address", "client_id", "authority")}
    return {"name": connection.name, "tenant_id": settings["tenant"], **given}


def _said(form: ConnectionForm) -> str:
    """What is wrong, as a person reads it on the form."""
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


def _file(path: Path | None) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text())) if path else {}
    except (OSError, ValueError) as error:
        raise CommandError(_("The file cannot be used: %(reason)s") % {"reason": error}) from None
