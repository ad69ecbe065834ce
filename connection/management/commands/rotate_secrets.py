"""`manage.py rotate_secrets`: encrypt all stored secrets with the first of CRMBRIDGE_FERNET_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from connection.fields import UnreadableSecret
from connection.rotation import rotate_secrets


class Command(BaseCommand):
    """After it, the keys behind the first are not needed any more."""

    help = _("Encrypts all stored secrets with the first of CRMBRIDGE_FERNET_KEYS.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, and say how many secrets there were."""
        try:
            number = rotate_secrets()
        except UnreadableSecret as error:
            raise CommandError(str(error)) from None
        self.stdout.write(_("Secrets encrypted with the first key: %(number)d.") % {"number": number})
