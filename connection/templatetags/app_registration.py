"""What an app registration in Microsoft Entra ID needs, besides its credential, for people to sign in through it."""

from typing import Any

from django import template
from django.template import Context

from connection.views import return_address

register = template.Library()


@register.inclusion_tag("connection/app_registration.html", takes_context=True)
def app_registration(context: Context) -> dict[str, Any]:
    """The redirect address of this crmbridge and the permission, to be entered in Entra ID."""
    return {"return_address": return_address(context["request"])}
