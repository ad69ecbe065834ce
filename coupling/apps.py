"""App configuration of the coupling room."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.utils.translation import gettext_lazy as _


class CouplingConfig(AppConfig):
    """The coupling room."""

    name = "coupling"
    verbose_name = _("Coupling")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let every new database connection fold letters alike, and hear of the CRM's base currency."""
        from connection.signals import base_currency_learned
        from coupling.defaults.install import keep_foreign_rates_back
        from coupling.tables.folding import teach

        base_currency_learned.connect(keep_foreign_rates_back, dispatch_uid="coupling.defaults")
        connection_created.connect(teach, dispatch_uid="coupling.tables.folding")
