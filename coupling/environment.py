"""Couplings name rows of one environment of the CRM; in another one those rows do not exist, or are others."""

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from connection.errors import FixSetup
from connection.models import CRMConnection
from coupling.models import Coupling


class OtherEnvironment(FixSetup):
    """The couplings belong to another environment than the one that answers now."""

    text = _("The couplings belong to another environment of Dynamics CRM than the one that answers now.")
    fix = _(
        "Disable and test the connection on CRM Connection Setup, and say there whether the couplings hold: in a copy"
        " of the earlier environment they do, in another one they are deleted."
    )


def are_couplings_foreign(connection: CRMConnection, organization_id: UUID | None) -> bool:
    """Whether there are couplings, and they belong to another environment than that of `organization_id`."""
    return connection.was_enabled_elsewhere(organization_id) and Coupling.objects.exists()


def refuse_foreign_couplings(connection: CRMConnection, organization_id: UUID | None) -> None:
    """Let nothing flow by couplings of another environment. Raises OtherEnvironment."""
    if are_couplings_foreign(connection, organization_id):
        raise OtherEnvironment
