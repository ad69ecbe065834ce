"""The integration belongs to the experience *Suite* (S7, S8).

Elsewhere its pages, actions and API are refused, and its jobs rest until Suite is chosen again.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from django.apps import apps
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import ResolverMatch, reverse
from django.utils.translation import gettext_lazy as _

from connection.errors import FixSetup
from financials.models import CompanySettings, Experience

# What every company has, and what the operator's machines ask. Whatever is not here belongs to the integration, so that
# a new page is not forgotten.
PAGES: Final = frozenset(
    {"home", "login", "logout", "set_language", "choose_theme", "company", "search", "help", "help_topic"}
    | {"healthz", "readyz", "metrics"}
)
NAMESPACES: Final = frozenset({"users", "api"})
INTEGRATION_APPS: Final = frozenset({"connection", "coupling", "sync"})
_ASKED: Final = "_has_integration"


class NeedsSuite(FixSetup):
    """The company's experience does not have the integration."""

    text = _("The integration with Dynamics CRM needs the experience Suite.")
    fix = _("It is chosen in Company Settings; until then jobs rest, and none is lost.")


def why_at_rest(**kwargs: Any) -> NeedsSuite | None:
    """Has all work of the integration rest below Suite: one query."""
    return None if CompanySettings.current().experience == Experience.SUITE else NeedsSuite()


def has_integration(request: HttpRequest) -> bool:
    """Whether the company's experience has the integration; the database is asked once a request."""
    if not hasattr(request, _ASKED):
        setattr(request, _ASKED, why_at_rest() is None)
    return bool(getattr(request, _ASKED))


def belongs_to_integration(match: ResolverMatch) -> bool:
    """Whether an address is one of the integration's."""
    if match.namespace == "admin":
        app = match.kwargs.get("app_label") or (match.url_name or "").partition("_")[0]
        return app in INTEGRATION_APPS
    if match.namespace == "api-v1":
        table = (match.url_name or "").partition("-")[0]
        return match.url_name != "api-root" and table not in _financial_tables()
    return match.view_name not in PAGES and match.namespace not in NAMESPACES


@cache
def _financial_tables() -> frozenset[str]:
    return frozenset(str(model._meta.model_name) for model in apps.get_app_config("financials").get_models())


class SuiteOnly:
    """Refuses what belongs to the integration where the experience does not have it, also to superusers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """The refusal, with its reason and the way to the setting; nothing where the view may answer."""
        match = request.resolver_match
        if match is None or not belongs_to_integration(match) or has_integration(request):
            return None
        if request.path.startswith(("/api/", "/odata/")):
            settings = request.build_absolute_uri(reverse("company"))
            return JsonResponse({"detail": str(NeedsSuite()), "code": "needs_suite", "settings": settings}, status=403)
        return render(request, "crmbridge/needs_suite.html", status=403)
