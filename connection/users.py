"""The one account that everything is synchronized through, and the roles it needs (S34 to S38)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.utils.text import format_lazy
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from connection.administrator import is_system_administrator
from connection.clients import client_for
from connection.dataverse.administration import User
from connection.dataverse.client import DataverseClient
from connection.errors import CRMBridgeError, FixSetup, Text
from connection.solution.content import shipped

if TYPE_CHECKING:
    from connection.models import CRMConnection

# Read-Write, and Non-interactive for applications (dataverse-web-api.md 11); the others cannot write rows.
_USABLE_MODES = (0, 4)
_NON_INTERACTIVE = 4


class SyncUserUnsuitable(FixSetup):
    """The user cannot be the one that synchronizes."""

    text = _("This user cannot be the synchronization user.")
    fix = _("Name a user that was made for this purpose and is not an administrator.")


class RolesNotInstalled(FixSetup):
    """The roles that the user is to get do not exist in the CRM."""

    text = _("The integration roles do not exist in Dynamics CRM.")
    fix = _("Import the Dynamics CRM solution first: it brings the roles.")


@dataclass(frozen=True, slots=True)
class RolesReport:
    """Which roles the user was given, and which were there already (S38)."""

    user: User
    added: tuple[str, ...]
    present: tuple[str, ...]

    def __str__(self) -> str:
        said = [_now("Roles given to %(user)s: %(roles)s.") % self._named(self.added)] if self.added else []
        if self.present:
            said.append(_now("Roles that %(user)s had already: %(roles)s.") % self._named(self.present))
        return " ".join(said)

    def _named(self, roles: tuple[str, ...]) -> dict[str, str]:
        return {"user": shown(self.user), "roles": ", ".join(roles)}


@dataclass(frozen=True, slots=True)
class RoleState:
    """Which of the integration roles the synchronization user has; `error` says why that is not known."""

    present: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    is_administrator: bool = False
    error: CRMBridgeError | None = None

    @property
    def ok(self) -> bool:
        """Whether the user has what it needs and is no administrator."""
        return not (self.missing or self.is_administrator or self.error)


def shown(user: User) -> str:
    """What a person calls the user."""
    return user.login or user.email or user.name or str(user.id)


def find_sync_user(client: DataverseClient, name: str) -> User:
    """The user with this application ID, login or e-mail address. Raises SyncUserUnsuitable where there is none."""
    wanted = name.strip()
    try:
        found = client.administration.users_of_application(UUID(wanted))
    except ValueError:
        found = client.administration.users_named(wanted)
    if len(found) == 1:
        return found[0]
    if found:
        text = _("Several users of Dynamics CRM have the name “{name}”.")
        raise SyncUserUnsuitable(format_lazy(text, name=wanted), fix=_("Enter the application ID of the right one."))
    text = _("Dynamics CRM has no user “{name}”.")
    fix = _("Create the application user in Dynamics CRM first: crmbridge does not create users by itself.")
    raise SyncUserUnsuitable(format_lazy(text, name=wanted), fix=fix)


def refuse_disabled(user: User) -> None:
    """Raise SyncUserUnsuitable where the CRM does not let `user` in (S36)."""
    if user.is_disabled:
        raise _unsuitable(_("The user {user} is disabled in Dynamics CRM."), user, _("Have the user enabled there."))


def check_sync_user(connection: "CRMConnection", client: DataverseClient, user: User, administrator: User) -> None:
    """Raise SyncUserUnsuitable unless `user` may synchronize for `connection` (S35, S36); roles are not asked for.

    `administrator` is who signed in with `client`.
    """
    refuse_disabled(user)
    if user.id == administrator.id:
        raise _unsuitable(_("{user} is the administrator who signed in."), user)
    if is_system_administrator(client.administration.roles_of(user.id)):
        text = _("{user} has the security role System Administrator.")
        raise _unsuitable(text, user, _("Name a dedicated user, or take the role from this one in Dynamics CRM."))
    if not _is_application_of(connection, user):
        text = _("crmbridge does not sign in as {user}, but as the application with the client ID of this connection.")
        raise _unsuitable(text, user, _("Name the application user that has this client ID."))
    if user.access_mode not in _USABLE_MODES:
        raise _unsuitable(_("The access mode of {user} does not allow it to write."), user, _MODE)
    if not (user.is_licensed or user.application_id or user.access_mode == _NON_INTERACTIVE):
        raise _unsuitable(_("{user} has no license in Dynamics CRM."), user, _("Have a license assigned to the user."))


_MODE = _("Set the access mode of the user to Read-Write or Non-interactive.")


def give_roles(client: DataverseClient, user: User) -> RolesReport:
    """Give `user` the integration roles that it lacks, and no others; may be repeated without harm (S37, S38).

    Raises RolesNotInstalled, and what the CRM says.
    """
    wanted = shipped().integration_roles
    available = {role.root_id: role for role in client.administration.roles_in(user.business_unit_id, _ids())}
    if missing := [role.name for role in wanted if role.id not in available]:
        raise RolesNotInstalled(technical=", ".join(missing))
    held = {role.root_id for role in client.administration.roles_of(user.id)}
    for role in wanted:
        if role.id not in held:
            client.administration.give_role(user.id, available[role.id].id)
    added = tuple(role.name for role in wanted if role.id not in held)
    return RolesReport(user, added, tuple(role.name for role in wanted if role.id in held))


def role_state(connection: "CRMConnection") -> RoleState:
    """What the synchronization user sees of its own roles. Raises nothing of ours."""
    try:
        client = client_for(connection)
        roles = client.administration.roles_of(client.who_am_i().user_id)
    except CRMBridgeError as error:
        return RoleState(error=error)
    held = {role.root_id for role in roles}
    wanted = shipped().integration_roles
    return RoleState(
        present=tuple(role.name for role in wanted if role.id in held),
        missing=tuple(role.name for role in wanted if role.id not in held),
        is_administrator=is_system_administrator(roles),
    )


def _ids() -> list[UUID]:
    return [role.id for role in shipped().integration_roles]


def _is_application_of(connection: "CRMConnection", user: User) -> bool:
    return str(user.application_id) == connection.client_id.strip().lower()


def _unsuitable(text: Text, user: User, fix: Text | None = None) -> SyncUserUnsuitable:
    return SyncUserUnsuitable(format_lazy(text, user=shown(user)), fix=fix)
