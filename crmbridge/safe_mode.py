"""The answer to the question of safe mode: is this copy of the database the real one now?"""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from connection.installation import KEPT_OFF, NoCopy, claim, keep_off
from connection.models import CRMConnection


@require_POST
@permission_required("connection.change_crmconnection", raise_exception=True)
def answer(request: HttpRequest) -> HttpResponse:
    """Do as the administrator chose, and show on Home how the connection stands."""
    connection = get_object_or_404(CRMConnection)
    chosen = request.POST.get("answer")
    try:
        if chosen == "real":
            claim(connection)
            messages.success(request, _("This installation is the real one now."))
        elif chosen == "off":
            keep_off(connection, KEPT_OFF)
            messages.info(request, _("The connection is disabled. All set-up is kept."))
        else:
            return HttpResponseBadRequest()
    except NoCopy as error:
        messages.info(request, str(error))
    return redirect("home")
