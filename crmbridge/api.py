"""The root of the API: collects what the rooms publish, and settles what all of it shares."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.urls import URLPattern, URLResolver, path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter

from connection.api import SolutionImportViewSet
from coupling.api import CouplingViewSet
from coupling.preflight.api import PreflightViewSet
from crmbridge.guide.api import SetUpViewSet, SwitchedMappingViewSet
from crmbridge.middleware import HEADER, policy
from financials.api import VIEWSETS as FINANCIALS
from sync.api import ChangeViewSet, ConflictViewSet, SynchErrorViewSet, SynchJobViewSet, WaitingViewSet
from sync.notification_api import NotificationViewSet
from sync.queue_api import FullSynchronizationViewSet, JobQueueEntryViewSet


class SwaggerView(SpectacularSwaggerSplitView):
    """Swagger UI from our own files; it writes style attributes, so that its policy must allow them."""

    template_name = "crmbridge/swagger.html"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The page, or its script."""
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]  # the library's
        response[HEADER] = policy(getattr(request, "csp_nonce", ""), inline_styles=True)
        return response


def _router() -> DefaultRouter:
    router = DefaultRouter()
    for name, viewset in FINANCIALS.items():
        router.register(name, viewset)
    router.register("connection", SetUpViewSet)
    router.register("solution-imports", SolutionImportViewSet)
    router.register("preflight", PreflightViewSet, basename="preflight")
    router.register("mappings", SwitchedMappingViewSet)
    router.register("couplings", CouplingViewSet)
    router.register("synch-jobs", SynchJobViewSet)
    router.register("synch-errors", SynchErrorViewSet)
    router.register("waiting-records", WaitingViewSet)
    router.register("conflicts", ConflictViewSet)
    router.register("changes", ChangeViewSet)
    router.register("job-queue-entries", JobQueueEntryViewSet)
    router.register("full-synchronizations", FullSynchronizationViewSet)
    router.register("notifications", NotificationViewSet, basename="notification")
    return router


def schema_urls() -> list[URLPattern | URLResolver]:
    """The schema and its Swagger page."""
    return [
        path("schema/", SpectacularAPIView.as_view(), name="schema"),
        path("docs/", login_required(SwaggerView.as_view(url_name="api:schema")), name="docs"),
    ]


router = _router()
