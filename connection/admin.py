"""The connection in Django admin: settings, test, switch; and what we know of the CRM's tables."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from connection.check import check_connection, disable, enable
from connection.forms import ConnectionForm
from connection.models import CRMConnection, RequestBudget, SolutionImport, TableMetadata

# Django's admin classes take type arguments only in their stubs.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(CRMConnection)
class CRMConnectionAdmin(ModelAdmin):
    """One row: the company's connection, with buttons to test, enable and disable it.

    It is changed only while it is disabled (F5.25), and never deleted: it knows to which environment the couplings
    belong.
    """

    form = ConnectionForm
    change_form_template = "connection/admin_change_form.html"
    list_display = ("name", "address", "is_enabled", "last_tested_at")
    found_out = (
        "is_enabled",
        "disable_reason",
        "last_tested_at",
        "last_test_result",
        "organization_id",
        "organization_name",
        "enabled_organization_id",
        "enabled_address",
        "version",
        "base_currency_code",
        "solution_version",
        "sync_user_name",
    )
    options = ("is_item_availability_on", "odata_user", "is_sales_order_integration_on", "sales_order_user")
    entered = ("name", "address", "authority", "tenant_id", "client_id")
    credential = ("new_secret", "new_certificate")

    def get_fieldsets(self, request: HttpRequest, obj: CRMConnection | None = None) -> Any:
        """A credential is only entered, never shown."""
        entered = self.entered if _is_locked(obj) else (*self.entered, *self.credential)
        return [
            (None, {"fields": entered}),
            (gettext_lazy("State"), {"fields": self.found_out}),
            (gettext_lazy("Options"), {"fields": self.options}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: CRMConnection | None = None) -> Any:
        """All of it while the connection is enabled."""
        return (*(self.entered if _is_locked(obj) else ()), *self.found_out, *self.options)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Without buttons to save what cannot be changed."""
        if _is_locked(kwargs.get("obj")):
            context |= {"show_save": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever does not want it disables it."""
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A company has one connection."""
        return super().has_add_permission(request) and CRMConnection.current() is None

    def get_queryset(self, request: HttpRequest) -> QuerySet[CRMConnection]:
        """Locked while a form is saved, which writes every column: what others switch meanwhile is not put back."""
        rows: QuerySet[CRMConnection] = super().get_queryset(request)
        is_saving = request.method == "POST" and transaction.get_connection().in_atomic_block
        return rows.select_for_update() if is_saving else rows

    def get_urls(self) -> list[URLPattern]:
        """Django's pages and the three buttons."""
        buttons = [("test", self.test), ("enable", self.enable), ("disable", self.disable)]
        own = [
            path(
                f"<path:object_id>/{name}/",
                require_POST(self.admin_site.admin_view(view)),
                name=f"connection_crmconnection_{name}",
            )
            for name, view in buttons
        ]
        return [*own, *super().get_urls()]

    @method_decorator(sensitive_post_parameters("new_secret", "new_certificate"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's form; the secret is left out of error reports."""
        return super().changeform_view(request, *args, **kwargs)

    def test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Test the saved connection and show the steps."""
        connection = self._changeable(request, object_id)
        return self._result(request, connection, check_connection(connection))

    def enable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Test the saved connection and switch it on where the test passes."""
        connection = self._changeable(request, object_id)
        return self._result(request, connection, enable(connection))

    def disable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Switch the connection off."""
        connection = self._changeable(request, object_id)
        disable(connection, format_lazy(gettext_lazy("Disabled by {user}."), user=str(request.user)))
        messages.info(request, _("The connection is disabled."))
        return HttpResponseRedirect(reverse("admin:connection_crmconnection_change", args=[connection.pk]))

    def _changeable(self, request: HttpRequest, object_id: str) -> CRMConnection:
        connection = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, connection):
            raise PermissionDenied
        if connection is None:
            raise Http404
        found: CRMConnection = connection
        return found

    def _result(self, request: HttpRequest, connection: CRMConnection, report: Any) -> HttpResponse:
        title = _("Test of the connection to Dynamics CRM")
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": connection,
            "report": report,
        }
        return TemplateResponse(request, "connection/admin_test_connection.html", context)


def _is_locked(connection: CRMConnection | None) -> bool:
    return connection is not None and connection.is_enabled


@admin.register(SolutionImport)
class SolutionImportAdmin(ModelAdmin):
    """Who imported the solution when, and how it ended; a record of what happened, so there is nothing to edit."""

    list_display = ("started_at", "version", "state", "progress", "started_by", "ended_at", "reason")
    list_filter = ("state",)
    fields = (
        "connection",
        "address",
        "version",
        "state",
        "reason",
        "progress",
        "started_by",
        "started_at",
        "heartbeat_at",
        "ended_at",
        "import_job_id",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """An import is started by an administrator's sign-in."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What happened stays as it was."""
        return False


@admin.register(TableMetadata)
class TableMetadataAdmin(ModelAdmin):
    """What we know of the CRM's tables; read from the CRM, so there is nothing to edit. Deleting makes us ask again."""

    list_display = ("table", "connection", "version", "read_at", "drifted_at", "changes")
    list_filter = ("drifted_at",)
    readonly_fields = (
        "connection",
        "table",
        "version",
        "read_at",
        "drifted_at",
        "changes",
        "is_contradicted",
        "definition",
    )
    exclude = ("drift",)

    @admin.display(description=gettext_lazy("last changes"))
    def changes(self, obj: TableMetadata) -> str:
        """In what the definition differs from the one before, in plain words."""
        return format_html_join(mark_safe("<br>"), "{}", ((str(each),) for each in obj.drifts))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from the CRM."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows come from the CRM."""
        return False


@admin.register(RequestBudget)
class RequestBudgetAdmin(ModelAdmin):
    """What all workers may send together; learned from the CRM. Deleting makes us learn it anew."""

    list_display = ("connection", "version")
    readonly_fields = ("connection", "state", "version")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The workers make it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The workers keep it."""
        return False
