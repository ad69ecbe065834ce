"""App configuration of the connection room."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConnectionConfig(AppConfig):
    """The connection room."""

    name = "connection"
    verbose_name = _("Connection")
    default_auto_field = "django.db.models.BigAutoField"
