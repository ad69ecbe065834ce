"""App configuration of the financials room."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FinancialsConfig(AppConfig):
    """The financials room."""

    name = "financials"
    verbose_name = _("Financials")
    default_auto_field = "django.db.models.BigAutoField"
