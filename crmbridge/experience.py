"""The integration belongs to the experience *Suite* (S7, S8): elsewhere its pages, actions and API are refused."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from django.apps import apps
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import ResolverMatch, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from crmbridge.admin_site import INTEGRATION_APPS
from financials.models import CompanySettings, Experience

# What every company has, and what the operator's machines ask. Whatever is not here belongs to the integration, so that
# a new page is not forgotten.
PAGES: Final = frozenset(
    {"home", "login", "logout", "set_language", "choose_theme", "company", "search", "help", "help_topic"}
    | {"healthz", "readyz", "metrics"}
)
NAMESPACES: Final = frozenset({"users", "api"})


def has_integration() -> bool:
    """Whether the company's experience has the integration: one query."""
    return CompanySettings.current().experience == Experience.SUITE


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
    """Refuses what belongs to the integration where the experience does not have it, also to superusers.

    `request.has_integration` says so to templates, and asks the database only when somebody looks.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        request.has_integration = SimpleLazyObject(has_integration)  # type: ignore[attr-defined]  # as middleware does
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """The refusal, with its reason and the way to the setting; nothing where the view may answer."""
        match = request.resolver_match
        if match is None or not belongs_to_integration(match) or request.has_integration:  # type: ignore[attr-defined]
            return None
        if request.path.startswith(("/api/", "/odata/")):
            detail = _(
                "The integration with Dynamics CRM needs the experience Suite. It is chosen in Company Settings."
            )
            body = {"detail": detail, "code": "needs_suite", "settings": request.build_absolute_uri(reverse("company"))}
            return JsonResponse(body, status=403)
        return render(request, "crmbridge/needs_suite.html", status=403)
