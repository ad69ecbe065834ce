"""App configurations of the project itself and of its admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class CrmbridgeConfig(AppConfig):
    """The project as an app: its API keys, templates and commands."""

    name = "crmbridge"
    verbose_name = _("Access")
    default_auto_field = "django.db.models.BigAutoField"


class CrmbridgeAdminConfig(AdminConfig):
    """Django admin under crmbridge's name."""

    default_site = "crmbridge.admin_site.CrmbridgeAdminSite"
