"""System checks of the project: what a production that starts well would still do wrong."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning


def check_installation_name(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """Safe mode tells installations apart by a name, which all machines of one must have in common (E14)."""
    if settings.INSTALLATION_NAME:
        return []
    hint = "Set CRMBRIDGE_SITE_ADDRESS, where links lead to as well, or CRMBRIDGE_INSTALLATION, alike on all machines."
    return [Warning("This machine counts as an installation of its own.", hint=hint, id="crmbridge.W001")]
