"""What moved data left behind, in Django admin: all of it to look at, because the engine's promises hang on it."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from connection.errors import CRMBridgeError
from coupling.read_only import ReadOnlyAdmin
from sync.entries import cancel, hold, restart
from sync.forms import ScheduleForm
from sync.models import (
    COUNTERS,
    SCHEDULE,
    Change,
    Conflict,
    FullSynchReviewLine,
    FullSynchronization,
    JobQueueEntry,
    JobQueueLogEntry,
    KeyRange,
    MailReceiver,
    Notification,
    NotificationReading,
    SynchError,
    SynchJob,
    SynchState,
    Waiting,
)
from sync.schedules import reschedule

# Django's admin classes take type arguments only in their stubs.
if TYPE_CHECKING:
    EntryAdmin = admin.ModelAdmin[JobQueueEntry]
    LineInline = admin.TabularInline[FullSynchReviewLine, FullSynchronization]
    LogInline = admin.TabularInline[JobQueueLogEntry, JobQueueEntry]
else:
    EntryAdmin = admin.ModelAdmin
    LineInline = LogInline = admin.TabularInline


@admin.register(SynchJob)
class SynchJobAdmin(ReadOnlyAdmin):
    """Runs and their counters (I12)."""

    list_display = ("started_at", "mapping", "type", "direction", "state", "read", *COUNTERS)
    list_filter = ("state", "type", "mapping", "direction", "is_full")
    search_fields = ("mapping__name",)
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
    search_fields = ("record_name", "=coupling__erp_id", "=coupling__crm_id", "field__erp_field", "field__crm_column")


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    """History: what was written, with what stood there before."""

    list_display = ("at", "mapping", "erp_id", "side", "is_insert", "columns", "job")
    list_filter = ("side", "is_insert", "coupling__mapping")
    list_select_related = ("coupling__mapping", "former_mapping", "job__mapping")
    search_fields = ("=coupling__erp_id", "=coupling__crm_id", "=former_erp_id")
    show_full_result_count = False

    @admin.display(description=_("fields"))
    def columns(self, change: Change) -> str:
        """The names of the fields that were written; the page of the change has the values."""
        return ", ".join(change.fields)


@admin.register(SynchState)
class SynchStateAdmin(ReadOnlyAdmin):
    """Cursors and leases (I4, I5)."""

    list_display = ("mapping", "erp_cursor", "crm_cursor", "lease_owner", "lease_until", "lease_job")
    list_select_related = ("mapping", "lease_job__mapping")
    search_fields = ("mapping__name", "lease_owner")


@admin.register(KeyRange)
class KeyRangeAdmin(ReadOnlyAdmin):
    """The parts of big tables that several workers read, as long as they do (I5)."""

    list_display = ("job", "number", "done", "read", "lease_owner", "lease_until", "earliest_start")
    list_filter = ("job__mapping",)
    list_select_related = ("job__mapping",)
    search_fields = ("job__mapping__name", "lease_owner")
    fields = (
        "job",
        "number",
        "after",
        "until",
        "position",
        "done",
        "read",
        "lease_owner",
        "lease_until",
        "earliest_start",
    )
    readonly_fields = ("done",)

    @admin.display(description=_("done"), boolean=True)
    def done(self, key_range: KeyRange) -> bool:
        """Whether all of it has been read."""
        return key_range.is_done


class LogInlineAdmin(LogInline):
    """The executions of an entry."""

    model = JobQueueLogEntry
    extra = 0
    can_delete = False
    fields = readonly_fields = ("attempt", "state", "started_at", "finished_at", "slices", "worker", "technical")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: workers write the log."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


@admin.register(JobQueueEntry)
class JobQueueEntryAdmin(EntryAdmin):
    """The job queue as it really is. When a recurring entry runs may be changed; how it stands, only by the actions."""

    list_display = ("mapping", "kind", "status", "priority", "earliest_start", "attempts", "last_success_at", "why")
    list_filter = ("status", "kind", "priority", "mapping", ("interval_minutes", admin.EmptyFieldListFilter))
    list_select_related = ("mapping",)
    search_fields = ("mapping__name", "created_by__username", "lease_owner")
    inlines = (LogInlineAdmin,)
    actions = ("put_on_hold", "start_again", "stop_for_good")
    times = ("created_by", "created_at", "started_at", "finished_at", "last_success_at", "heartbeat_at", "lease_owner")
    what = ("mapping", "kind", "direction", "is_full", "status", "priority", "earliest_start", "why")
    fields = (*what, *SCHEDULE, "attempts", *times)
    form = ScheduleForm

    def get_readonly_fields(self, request: HttpRequest, obj: JobQueueEntry | None = None) -> list[str]:
        """Everything but when a recurring entry runs."""
        return [name for name in self.fields if name not in SCHEDULE or not (obj and obj.is_recurring)]

    def save_model(self, request: HttpRequest, obj: JobQueueEntry, form: Any, change: bool) -> None:
        """Write what was edited and nothing else: a worker may have moved the entry on since the page was opened."""
        reschedule(obj, **form.chosen)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: the pages and the schedules put entries in."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the log is kept, and old entries go by themselves."""
        return False

    @admin.display(description=_("message"))
    def why(self, entry: JobQueueEntry) -> str:
        """Why it failed or was stopped, in the reader's language."""
        return entry.message_text

    @admin.action(description=_("Set on hold"), permissions=["run"])
    def put_on_hold(self, request: HttpRequest, entries: QuerySet[JobQueueEntry]) -> None:
        """Pause after the page in hand."""
        for entry in entries:
            hold(entry, request.user.get_username())

    @admin.action(description=_("Restart"), permissions=["run"])
    def start_again(self, request: HttpRequest, entries: QuerySet[JobQueueEntry]) -> None:
        """Go on with paused and failed ones."""
        for entry in entries:
            restart(entry)

    @admin.action(description=_("Cancel"), permissions=["run"])
    def stop_for_good(self, request: HttpRequest, entries: QuerySet[JobQueueEntry]) -> None:
        """Stop after the page in hand."""
        for entry in entries:
            try:
                cancel(entry, request.user.get_username())
            except CRMBridgeError as error:
                self.message_user(request, f"{entry}: {error}", messages.ERROR)

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Who may act on jobs."""
        return request.user.has_perm("sync.run_jobqueueentry")


class FullSynchReviewLineInline(LineInline):
    """The lines of a full synchronization."""

    model = FullSynchReviewLine
    extra = 0
    can_delete = False
    fields = readonly_fields = ("name", "direction", "recommendation", "reason_text", "entry")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


@admin.register(FullSynchronization)
class FullSynchronizationAdmin(ReadOnlyAdmin):
    """Full synchronizations, present and past (S84)."""

    list_display = ("created_at", "state", "started_by", "started_at", "finished_at")
    list_filter = ("state",)
    search_fields = ("created_by__username", "started_by__username")
    fields = ("state", "created_by", "created_at", "started_by", "started_at", "finished_at")
    inlines = (FullSynchReviewLineInline,)


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """What is wrong and what was, one row for every cause."""

    list_display = ("kind", "mapping", "message", "count", "times", "since", "ended_at")
    list_filter = ("kind", "mapping", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("cause", "mapping__name")
    list_select_related = ("mapping",)
    fields = ("kind", "mapping", "message", "advice", "address", "count", "times", "since", "announced_at", "ended_at")
    readonly_fields = ("message", "advice")

    @admin.display(description=_("text"))
    def message(self, notification: Notification) -> str:
        """What is wrong, in the reader's language."""
        return notification.message_text

    @admin.display(description=_("what to do"))
    def advice(self, notification: Notification) -> str:
        """What to do about it, in the reader's language."""
        return notification.fix_text


@admin.register(NotificationReading)
class NotificationReadingAdmin(ReadOnlyAdmin):
    """Who has read what."""

    list_display = ("notification", "user", "read_at")
    search_fields = ("user__username",)
    list_select_related = ("notification__mapping", "user")


@admin.register(MailReceiver)
class MailReceiverAdmin(ReadOnlyAdmin):
    """Whom e-mail reaches; users choose on the page Notifications."""

    list_display = ("__str__", "is_wanted", "language", "tried_at", "told_until")
    search_fields = ("user__username", "user__email")
    list_select_related = ("user",)
