"""Tests a connection step by step and says in plain words how far it gets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from connection.clients import client_for
from connection.dataverse.address import crm_address
from connection.errors import CRMBridgeError, Text
from connection.models import CRMConnection, SettingsChanged
from connection.signals import base_currency_learned, connection_enabled, connection_enabling, environment_changed
from connection.texts import in_every_language

# Tables that every Dynamics 365 Sales environment has and every mapping leans on.
TABLES = ("systemuser", "transactioncurrency", "account", "contact")

_FOUND_OUT = (
    "last_tested_at",
    "last_test_results",
    "organization_id",
    "organization_name",
    "version",
    "user_id",
    "base_currency_id",
    "base_currency_code",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the test: passed, or `error`."""

    title: Text
    error: CRMBridgeError | None = None

    @property
    def ok(self) -> bool:
        """Whether the step passed."""
        return self.error is None

    def __str__(self) -> str:
        return f"{self.title}: {self.error or _('OK')}"


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """The steps that were taken; the first failure ends the test."""

    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Whether every step passed."""
        return all(step.ok for step in self.steps)

    @property
    def signs_in(self) -> bool:
        """Whether the sign-in works, whatever the user may do in the CRM then."""
        return self.ok or len(self.steps) > _STEPS_TO_SIGN_IN

    @property
    def error(self) -> CRMBridgeError | None:
        """What ended the test, if anything did."""
        return self.steps[-1].error

    def ending_at(self, title: Text, error: CRMBridgeError) -> "ConnectionReport":
        """The same, ended by one step more, which failed."""
        return ConnectionReport((*self.steps, Step(title, error)))

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))


def check_connection(connection: CRMConnection) -> ConnectionReport:
    """Test the saved `connection` and store the result on it. Raises nothing of ours: failures are in the report.

    That the settings were changed meanwhile is a failure too, and nothing is stored then.
    """
    report = ConnectionReport(tuple(_steps(connection)))
    connection.last_tested_at = timezone.now()
    connection.last_test_results = in_every_language(report)
    return report if _note(connection) else ConnectionReport((Step(_SAME_SETTINGS, SettingsChanged()),))


@transaction.atomic
def _note(connection: CRMConnection) -> bool:
    """Store what was found out; False where it was found out with other settings."""
    rows = connection.as_read()
    known = rows.select_for_update().values_list("base_currency_code", flat=True).first()
    rows.update(**{name: getattr(connection, name) for name in _FOUND_OUT})
    if known == "" and connection.base_currency_code:
        base_currency_learned.send(CRMConnection, connection=connection)
    return known is not None


def enable(connection: CRMConnection) -> ConnectionReport:
    """Test `connection` and, where the test passes and no other room objects, switch it on and tell the other rooms.

    What is switched on is what was tested; of two who enable it at once, one tells the other rooms.
    """
    report = check_connection(connection)
    if not report.ok:
        return report
    try:
        connection_enabling.send(CRMConnection, connection=connection)
    except CRMBridgeError as error:
        return report.ending_at(gettext_lazy("Nothing else stands in the way"), error)
    if not _switch_on(connection):
        return report.ending_at(_SAME_SETTINGS, SettingsChanged())
    connection.refresh_from_db()
    return report


@transaction.atomic
def _switch_on(connection: CRMConnection) -> bool:
    """Whether what was tested is enabled now, by us or by somebody who was faster."""
    rows = connection.as_read()
    where = {"enabled_organization_id": connection.organization_id, "enabled_address": connection.address}
    values: dict[str, object] = {"is_enabled": True, "disable_reasons": {}, "installation": settings.INSTALLATION}
    if not rows.filter(is_enabled=False).update(**values, **where):
        return rows.exists()
    if any(getattr(connection, name) != value for name, value in where.items()):
        environment_changed.send(CRMConnection, connection=connection)
    transaction.on_commit(lambda: connection_enabled.send(CRMConnection, connection=connection))
    return True


def disable(connection: CRMConnection, reason: Text) -> None:
    """Switch the connection off; `reason` (translated lazily) is shown to whoever wonders why."""
    connection.is_enabled, connection.disable_reasons = False, in_every_language(reason)
    connection.save(update_fields=["is_enabled", "disable_reasons"])


def _steps(connection: CRMConnection) -> Iterator[Step]:
    """The steps in their order, up to the first that fails."""
    for title, take in _STEPS:
        try:
            take(connection)
        except CRMBridgeError as error:
            yield Step(title, error)
            return
        yield Step(title)


def _identify(connection: CRMConnection) -> None:
    """Ask who we are and where, and note it; what is known of another environment's tables is dropped."""
    client = client_for(connection)
    me, organization = client.who_am_i(), client.organization()
    if connection.organization_id != organization.id:
        connection.tables.all().delete()
    connection.user_id = me.user_id
    connection.version = client.version()
    connection.organization_id = organization.id
    connection.organization_name = organization.name
    connection.base_currency_id = organization.base_currency_id
    connection.base_currency_code = organization.base_currency_code


def _read_tables(connection: CRMConnection) -> None:
    for table in TABLES:
        client_for(connection).can_read(table)


_STEPS: tuple[tuple[Text, Callable[[CRMConnection], object]], ...] = (
    (gettext_lazy("The address is one of Dynamics CRM"), lambda connection: crm_address(connection.address)),
    (gettext_lazy("The server can be reached"), lambda connection: client_for(connection).probe()),
    (gettext_lazy("The sign-in works"), lambda connection: client_for(connection).sign_in()),
    (gettext_lazy("The server is Dynamics CRM"), _identify),
    (gettext_lazy("The tables can be read"), _read_tables),
)
_STEPS_TO_SIGN_IN = 3
_SAME_SETTINGS = gettext_lazy("The settings are those tested")
