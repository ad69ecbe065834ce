"""`manage.py use_default_setup`: the default mappings and option couplings for the connected environment."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from connection.errors import CRMBridgeError
from connection.models import CRMConnection
from coupling.defaults.install import install_defaults
from coupling.options import couple_options
from financials.models import CompanySettings


class Command(BaseCommand):
    """Use default synchronization setup (mappings.md 1)."""

    help = "Create the default mappings that are missing and couple options by label; existing ones stay as they are."
    requires_system_checks = []  # they load every address, which takes as long as all the rest of a start

    def handle(self, *args: Any, **options: Any) -> None:
        """Install and say what is new."""
        local_currency = CompanySettings.current().lcy_code
        if not local_currency:
            raise CommandError(_("Enter the company's local currency (LCY Code) in Company Settings first."))
        try:
            client = CRMConnection.enabled().client()
            created = install_defaults(local_currency, client.organization().base_currency_code)
            coupled = couple_options(client)
        except CRMBridgeError as error:
            raise CommandError(f"{error.text} {error.fix}") from error
        self.stdout.write(_("Mappings created: %(names)s.") % {"names": ", ".join(created) or _("none")})
        self.stdout.write(_("Options coupled: %(count)d.") % {"count": coupled})
