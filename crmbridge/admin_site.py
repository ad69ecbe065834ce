"""The admin site under the product's name."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _

from crmbridge.experience import INTEGRATION_APPS, has_integration


class CrmbridgeAdminSite(AdminSite):
    """Django admin with crmbridge's name on it, and one door for everybody: the product's sign-in page."""

    site_header = _("crmbridge administration")
    site_title = "crmbridge"
    index_title = _("Tables")
    # Wide tables need the room; Home of the administration is one step away.
    enable_nav_sidebar = False

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The tables; those of the integration only where the experience has it (S7)."""
        apps = super().get_app_list(request, app_label)
        if has_integration(request):
            return apps
        return [app for app in apps if app["app_label"] not in INTEGRATION_APPS]

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send people to the sign-in page, which counts failed attempts.

        Raises:
            PermissionDenied: they are signed in, but not as staff.
        """
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
