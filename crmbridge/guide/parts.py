"""The moving parts of the set-up's pages, fetched by htmx."""

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from connection.dataverse.address import crm_address
from connection.dataverse.errors import AddressRefused, NoRoles
from connection.errors import CRMBridgeError
from connection.models import CRMConnection
from connection.users import role_state
from crmbridge.guide.forms import TablesForm
from crmbridge.guide.tables import counts
from crmbridge.guide.tasks import lines
from crmbridge.web_services import availability_steps, user_numbered

administrator = permission_required("connection.change_crmconnection", raise_exception=True)


@require_GET
@administrator
def address(request: HttpRequest) -> HttpResponse:
    """What becomes of an address as it is typed, or why it is refused (F5.1)."""
    typed = request.GET.get("address", "").strip()
    context: dict[str, object] = {"typed": typed}
    try:
        used = crm_address(typed) if typed else ""
        context |= {"used": used, "is_changed": used != typed}
    except AddressRefused as error:
        context["error"] = error
    return render(request, "crmbridge/guide/parts/address.html", context)


@require_POST
@administrator
def tables(request: HttpRequest) -> HttpResponse:
    """The tables, with what the ticked ones need ticked too."""
    form = TablesForm(request.POST, connection=CRMConnection.current())
    return render(request, "crmbridge/guide/parts/tables.html", {"lines": lines(form), "form": form})


@require_GET
@administrator
def availability(request: HttpRequest) -> HttpResponse:
    """The two steps of item availability, with the user that is chosen."""
    context = {"availability": availability_steps(user_numbered(request.GET.get("odata_user", "")))}
    return render(request, "crmbridge/guide/parts/availability.html", context)


@require_GET
@administrator
def roles(request: HttpRequest) -> HttpResponse:
    """What the synchronization user is and which roles it has, as it sees them itself."""
    connection = CRMConnection.current()
    found = role_state(connection) if connection else None
    is_new = found is not None and isinstance(found.error, NoRoles)
    context = {"roles": found, "connection": connection, "is_new": is_new}
    return render(request, "crmbridge/guide/parts/roles.html", context)


@require_GET
@administrator
def counted(request: HttpRequest) -> HttpResponse:
    """The records of both sides."""
    connection, error = CRMConnection.current(), None
    client = None
    try:
        client = connection.client() if connection else None
    except CRMBridgeError as caught:
        error = caught
    found = list(counts(client))
    error = error or next((count.error for count in found if count.error), None)
    return render(request, "crmbridge/guide/parts/counts.html", {"counts": found, "error": error})
