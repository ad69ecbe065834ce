"""Safe mode of a copied database: a connection answers only to the installation that enabled it (users-ask E14, C32).

Whoever copies the database, for a test or from a backup, copies the CRM's credentials too. The copy carries the
fingerprint of the installation that enabled the connection, which is not its own; it makes no call, keeps all set-up,
and asks an administrator.
"""

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from connection.errors import FixSetup, Text
from connection.texts import in_every_language

if TYPE_CHECKING:
    from connection.models import CRMConnection

KEPT_OFF = _("Kept off, because this database is a copy of another installation's.")


class CopiedDatabase(FixSetup):
    """This installation's database is a copy of another one's."""

    text = _("Safe mode: another installation enabled this connection, so that this database is probably a copy.")
    fix = _(
        "An administrator says on Home whether this is the real one now. Until then nothing is sent to Dynamics CRM."
    )


class NoCopy(FixSetup):
    """There is nothing to ask: the question was answered, perhaps by somebody else."""

    text = _("This connection is not in safe mode.")
    fix = _("Nothing to do.")


def is_copy(connection: "CRMConnection") -> bool:
    """Whether another installation enabled the connection; until somebody enables it, it is nobody's copy."""
    return connection.installation not in ("", settings.INSTALLATION)


def refuse_copy(connection: "CRMConnection") -> None:
    """Let nothing through to the CRM from a copy. Raises CopiedDatabase."""
    if is_copy(connection):
        raise CopiedDatabase


def claim(connection: "CRMConnection") -> None:
    """**This is the real one now**: the connection stays as it is, enabled or not. Raises NoCopy."""
    _settle(connection, {})


def keep_off(connection: "CRMConnection", reason: Text) -> None:
    """**Keep it off**: the connection is disabled for REASON, with all set-up kept. Raises NoCopy."""
    _settle(connection, {"is_enabled": False, "disable_reasons": in_every_language(reason)})


def _settle(connection: "CRMConnection", answer: dict[str, object]) -> None:
    """Make the connection ours, unless somebody answered before us."""
    asked = type(connection).objects.filter(pk=connection.pk, installation=connection.installation)
    if not is_copy(connection) or not asked.update(installation=settings.INSTALLATION, **answer):
        raise NoCopy
    connection.refresh_from_db()
