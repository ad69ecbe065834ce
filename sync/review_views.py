"""**CRM Full Synch. Review**: the page, its actions, and earlier full synchronizations (S71 to S84)."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views import View
from django.views.generic import TemplateView

from connection.errors import CRMBridgeError
from connection.models import CRMConnection
from sync import fullsync
from sync.models import FullSynchReviewLine, FullSynchronization
from sync.review import Review

HISTORY = 20


class FullSynchronizationView(PermissionRequiredMixin, TemplateView):
    """The review: a line for each mapping, live while it runs; without a number, the current one."""

    permission_required = "sync.view_fullsynchronization"
    template_name = "sync/review/page.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The review asked for, and the earlier ones."""
        number = self.kwargs.get("pk")
        full = get_object_or_404(FullSynchronization, pk=number) if number else fullsync.current()
        history = FullSynchronization.objects.select_related("started_by", "created_by")
        return super().get_context_data(**kwargs) | {
            "review": Review.of(full) if full else None,
            "is_connected": CRMConnection.objects.filter(is_enabled=True).exists(),
            "history": [each for each in history[:HISTORY] if full is None or each.pk != full.pk],
        }


class PrepareView(PermissionRequiredMixin, View):
    """Makes the lines, without starting anything."""

    permission_required = "sync.run_fullsynchronization"

    def post(self, request: HttpRequest) -> HttpResponse:
        """Prepare, or say why that cannot be done; back to the page."""
        try:
            fullsync.prepare(_user(request))
        except CRMBridgeError as error:
            messages.error(request, str(error))
        return redirect("sync:full_synchronization")


class CancelView(PermissionRequiredMixin, View):
    """**Cancel** is for good, so that a GET asks whether it is meant, and a POST does it."""

    permission_required = "sync.run_fullsynchronization"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The question."""
        full = get_object_or_404(FullSynchronization, pk=pk)
        return render(request, "sync/review/cancel.html", {"full": full})

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Cancel, and go back to the page."""
        full = get_object_or_404(FullSynchronization, pk=pk)
        if not fullsync.cancel(full, _user(request)):
            messages.info(request, _("It had ended already: nothing was left to cancel."))
        return redirect("sync:full_synchronization")


class ActionView(PermissionRequiredMixin, View):
    """Start, Pause, Restart, Reset: each does its part and returns at once (S75)."""

    permission_required = "sync.run_fullsynchronization"

    def post(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """Carry out the action, or say why it does not fit; back to the page."""
        full = get_object_or_404(FullSynchronization, pk=pk)
        actions: dict[str, Callable[[FullSynchronization, User], object]] = {
            "start": fullsync.start,
            "pause": fullsync.pause,
            "restart": lambda full, user: fullsync.restart_failed(full),
            "reset": fullsync.reset,
        }
        if action not in actions:
            raise Http404
        try:
            if not actions[action](full, _user(request)):
                messages.info(request, _("Somebody else was faster: nothing was left to do."))
        except CRMBridgeError as error:
            messages.error(request, str(error))
        return redirect("sync:full_synchronization")


class LineActionView(PermissionRequiredMixin, View):
    """Restart, and Recommend Full Synchronization, of one line."""

    permission_required = "sync.run_fullsynchronization"

    def post(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """Carry out the action, or say why it does not fit; back to the page."""
        line = get_object_or_404(FullSynchReviewLine.objects.select_related("full_synchronization", "entry"), pk=pk)
        actions: dict[str, Callable[[FullSynchReviewLine], object]] = {
            "restart": fullsync.restart_line,
            "recommend": fullsync.recommend_full,
        }
        if action not in actions:
            raise Http404
        try:
            actions[action](line)
        except CRMBridgeError as error:
            messages.error(request, str(error))
        return redirect("sync:full_synchronization_of", line.full_synchronization_id)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
