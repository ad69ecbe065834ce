"""The way of an administrator of the CRM to its sign-in page and back, and how far the import is (S22, S27)."""

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from connection import errands, person
from connection.errands import Errand, Order
from connection.errors import CRMBridgeError
from connection.models import CRMConnection, NotConnected, SettingsLocked
from connection.person import SignInEnded
from connection.solution import latest_import, settle_where_allowed, solution_state

_KEPT = "crm_sign_in"


@require_POST
@permission_required("connection.change_crmconnection", raise_exception=True)
def sign_in(request: HttpRequest) -> HttpResponse:
    """Send an administrator of the CRM to its sign-in page, to come back for `task` and then to `next`.

    The page leads there by itself and has a link too: browsers do not let a form be answered with another site.
    """
    if request.POST.get("task") not in Errand.values:
        return HttpResponseBadRequest()
    back = _back(request)
    try:
        begun = person.begin(_connection(), return_address(request))
    except CRMBridgeError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(back)
    request.session[_KEPT] = {
        "sealed": begun.sealed,
        "task": request.POST["task"],
        "sync_user": request.POST.get("sync_user", ""),
        "next": back,
    }
    response = render(request, "connection/to_sign_in.html", {"address": begun.address, "back": back})
    response["Refresh"] = f"0; url={begun.address}"
    return response


@require_GET
@never_cache
@permission_required("connection.change_crmconnection", raise_exception=True)
def signed_in(request: HttpRequest) -> HttpResponse:
    """Do what the administrator signed in for, and go back to where they came from with the outcome as a message.

    What was kept is taken out of the session first: an answer counts once.
    """
    kept: dict[str, str] = request.session.pop(_KEPT, {})
    try:
        if not kept:
            raise SignInEnded
        order = Order(Errand(kept["task"]), request.user, kept["sync_user"])
        done = errands.do(order, _connection(), kept["sealed"], request.GET.dict())
    except CRMBridgeError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, str(done))
    return HttpResponseRedirect(kept.get("next", reverse("connection")))


@require_GET
@permission_required("connection.view_crmconnection", raise_exception=True)
def solution(request: HttpRequest) -> HttpResponse:
    """How the solution stands and how far its import is; a part of pages, which renews itself while one runs.

    The page around it hears when that import is over, by the event `import-over`.
    """
    connection = CRMConnection.current()
    if connection is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    context = solution_context(connection)
    response = render(request, "connection/solution.html", context)
    if "was_running" in request.GET and not context["is_running"]:
        response["HX-Trigger"] = "import-over"
    return response


def return_address(request: HttpRequest) -> str:
    """Where people come back to from the sign-in page, which Entra ID must know as the application's redirect URI."""
    return request.build_absolute_uri(reverse("connection:signed-in"))


def solution_context(connection: CRMConnection) -> dict[str, Any]:
    """What `connection/solution.html` shows; the CRM is not asked while it imports."""
    latest = latest_import(connection)
    if latest is not None and latest.state == latest.State.INTERRUPTED:
        settle_where_allowed(connection)
        latest.refresh_from_db()
    is_running = latest is not None and latest.state == latest.State.RUNNING
    return {"latest": latest, "is_running": is_running, "state": None if is_running else solution_state(connection)}


def _connection() -> CRMConnection:
    """The connection, which must be disabled while an administrator changes the CRM for it (F5.25)."""
    connection = CRMConnection.current()
    if connection is None:
        raise NotConnected
    if connection.is_enabled:
        raise SettingsLocked
    return connection


def _back(request: HttpRequest) -> str:
    address = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if is_ours else reverse("connection")
