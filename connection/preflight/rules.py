"""Judges the environment and the integration user (sync-engine.md F5.9; S35). Pure."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from connection.errors import Text
from connection.preflight.facts import Environment, User
from connection.preflight.finding import Finding, Group, Level
from connection.solution.state import SolutionState, Standing

# Tokens are refused when clocks are further apart than this (Entra ID allows five minutes).
MOST_DIFFERENCE = timedelta(minutes=4)
OLDEST = (9, 2)
# A certificate is renewed while it still works.
EXPIRES_SOON = timedelta(days=30)


def environment_findings(environment: Environment) -> Iterator[Finding]:
    """What is wrong with the environment as a whole."""
    if _numbers(environment.version) < OLDEST:
        text = format_lazy(_("Dynamics CRM has the version {version}."), version=environment.version)
        yield _finding(Level.BLOCKER, text, _("Update Dynamics CRM to version 9.2 or newer."))
    if environment.is_disabled:
        text = _("The environment is disabled or in administration mode, in which synchronization does not work.")
        yield _finding(Level.BLOCKER, text, _("Switch administration mode off in the Power Platform admin center."))
    if abs(environment.ahead) > MOST_DIFFERENCE:
        minutes = round(abs(environment.ahead).total_seconds() / 60)
        text = format_lazy(
            _("The clocks of this computer and of Dynamics CRM are {count} minutes apart."), count=minutes
        )
        yield _finding(
            Level.WARNING, text, _("Set the clock of this computer; the sign-in fails when they differ more.")
        )


def user_findings(user: User) -> Iterator[Finding]:
    """Why the user cannot be the integration user (F5.9)."""
    named = {"name": user.name}
    if user.is_disabled:
        text = format_lazy(_("The integration user “{name}” is disabled in Dynamics CRM."), **named)
        yield _finding(Level.BLOCKER, text, _("Enable the user in the Power Platform admin center."))
    if not user.is_licensed and not user.is_application:
        text = format_lazy(_("The integration user “{name}” has no licence."), **named)
        yield _finding(
            Level.BLOCKER, text, _("Give the user a licence for Dynamics 365 Sales, or use an application user.")
        )
    if not user.roles:
        text = format_lazy(_("The integration user “{name}” has no security role."), **named)
        yield _finding(
            Level.BLOCKER, text, _("Give it the integration roles; the guide does so in the step of the user.")
        )
    if user.is_administrator:
        text = format_lazy(_("The integration user “{name}” has the role System Administrator."), **named)
        fix = _("Take that role from it and give it the integration roles: it then may do what it needs, and no more.")
        yield _finding(Level.BLOCKER, text, fix)


def solution_findings(state: SolutionState) -> Iterator[Finding]:
    """What the set-up lacks because the solution is missing or another one than this version of crmbridge brings."""
    names = {"installed": state.installed, "shipped": state.shipped}
    if state.standing == Standing.MISSING:
        text = _("The solution is not installed: its roles, columns and tables do not exist in Dynamics CRM.")
        yield _finding(Level.WARNING, text, _("Import the solution in the guide; an administrator signs in for it."))
    elif state.standing == Standing.OUTDATED:
        text = format_lazy(_("The solution has version {installed}; this crmbridge brings {shipped}."), **names)
        yield _finding(Level.WARNING, text, _("Redeploy the solution on the CRM Connection Setup page."))
    elif state.standing == Standing.UNKNOWN:
        text = _("Whether the solution is installed cannot be known: the integration user may not look.")
        yield _finding(Level.NOTICE, text, state.error.fix if state.error else "")
    elif state.standing == Standing.NEWER:
        text = format_lazy(_("The solution has version {installed}, newer than {shipped} of this crmbridge."), **names)
        yield _finding(
            Level.NOTICE, text, _("Update crmbridge, if another installation has not brought it on purpose.")
        )


def credential_findings(left: timedelta | None) -> Iterator[Finding]:
    """Whether the certificate lasts; `left` is how long, None where none is used."""
    if left is not None and left < EXPIRES_SOON:
        days = max(0, left.days)
        text = ngettext_lazy(
            "The certificate of the connection expires in {count} day.",
            "The certificate of the connection expires in {count} days.",
            days,
        )
        text = format_lazy(text, count=days)
        yield _finding(
            Level.WARNING, text, _("Add a new certificate to the application and to the connection in time.")
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _finding(level: Level, text: Text, fix: Text) -> Finding:
    return Finding(Group.CONNECTION, level, text, fix)
