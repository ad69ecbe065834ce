"""App configurations of the project itself and of its admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.core.checks import register
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CrmbridgeConfig(AppConfig):
    """The project as an app: its API keys, groups, templates and commands."""

    name = "crmbridge"
    verbose_name = _("Access")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have every migration give the product's groups their permissions; answer what the rooms below ask."""
        from connection.signals import connection_enabling
        from coupling.signals import local_currency_is_asked_for
        from crmbridge.checks import check_installation_name
        from crmbridge.company import local_currency
        from crmbridge.experience import why_at_rest
        from crmbridge.groups import give_permissions
        from crmbridge.guide.switching import get_ready
        from sync.rest import work_is_asked_for

        register(check_installation_name, deploy=True)
        post_migrate.connect(give_permissions, dispatch_uid="crmbridge.groups")
        connection_enabling.connect(get_ready, dispatch_uid="crmbridge.guide")
        local_currency_is_asked_for.connect(local_currency, dispatch_uid="crmbridge.company")
        work_is_asked_for.connect(why_at_rest, dispatch_uid="crmbridge.experience")


class CrmbridgeAdminConfig(AdminConfig):
    """Django admin under crmbridge's name."""

    default_site = "crmbridge.admin_site.CrmbridgeAdminSite"
