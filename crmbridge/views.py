"""Pages of the project itself: Home, signing in, the theme switch, and the error pages."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django.views.generic import TemplateView

from connection.models import CRMConnection
from coupling.models import TableMapping
from crmbridge import home
from crmbridge.context import THEMES
from crmbridge.experience import has_integration
from crmbridge.forms import SignInForm

YEAR = 365 * 24 * 60 * 60


class HomeView(TemplateView):
    """The role centre: connection, cues, a line for every mapping, and the latest runs."""

    template_name = "crmbridge/home.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The connection for everyone; numbers for those who may see jobs; the first steps while nothing has run."""
        context = super().get_context_data(**kwargs)
        if not has_integration(self.request):
            return context
        context["connection"] = CRMConnection.current()
        if not self.request.user.has_perm("sync.view_synchjob"):
            return context
        lines = home.mapping_lines(self.request.user)
        jobs = list(home.recent_jobs())
        return context | {
            "cues": home.cues(lines),
            "lines": lines,
            "jobs": jobs,
            "is_fresh": not jobs,
            "has_mappings": bool(lines) or TableMapping.objects.exists(),
        }


@method_decorator(login_not_required, name="dispatch")
class SignInView(LoginView):
    """Signs people in; the admin sends them here too."""

    authentication_form = SignInForm
    redirect_authenticated_user = True


@login_not_required
@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Remember light, dark or automatic in a cookie, and go back to the page."""
    response = HttpResponseRedirect(_back(request))
    theme = request.POST.get("theme")
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
    return response


def _back(request: HttpRequest) -> str:
    address = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if is_ours else "/"


@login_not_required
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: signed in, but not allowed."""
    return _error(request, HTTPStatus.FORBIDDEN, _("You may not see this page."))


@login_not_required
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: no such page or record."""
    return _error(request, HTTPStatus.NOT_FOUND, _("There is nothing at this address."))


@login_not_required
def failed(request: HttpRequest) -> HttpResponse:
    """500: our own mistake. The page asks nothing of the database, which may be the reason."""
    return _error(request, HTTPStatus.INTERNAL_SERVER_ERROR, _("Something went wrong inside crmbridge."))


def _error(request: HttpRequest, status: HTTPStatus, detail: str) -> HttpResponse:
    """The error as JSON for the API, as a page for people."""
    if request.path.startswith("/api/v"):
        return JsonResponse({"detail": detail, "code": status.name.lower()}, status=status)
    return render(request, f"{status.value}.html", status=status)
