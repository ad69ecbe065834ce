"""Pages about moved data: synch jobs, errors, conflicts, and what is known about one record."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db.models import QuerySet
from django.views.generic import DetailView, ListView

from connection.errors import Recovery
from coupling.listing import record_names
from coupling.models import TableMapping
from coupling.views import MappedTableView
from sync.models import COUNTERS, Conflict, JobState, SynchError, SynchJob
from sync.record_links import with_records
from sync.record_story import RecordStory
from sync.sharing import Sharing

PAGE_SIZE = 50

# Django's generic views take type arguments only in their stubs.
if TYPE_CHECKING:
    JobList = ListView[SynchJob]
    JobDetail = DetailView[SynchJob]
    ErrorList = ListView[SynchError]
    ConflictList = ListView[Conflict]
else:
    JobList = ErrorList = ConflictList = ListView
    JobDetail = DetailView


class JobListView(PermissionRequiredMixin, JobList):
    """All runs, newest first; `?mapping=` and `?state=` narrow them."""

    permission_required = "sync.view_synchjob"
    template_name = "sync/job_list.html"
    paginate_by = PAGE_SIZE

    def get_queryset(self) -> QuerySet[SynchJob]:
        """The jobs asked for."""
        return _narrowed(self, SynchJob.objects.select_related("mapping"), {"state": JobState.values})

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The jobs with the choices to narrow them; while one of them runs, the list keeps itself up to date (S81)."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        is_running = any(job.state == JobState.RUNNING for job in context["object_list"])
        return context | {"states": JobState.choices, "mappings": _mapping_names(), "is_running": is_running}


class JobView(PermissionRequiredMixin, JobDetail):
    """One run: its counters, its errors, and what it wrote."""

    permission_required = "sync.view_synchjob"
    template_name = "sync/job.html"
    queryset = SynchJob.objects.select_related("mapping", "execution")
    context_object_name = "job"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The job with its counters and the first of its errors and changes."""
        job = self.object
        counters = [(SynchJob._meta.get_field(name), getattr(job, name)) for name in COUNTERS]
        changes = list(job.changes.select_related("coupling__mapping", "former_mapping")[:PAGE_SIZE])
        return super().get_context_data(**kwargs) | {
            "counters": counters,
            "sharing": Sharing.of(job),
            "errors": with_records(job.errors.select_related("mapping")[:PAGE_SIZE]),
            "changes": changes,
            "names": record_names(job.mapping, [change.erp_id for change in changes if change.erp_id]),
            "limit": PAGE_SIZE,
        }


class ErrorListView(PermissionRequiredMixin, ErrorList):
    """Records that failed and are not settled yet; `?kind=` and `?mapping=` narrow them."""

    permission_required = "sync.view_syncherror"
    template_name = "sync/error_list.html"
    paginate_by = PAGE_SIZE

    def get_queryset(self) -> QuerySet[SynchError]:
        """The open errors asked for."""
        errors = SynchError.objects.filter(resolved_at=None).select_related("mapping", "job")
        return _narrowed(self, errors, {"kind": Recovery.values})

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The errors with links to their records, and the choices to narrow them."""
        context = super().get_context_data(**kwargs)
        errors = with_records(context["object_list"])
        return context | {"errors": errors, "kinds": Recovery.choices, "mappings": _mapping_names()}


class ConflictListView(PermissionRequiredMixin, ConflictList):
    """Fields that changed on both sides since both agreed last: base, ours, theirs."""

    permission_required = "sync.view_conflict"
    template_name = "sync/conflict_list.html"
    context_object_name = "conflicts"
    paginate_by = PAGE_SIZE

    def get_queryset(self) -> QuerySet[Conflict]:
        """The open conflicts asked for."""
        conflicts = Conflict.objects.filter(resolved_at=None).select_related("coupling__mapping", "field", "job")
        return _narrowed(self, conflicts, {}, mapping="coupling__mapping__name")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The conflicts and the mappings to narrow them by."""
        return super().get_context_data(**kwargs) | {"mappings": _mapping_names()}


class RecordStoryView(MappedTableView):
    """What is known about one record: a page of its own, and a part of the record page where htmx asks for it."""

    def get_permission_required(self) -> list[str]:
        """The rights to the record's page, and to what this page shows."""
        return [*super().get_permission_required(), "sync.view_synchjob", "sync.view_syncherror"]

    def get_template_names(self) -> list[str]:
        """The bare part for htmx, else the page around it."""
        is_part = getattr(self.request, "htmx", False)
        return ["sync/record_story.html" if is_part else "sync/record_story_page.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The story of the record."""
        erp_id: UUID = self.kwargs["erp_id"]
        return super().get_context_data(**kwargs) | {"story": RecordStory(self.mapping, erp_id), "erp_id": erp_id}


def _narrowed(
    view: "ListView[Any]", rows: QuerySet[Any], choices: dict[str, list[str]], *, mapping: str = "mapping__name"
) -> QuerySet[Any]:
    """ROWS by the choices in the query string; what is no choice is passed over."""
    asked = view.request.GET
    for name, values in choices.items():
        if asked.get(name) in values:
            rows = rows.filter(**{name: asked[name]})
    return rows.filter(**{mapping: asked["mapping"]}) if asked.get("mapping") else rows


def _mapping_names() -> list[str]:
    return list(TableMapping.objects.values_list("name", flat=True))
