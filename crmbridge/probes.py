"""The addresses that machines ask: `/healthz`, `/readyz` and `/metrics`."""

from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from crmbridge.health import readiness
from crmbridge.metrics import registry

SCHEME = "Bearer "


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers; it asks nothing else, so that a slow database restarts no web server."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 where database, migrations, cache and workers are in order, else 503 with what is not."""
    found = readiness()
    status = HTTPStatus.OK if all(found.values()) else HTTPStatus.SERVICE_UNAVAILABLE
    return JsonResponse({name: "ok" if ok else "failed" for name, ok in found.items()}, status=status)


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The numbers for Prometheus, for whoever brings CRMBRIDGE_METRICS_TOKEN or may see synch jobs; else 401."""
    if not (_has_token(request) or request.user.has_perm("sync.view_synchjob")):
        answer = HttpResponse(status=HTTPStatus.UNAUTHORIZED)
        answer["WWW-Authenticate"] = SCHEME.strip()
        return answer
    return HttpResponse(generate_latest(registry()), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    wanted = settings.METRICS_TOKEN
    return bool(wanted) and constant_time_compare(given, SCHEME + wanted)
