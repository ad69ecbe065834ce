"""**Another environment**: whether couplings still hold in the environment that the connection leads to now."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from connection.environment import adopt_environment
from connection.errors import CRMBridgeError
from connection.models import CRMConnection
from coupling.environment import are_couplings_foreign
from coupling.models import Coupling
from crmbridge.guide.window import SwitchView
from sync.environment import start_over


class EnvironmentView(SwitchView):
    """Asks whether it is a copy of the earlier environment; deleting couplings takes a tick besides."""

    permission_required = ("connection.change_crmconnection", "coupling.change_tablemapping")
    template_name = "crmbridge/window/environment.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The question, where there is one."""
        found = self.connection.organization_id
        if self.connection.is_enabled or not are_couplings_foreign(self.connection, found):
            return HttpResponseRedirect(reverse("connection"))
        return self._ask()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Do as the administrator chose, for the environment that they saw."""
        if request.POST.get("seen") != str(self.connection.organization_id):
            messages.info(request, _("The environment has been changed meanwhile. Look at the question again."))
            return HttpResponseRedirect(request.path)
        answer = request.POST.get("answer")
        if answer == "other" and "is_sure" not in request.POST:
            return self._ask(is_unsure=True)
        if answer not in ("same", "other"):
            return HttpResponseBadRequest()
        try:
            messages.success(request, keep(self.connection) if answer == "same" else delete(self.connection))
        except CRMBridgeError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("connection"))

    def _ask(self, **more: Any) -> HttpResponse:
        context = {"connection": self.connection, "couplings": Coupling.objects.count(), **more}
        return render(self.request, self.template_name, context)


def keep(connection: CRMConnection) -> str:
    """The environment is a copy of the earlier one: couplings hold. Raises EnvironmentSettled."""
    adopt_environment(connection)
    return _("The couplings are kept. Dynamics CRM is read from its beginning once more.")


def delete(connection: CRMConnection) -> str:
    """The environment is another one: couplings are deleted. Raises EnvironmentSettled and AlreadyRunning."""
    count = start_over(connection)
    text = ngettext("%(count)d coupling was deleted.", "%(count)d couplings were deleted.", count)
    return text % {"count": count} + " " + _("History stays. A full synchronization couples what matches.")
