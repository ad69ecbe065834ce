"""The window **CRM Connection Setup**: every task of the guide by hand, health, and switches (S17, S84, S85)."""

import hashlib
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.generic import TemplateView, View

from connection.check import check_connection, enable
from connection.models import CRMConnection
from coupling.defaults.reset import Replacement, replacements, use_defaults
from coupling.environment import are_couplings_foreign
from crmbridge.guide.health import health
from crmbridge.guide.progress import one_at_a_time, open_draft
from crmbridge.guide.steps import STEPS
from crmbridge.guide.switching import switch_off
from crmbridge.guide.tables import choices
from crmbridge.guide.task import SetupPage
from financials.models import CompanySettings


class ConnectionView(PermissionRequiredMixin, TemplateView):
    """The window: what is set up, and the way to everything that can be changed."""

    template_name = "crmbridge/window/window.html"
    permission_required = ("connection.view_crmconnection", "coupling.view_tablemapping")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the database knows; the CRM is asked by the part that the page fetches."""
        return super().get_context_data(**kwargs) | window()


def window(**more: Any) -> dict[str, Any]:
    """What the window shows."""
    connection = CRMConnection.current()
    return {
        "connection": connection,
        "tasks": [step for step in STEPS if step.by_hand],
        "chosen": [choice.title for choice in choices() if choice.is_enabled] if connection else [],
        "draft": open_draft(),
        "are_couplings_foreign": bool(connection and are_couplings_foreign(connection, connection.organization_id)),
        **more,
    }


class HealthView(PermissionRequiredMixin, View):
    """The health of the connection, which takes requests to the CRM."""

    permission_required = "connection.view_crmconnection"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The points, as part of a page."""
        connection = CRMConnection.current()
        points = health(connection) if connection else []
        return render(request, "crmbridge/window/health.html", {"points": points})


class SwitchView(SetupPage, View):
    """A change of state: a GET asks whether it is meant, a POST does it."""

    template_name: str

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Without a connection there is nothing to switch."""
        found = CRMConnection.current()
        if found is None:
            return HttpResponseRedirect(reverse("connection"))
        self.connection = found
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        """The question."""
        return render(request, self.template_name, {"connection": self.connection, "next": self._next()})

    def _next(self) -> str:
        address = self.request.POST.get("next") or self.request.GET.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(address, {self.request.get_host()}, self.request.is_secure())
        return address if is_ours else reverse("connection")


class TestView(SwitchView):
    """**Test Connection**. A test changes what is known of the connection, so that it takes a button."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """The steps of the test, in the window."""
        return render(request, "crmbridge/window/window.html", window(report=check_connection(self.connection)))


class EnableView(SwitchView):
    """**Enable**: what works is switched on."""

    template_name = "crmbridge/window/enable.html"

    def post(self, request: HttpRequest) -> HttpResponse:
        """Test and enable, or say why not."""
        report = enable(self.connection)
        if not report.ok:
            return render(request, "crmbridge/window/window.html", window(report=report))
        messages.success(request, _("The connection is enabled."))
        return HttpResponseRedirect(self._next())


class DisableView(SwitchView):
    """**Disable**: nothing flows, and nothing is lost."""

    template_name = "crmbridge/window/disable.html"

    def post(self, request: HttpRequest) -> HttpResponse:
        """Disable and say who did it."""
        switch_off(self.connection, self.user)
        messages.info(request, _("The connection is disabled."))
        return HttpResponseRedirect(self._next())


class DefaultsView(SwitchView):
    """**Use default synchronization setup**: says what it replaces, then does it (F5.22)."""

    permission_required = ("connection.change_crmconnection", "coupling.change_tablemapping")
    template_name = "crmbridge/window/defaults.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """What would be replaced."""
        found = replacements(*self._currencies())
        context = {"connection": self.connection, "replacements": found, "seen": _fingerprint(found)}
        return render(request, self.template_name, context)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Replace what was shown; where something else would be replaced by now, show that first."""
        with transaction.atomic():
            one_at_a_time()
            if request.POST.get("seen") != _fingerprint(replacements(*self._currencies())):
                messages.info(request, _("The mappings have been changed meanwhile. Look at the list again."))
                return HttpResponseRedirect(request.path)
            replaced = use_defaults(*self._currencies())
        text = ngettext("%(count)d setting was replaced.", "%(count)d settings were replaced.", len(replaced))
        messages.success(request, text % {"count": len(replaced)})
        return HttpResponseRedirect(reverse("guide:mappings"))

    def _currencies(self) -> tuple[str, str]:
        return CompanySettings.current().lcy_code, self.connection.base_currency_code


def _fingerprint(found: Sequence[Replacement]) -> str:
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]
