"""How the connection is, for the window: each point good, in need of a look, or bad, with what to do (F5.24)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.translation import gettext as _

from connection.check import ConnectionReport, check_connection
from connection.errors import CRMBridgeError, Text
from connection.models import CRMConnection
from connection.solution import solution_state
from connection.users import role_state
from crmbridge.templatetags.look import shown
from crmbridge.web_services import availability_steps
from sync.models import JobQueueEntry, JobStatus

# Jobs that run, or do when their time comes or somebody calls (F5.24).
ACTIVE: Final = (JobStatus.READY, JobStatus.IN_PROCESS, JobStatus.WAITING, JobStatus.INACTIVE)
# Time enough to have a new certificate made.
WARN_BEFORE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Point:
    """One line: what is looked at, how it is (`good`, `wait` or `bad`), and the error where there is one."""

    label: Text
    tone: str
    text: str
    error: CRMBridgeError | None = None


def health(connection: CRMConnection) -> list[Point]:
    """All points, asked of the CRM now."""
    report = check_connection(connection)
    in_the_crm = [_solution(connection), _roles(connection)] if report.signs_in else []
    return [*_reached(connection, report), *in_the_crm, _credential(connection), *_availability(connection), _jobs()]


def _reached(connection: CRMConnection, report: ConnectionReport) -> Iterator[Point]:
    for step in report.steps:
        if step.error:
            yield Point(step.title, "bad", _("No"), step.error)
    if report.ok:
        yield Point(_("Dynamics CRM answers"), "good", connection.organization_name)
        yield Point(_("Version of Dynamics CRM"), "good", connection.version)
        yield Point(_("Tables"), "good", _("Can be read"))


def _solution(connection: CRMConnection) -> Point:
    state = solution_state(connection)
    if state.error:
        return Point(_("Solution"), "bad", str(state.standing.label), state.error)
    tone = "good" if state.ok else "wait"
    text = _("%(version)s: %(standing)s") % {"version": state.installed, "standing": state.standing.label}
    return Point(_("Solution"), tone, text if state.installed else str(state.standing.label))


def _roles(connection: CRMConnection) -> Point:
    roles = role_state(connection)
    if roles.error:
        return Point(_("Roles of the synchronization user"), "bad", _("Not known"), roles.error)
    if roles.is_administrator:
        text = _("It is an administrator: name a dedicated user, or take the role System Administrator from it.")
        return Point(_("Roles of the synchronization user"), "bad", text)
    if roles.missing:
        text = _("Missing: %(roles)s") % {"roles": ", ".join(roles.missing)}
        return Point(_("Roles of the synchronization user"), "wait", text)
    return Point(_("Roles of the synchronization user"), "good", ", ".join(roles.present))


def _credential(connection: CRMConnection) -> Point:
    """When the credential ends, as far as it tells: a secret's end is known to Entra ID alone."""
    until = connection.certificate_expires_at
    if until is None:
        when = connection.client_secret_set_at
        text = _("Set on %(when)s; Entra ID knows when it ends.") % {"when": _day(when)} if when else _("Missing")
        return Point(_("Client secret"), "good" if when else "bad", text)
    tone = "bad" if until <= timezone.now() else "wait" if until <= timezone.now() + WARN_BEFORE else "good"
    return Point(_("Certificate"), tone, _("Valid until %(when)s") % {"when": _day(until)})


def _availability(connection: CRMConnection) -> Iterator[Point]:
    """Whether the CRM is answered, where item availability is on; keys expire, and people leave."""
    if connection.is_item_availability_on:
        missing = [step for step in availability_steps(connection.odata_user) if not step.is_done]
        text = missing[0].state if missing else str(connection.odata_user)
        yield Point(_("Item availability"), "bad" if missing else "good", str(text))


def _jobs() -> Point:
    """Active jobs "x of y", well where all of them are, and there are any."""
    entries = JobQueueEntry.objects.filter(interval_minutes__isnull=False, mapping__is_enabled=True)
    there, active = entries.count(), entries.filter(status__in=ACTIVE).count()
    if not there:
        return Point(_("Jobs"), "wait", _("There are no recurring jobs."))
    tone = "good" if active == there else "wait"
    text = _("%(active)d of %(there)d recurring jobs are active.") % {"active": active, "there": there}
    return Point(_("Jobs"), tone, text)


def _day(moment: datetime) -> str:
    return shown(timezone.localtime(moment).date())
