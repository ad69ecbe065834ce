"""The forms of the project itself: signing in."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from crmbridge.signin import FailedAttempts


class SignInForm(AuthenticationForm):
    """User name and password; after too many wrong ones the door stays shut for a while, also for the right one."""

    error_messages = AuthenticationForm.error_messages | {
        "too_many": _("Too many failed attempts. Wait %(minutes)s minutes, then try again.")
    }

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-control"

    def clean(self) -> dict[str, Any]:
        """Check name and password.

        Raises:
            ValidationError: they are wrong, or were wrong too often.
        """
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        failed = FailedAttempts(self.cleaned_data.get("username", ""), address)
        if failed.are_too_many:
            raise ValidationError(
                self.error_messages["too_many"], code="too_many", params={"minutes": FailedAttempts.WINDOW // 60}
            )
        try:
            cleaned = super().clean()
        except ValidationError:
            failed.add()
            raise
        failed.forget()
        return cleaned
