"""Error reports without secrets: Django hides settings and form fields by name, but not what variables hold.

Tracebacks go through every frame, requests' own included, whose variables are the headers with our token.
"""

from collections.abc import ItemsView
from pprint import pformat
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from connection.masking import mask


class MaskedVariables(SafeExceptionReporterFilter):
    """Shows the variables of a frame masked (DEFAULT_EXCEPTION_REPORTER_FILTER)."""

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        """Django's choice of variables, masked."""
        shown = super().get_traceback_frame_variables(request, tb_frame)
        return {name: _Shown(value) for name, value in shown}.items()


class MaskedReporter(ExceptionReporter):
    """Masks what the error itself says, and the text of those that led to it (DEFAULT_EXCEPTION_REPORTER)."""

    def get_traceback_html(self) -> SafeString:
        """The page, masked."""
        return mark_safe(mask(super().get_traceback_html()))  # noqa: S308 -- as safe as it was

    def get_traceback_text(self) -> SafeString:
        """The text, masked."""
        return mark_safe(mask(super().get_traceback_text()))  # noqa: S308 -- as safe as it was


class _Shown:
    """What a report shows of a variable: Django prints it with `repr`."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return mask(pformat(self._value))
