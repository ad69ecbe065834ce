"""How the API says no."""

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler


def clear_errors(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every error has `detail` (a sentence) and `code` (for programs); a refused record also `fields` with reasons."""
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        detail = "Some values were refused; see `fields`." if isinstance(response.data, dict) else "Refused."
        response.data = {"detail": detail, "code": "invalid", "fields": response.data}
    else:
        response.data = {"detail": response.data["detail"], "code": getattr(error, "default_code", "error")}
        response.data["code"] = getattr(getattr(error, "detail", None), "code", response.data["code"])
    return response
