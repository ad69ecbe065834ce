"""What goes with switching the connection on and off; mappings, couplings, jobs and the customer's changes stay."""

import logging

from django.contrib.auth.models import User
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.check import disable
from connection.errors import CRMBridgeError
from connection.models import CRMConnection
from coupling.environment import refuse_foreign_couplings
from coupling.options import couple_options

log = logging.getLogger(__name__)


def get_ready(connection: CRMConnection, **kwargs: object) -> None:
    """What must hold before anything flows through the tested connection. Raises OtherEnvironment."""
    refuse_foreign_couplings(connection, connection.organization_id)
    couple_untouched_options(connection)


def couple_untouched_options(connection: CRMConnection) -> None:
    """Couple payment terms and the like by their labels, where nobody has done so yet.

    Where the CRM does not tell its options (yet), this is left for later: the preflight names what has no option.
    """
    try:
        couple_options(connection.client(), untouched_only=True)
    except CRMBridgeError as error:
        log.info("Options cannot be coupled now: %s", error.technical or type(error).__name__)


def switch_off(connection: CRMConnection, user: User) -> None:
    """Disable the connection and say who did it."""
    disable(connection, format_lazy(_("Disabled by {user}."), user=str(user)))
