"""API keys and the set-up guide in Django admin. The task queue's own pages are taken away."""

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from crmbridge.models import ApiKey, GuideDraft, GuideStep

# Django's admin classes take type arguments only in their stubs.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline

# `Schedule.func` is any Python name: who may edit schedules there may run any code (libraries.md 2.9-11).
for model in apps.get_app_config("django_q").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys for programs. A key cannot be read again, changed to another user, or deleted out of the record."""

    list_display = ("name", "prefix", "user", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    actions = ("revoke",)
    told = ("prefix", "created_at", "last_used_at", "revoked_at")

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """A new key is described; an issued one also tells its story."""
        return ("name", "user", "expires_at", *(self.told if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """Whom a key acts for is settled when it is issued."""
        return ("user", *self.told) if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only superusers issue a key that acts as a superuser."""
        if db_field.name == "user" and not request.user.is_superuser:
            kwargs["queryset"] = User.objects.filter(is_superuser=False)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Keys are revoked, not deleted: who used which key stays known."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Give a new key its secret; the text of the key lives until the answer is sent."""
        if not change:
            request.issued_key = obj.issue()  # type: ignore[attr-defined]  # carried to response_add
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the key, this once. Not as a message: those travel through cookies."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("The API key was issued"),
            "opts": self.opts,
            "original": obj,
            "key": request.issued_key,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/crmbridge/apikey/issued.html", context)

    @admin.action(description=_("Revoke the selected keys"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Shut keys for good."""
        count = ApiKey.revoke(queryset)
        text = ngettext("%(count)d key was revoked.", "%(count)d keys were revoked.", count) % {"count": count}
        self.message_user(request, text, messages.SUCCESS)


class _Written:
    """The guide's pages write these rows; here they are looked at."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The guide makes them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The guide changes them."""
        return False


class GuideStepInline(_Written, TabularInline):
    """The steps that were completed, and by whom."""

    model = GuideStep
    fields = ("name", "done_by", "done_at")


@admin.register(GuideDraft)
class GuideDraftAdmin(_Written, ModelAdmin):
    """How far the set-up guide has come, and who did what. Deleting an unfinished one starts the guide over."""

    list_display = ("started_at", "started_by", "is_finished", "finished_at", "finished_by")
    list_filter = ("is_finished",)
    list_select_related = ("started_by", "finished_by")
    inlines = (GuideStepInline,)
