"""Judges the environment and the users that work in it (sync-engine.md F5.9; S35, S51). Pure."""

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
    """Why the user cannot be the synchronization user (F5.9)."""
    named = format_lazy(_("The synchronization user “{name}”"), name=user.name)
    yield from _unusable(user, named, _("Give it the integration roles; the guide does so in the step of the user."))
    if user.is_administrator:
        fix = _("Take that role from it and give it the integration roles: it then may do what it needs, and no more.")
        yield _finding(Level.BLOCKER, format_lazy(_ADMINISTRATOR, user=named), fix)


def order_user_findings(user: User) -> Iterator[Finding]:
    """Why another account than the synchronization user cannot handle the sales orders, or should not (S51)."""
    named = format_lazy(_("The sales order user “{name}”"), name=user.name)
    yield from _unusable(user, named, _("Give it a security role for the sales orders in Dynamics CRM."))
    if user.is_administrator:
        fix = _("Name the synchronization user or a dedicated one, which may do what it needs and no more.")
        yield _finding(Level.WARNING, format_lazy(_ADMINISTRATOR, user=named), fix)


_ADMINISTRATOR = _("{user} has the role System Administrator.")


def _unusable(user: User, named: Text, give_roles: Text) -> Iterator[Finding]:
    """Why Dynamics CRM lets the user do nothing."""
    if user.is_disabled:
        text = format_lazy(_("{user} is disabled in Dynamics CRM."), user=named)
        yield _finding(Level.BLOCKER, text, _("Enable the user in the Power Platform admin center."))
    if not user.is_licensed and not user.is_application:
        fix = _("Give the user a licence for Dynamics 365 Sales, or use an application user.")
        yield _finding(Level.BLOCKER, format_lazy(_("{user} has no licence."), user=named), fix)
    if not user.roles:
        yield _finding(Level.BLOCKER, format_lazy(_("{user} has no security role."), user=named), give_roles)


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
        text = _("Whether the solution is installed cannot be known: the synchronization user may not look.")
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
