"""Who may do what with the integration (S90): three groups, given to people on their user's page.

Administrators set up; users couple and synchronize; viewers look. Every `migrate` sees to it that the groups exist and
hold at least the permissions below, also those of tables that an upgrade brought. Permissions that a company adds stay;
whoever shall have fewer gets a group of the company's own.
"""

from typing import Any, Final

from django.apps import AppConfig
from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.utils.translation import gettext_noop

ADMINISTRATORS: Final = gettext_noop("CRM administrators")
USERS: Final = gettext_noop("CRM users")
VIEWERS: Final = gettext_noop("CRM viewers")

_ROOMS: Final = Q(content_type__app_label__in=("connection", "coupling", "sync", "financials"))
_SEE: Final = _ROOMS & Q(codename__startswith="view_")
_COUPLE: Final = Q(content_type__app_label="coupling", content_type__model="coupling")
# Starting, pausing and repeating jobs, settling conflicts; what has happened is deleted by nobody but administrators.
_SYNCHRONIZE: Final = Q(content_type__app_label="sync") & ~Q(codename__startswith="delete_")
_ACCOUNTING: Final = ("companysettings", "noseries", "webservicekey")
_EDIT: Final = (
    Q(content_type__app_label="financials")
    & (Q(codename__startswith="add_") | Q(codename__startswith="change_"))
    & ~Q(content_type__model__in=_ACCOUNTING)
)
# Who may change users could make himself a superuser, so that is left to superusers.
_ADMINISTER: Final = (
    _ROOMS
    | Q(content_type__app_label="crmbridge")
    | Q(content_type__app_label="auth", codename__in=("view_user", "view_group"))
)

PERMISSIONS: Final = {
    ADMINISTRATORS: _ADMINISTER,
    USERS: _SEE | _COUPLE | _SYNCHRONIZE | _EDIT,
    VIEWERS: _SEE,
}


def give_permissions(sender: AppConfig, using: str, **details: Any) -> None:
    """Receiver of `post_migrate`: give the groups their permissions to the tables of the app that was migrated.

    Django has made the app's permissions by then, because its own receiver was connected first.
    """
    if not Permission.objects.using(using).filter(content_type__app_label=sender.label).exists():
        return
    for name, which in PERMISSIONS.items():
        group, _made = Group.objects.using(using).get_or_create(name=name)
        group.permissions.add(*Permission.objects.using(using).filter(which, content_type__app_label=sender.label))
