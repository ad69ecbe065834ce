"""App configuration of the coupling room."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CouplingConfig(AppConfig):
    """The coupling room."""

    name = "coupling"
    verbose_name = _("Coupling")
    default_auto_field = "django.db.models.BigAutoField"
