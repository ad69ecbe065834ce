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
        """Let every new database connection fold letters alike."""
        from coupling.tables.folding import teach

        connection_created.connect(teach, dispatch_uid="coupling.tables.folding")
