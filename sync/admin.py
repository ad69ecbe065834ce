"""What moved data left behind, in Django admin: all of it to look at, because the engine's promises hang on it."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from coupling.read_only import ReadOnlyAdmin
from sync.models import COUNTERS, Change, Conflict, SynchError, SynchJob, SynchState, Waiting


@admin.register(SynchJob)
class SynchJobAdmin(ReadOnlyAdmin):
    """Runs and their counters (I12)."""

    list_display = ("started_at", "mapping", "direction", "state", "read", *COUNTERS)
    list_filter = ("state", "mapping", "direction")
    list_select_related = ("mapping",)
    date_hierarchy = "started_at"
    how = ("type", "is_full", "state", "reason", "started_at", "finished_at")
    fields = ("mapping", "direction", *how, "read", *COUNTERS)
    readonly_fields = ("reason",)

    @admin.display(description=_("message"))
    def reason(self, job: SynchJob) -> str:
        """Why the job failed, in the reader's language."""
        return job.message_text


@admin.register(SynchError)
class SynchErrorAdmin(ReadOnlyAdmin):
    """Records that failed."""

    list_display = ("record_name", "mapping", "side", "kind", "message", "attempts", "last_at", "resolved_at")
    list_filter = ("kind", "mapping", "side", ("resolved_at", admin.EmptyFieldListFilter))
    list_select_related = ("mapping",)
    search_fields = ("record_name", "code", "=record_id")
    who = ("mapping", "side", "record_id", "record_name")
    what = ("kind", "code", "message", "advice", "technical")
    fields = (*who, *what, "job", "attempts", "first_at", "last_at", "resolved_at")
    readonly_fields = ("message", "advice")

    @admin.display(description=_("text"))
    def message(self, error: SynchError) -> str:
        """What went wrong, in the reader's language."""
        return error.message_text

    @admin.display(description=_("what to do"))
    def advice(self, error: SynchError) -> str:
        """What to do about it, in the reader's language."""
        return error.fix_text


@admin.register(Waiting)
class WaitingAdmin(ReadOnlyAdmin):
    """Records that wait for another one (I7)."""

    list_display = ("record_name", "mapping", "waits_for", "waits_for_key", "is_optional", "since")
    list_filter = ("mapping", "waits_for", "is_optional")
    list_select_related = ("mapping", "waits_for")
    search_fields = ("record_name", "waits_for_key", "=record_id")


@admin.register(Conflict)
class ConflictAdmin(ReadOnlyAdmin):
    """Fields that changed on both sides (I2)."""

    list_display = ("record_name", "field", "base", "erp_value", "crm_value", "found_at", "resolved_at")
    list_filter = ("field__mapping", ("resolved_at", admin.EmptyFieldListFilter))
    list_select_related = ("field",)
    search_fields = ("record_name",)


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    """History: what was written, with what stood there before."""

    list_display = ("at", "coupling", "side", "is_insert", "fields", "job")
    list_filter = ("side", "is_insert", "coupling__mapping")
    list_select_related = ("coupling__mapping", "job__mapping")
    show_full_result_count = False


@admin.register(SynchState)
class SynchStateAdmin(ReadOnlyAdmin):
    """Cursors and leases (I4, I5)."""

    list_display = ("mapping", "erp_cursor", "crm_cursor", "lease_owner", "lease_until")
    list_select_related = ("mapping",)
