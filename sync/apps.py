"""App configuration of the sync room."""

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_delete, post_save
from django.utils.translation import gettext_lazy as _


class SyncConfig(AppConfig):
    """The sync room."""

    name = "sync"
    verbose_name = _("Synchronization")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, and listen to what happens in the mapped tables and to the connection."""
        from connection.signals import environment_changed
        from sync.checks import check_retry
        from sync.environment import forget_links
        from sync.schedules import hear

        register(check_retry)
        environment_changed.connect(forget_links, dispatch_uid="sync.environment")
        for signal in (post_save, post_delete):
            signal.connect(hear, dispatch_uid="sync.schedules.hear")
