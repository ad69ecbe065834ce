"""To which environment of the CRM the connection belongs: couplings and positions mean nothing in another one."""

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from connection.errors import FixSetup
from connection.signals import environment_changed

if TYPE_CHECKING:
    from connection.models import CRMConnection


class EnvironmentSettled(FixSetup):
    """There is nothing to ask: the question was answered, perhaps by somebody else, or the settings were changed."""

    text = _("The connection does not wait for an answer about its environment.")
    fix = _("Test the connection to see how it stands.")


@transaction.atomic
def adopt_environment(connection: "CRMConnection") -> None:
    """Let the disabled connection belong to the environment that its last test found. Raises EnvironmentSettled."""
    names = ("address", "organization_id", "enabled_organization_id")
    asked = type(connection).objects.filter(pk=connection.pk, **{name: getattr(connection, name) for name in names})
    found = connection.organization_id
    if not connection.was_enabled_elsewhere(found) or not asked.filter(is_enabled=False).update(
        enabled_organization_id=found
    ):
        raise EnvironmentSettled
    environment_changed.send(type(connection), connection=connection)
    connection.refresh_from_db()
