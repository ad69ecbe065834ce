"""Whether the person who signed in may import the solution and give roles (S28, S29)."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from connection.dataverse.administration import Role, User
from connection.dataverse.client import DataverseClient
from connection.errors import CRMBridgeError, FixSetup, Text

SYSTEM_ADMINISTRATOR = UUID("627090ff-40a3-4053-8790-584edc5be201")
SYSTEM_CUSTOMIZER = UUID("119f245c-3cc8-4b62-b31c-d1a046ced15d")


class AdministratorUnsuitable(FixSetup):
    """Who signed in cannot do what only an administrator of the CRM can."""

    text = _("This account cannot be used as the administrator.")
    fix = _("Sign in with an account that is an administrator in Dynamics CRM.")


@dataclass(frozen=True, slots=True)
class _Needed:
    """A role that the administrator must have: by its template, or by one of the names that it goes by."""

    template: UUID
    shown: Text
    names: tuple[str, ...]

    def is_among(self, roles: list[Role]) -> bool:
        return any(role.template_id == self.template or role.name in self.names for role in roles)


# What the CRM ships as “System Customizer” is also known as “Solution Customizer”: both are accepted (S29).
_NEEDED = (
    _Needed(SYSTEM_ADMINISTRATOR, _("System Administrator"), ("System Administrator",)),
    _Needed(
        SYSTEM_CUSTOMIZER,
        _("System Customizer (also called Solution Customizer)"),
        ("System Customizer", "Solution Customizer"),
    ),
)

# What the CRM answers to people whom it does not let in (dataverse-web-api.md 2.1, 9.2).
_REFUSALS: Mapping[str, tuple[Text, Text]] = {
    "0x80072560": (
        _("The account that signed in is not a user of this Dynamics CRM environment."),
        _("Sign in with an account that exists in the environment, or have this one added there."),
    ),
    "0x80040225": (
        _("The account that signed in is disabled in Dynamics CRM."),
        _("Have the user enabled in Dynamics CRM, or sign in with another account."),
    ),
    "0x8004d24b": (
        _("The account that signed in has no license in Dynamics CRM."),
        _("Have a license assigned to the user, or sign in with another account."),
    ),
    "0x80042f09": (
        _("The account that signed in has no security role in Dynamics CRM."),
        _("Give the user the roles System Administrator and System Customizer, or sign in with another account."),
    ),
}


def check_administrator(client: DataverseClient) -> User:
    """The user as whom `client` acts: existing, enabled, with both roles.

    Raises AdministratorUnsuitable, which names what is missing, and what the CRM says.
    """
    try:
        me = client.who_am_i()
        user = client.administration.user(me.user_id)
        roles = client.administration.roles_of(me.user_id)
    except CRMBridgeError as error:
        raise _refusal(error) from None
    if user is None or user.is_disabled:
        text, fix = _REFUSALS["0x80072560" if user is None else "0x80040225"]
        raise AdministratorUnsuitable(text, fix=fix)
    if missing := [needed.shown for needed in _NEEDED if not needed.is_among(roles)]:
        raise _missing(user, missing)
    return user


def is_system_administrator(roles: list[Role]) -> bool:
    """Whether one of `roles` is System Administrator, whatever it is called here."""
    return _NEEDED[0].is_among(roles)


def _refusal(error: CRMBridgeError) -> CRMBridgeError:
    """The CRM's refusal of a person in words about a person; any other error as it is."""
    if error.code not in _REFUSALS:
        return error
    text, fix = _REFUSALS[error.code]
    return AdministratorUnsuitable(text, fix=fix, technical=error.technical, code=error.code)


def _missing(user: User, roles: list[Text]) -> AdministratorUnsuitable:
    named = format_lazy(", ".join(["“{}”"] * len(roles)), *roles)
    text = ngettext_lazy(
        "{user} lacks the security role {roles}.", "{user} lacks the security roles {roles}.", len(roles)
    )
    fix = _("Have it given to the user in Dynamics CRM, or sign in with another account.")
    return AdministratorUnsuitable(format_lazy(text, user=user.name or user.login, roles=named), fix=fix)
