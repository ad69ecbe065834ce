"""App configuration of the sync room."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SyncConfig(AppConfig):
    """The sync room."""

    name = "sync"
    verbose_name = _("Synchronization")
    default_auto_field = "django.db.models.BigAutoField"
