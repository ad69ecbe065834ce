"""How the API says no."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler


def clear_errors(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every error has `detail` (a sentence) and `code` (for programs); a refused record also `fields` with reasons."""
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        response.data = {"detail": _("Some values were refused."), "code": "invalid", "fields": response.data}
    else:
        detail = response.data["detail"]
        response.data = {"detail": detail, "code": detail.code}
    return response
