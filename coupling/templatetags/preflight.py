"""Template tag for the preflight as a part of a page."""

from typing import Any

from django import template

from coupling.preflight.check import Stage

register = template.Library()


@register.inclusion_tag("coupling/preflight/checks.html")
def preflight_checks() -> dict[str, Any]:
    """The checks, which begin when the page is shown; for readers who may change the connection."""
    return {"first": next(iter(Stage))}
