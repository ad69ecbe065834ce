"""What an administrator of the CRM is asked to sign in for, once each time (S27, S32, S37).

begun = begin(connection, return_address)            # the page of the login server, and what to keep
message = do(errand, connection, kept, answer)       # when the browser is back
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from django.db.models import TextChoices
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection import person
from connection.administrator import check_administrator
from connection.dataverse.client import DataverseClient
from connection.errors import Text
from connection.models import CRMConnection, SettingsChanged
from connection.solution.importing import begin_import, run_in_background
from connection.users import check_sync_user, find_sync_user, give_roles, shown


class Errand(TextChoices):
    """What the administrator does."""

    IMPORT = "import", _("Import the Dynamics CRM solution")
    ROLES = "roles", _("Give the synchronization user its roles")


@dataclass(frozen=True, slots=True)
class Order:
    """One errand: for whom of crmbridge's users, and with the synchronization user that they named (if any)."""

    errand: Errand
    ordered_by: Any
    sync_user: str = ""


def do(order: Order, connection: CRMConnection, sealed: str, answer: Mapping[str, str]) -> Text:
    """Sign in with what the browser brought, do the errand and say what was done.

    The sign-in ends with the errand; an import goes on in a thread that ends it. Raises what `person.finish`,
    `check_administrator` and the errand raise.
    """
    with ExitStack() as held:
        client = held.enter_context(person.finish(connection, sealed, answer))
        if order.errand is Errand.ROLES:
            return _give_roles(order, connection, client)
        check_administrator(client)
        row = begin_import(connection, client, order.ordered_by)
        run_in_background(row, client, held.pop_all())
        return format_lazy(_("The import of the solution, version {version}, has begun."), version=row.version)


def _give_roles(order: Order, connection: CRMConnection, client: DataverseClient) -> Text:
    """Find the user, hold it against the rules, give it its roles, and remember who it is (S35 to S38)."""
    administrator = check_administrator(client)
    user = find_sync_user(client, order.sync_user or connection.client_id)
    check_sync_user(connection, client, user, administrator)
    report = give_roles(client, user)
    if not connection.as_read("address", "client_id").update(sync_user_name=shown(user), user_id=user.id):
        raise SettingsChanged(technical=str(report))
    return str(report)
