"""Pages of the job queue: what is to be done when, and the log of every execution (S78)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db.models import Case, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext_lazy as _
from django.views import View
from django.views.generic import DetailView, ListView, UpdateView

from connection.errors import CRMBridgeError
from coupling.models import TableMapping
from sync import schedules
from sync.causes import failed_entries
from sync.delays import delays
from sync.entries import cancel, hold, restart
from sync.forms import ScheduleForm
from sync.models import OPEN, JobQueueEntry, JobStatus, SynchJob
from sync.sharing import Sharing

PAGE_SIZE = 50
LOG_SIZE = 50
FAILED = "failed"
"""A choice beside the statuses: what Home and the notifications count, which leaves out what a person cancelled."""

# Django's generic views take type arguments only in their stubs.
if TYPE_CHECKING:
    EntryList = ListView[JobQueueEntry]
    EntryDetail = DetailView[JobQueueEntry]
    ScheduleUpdate = UpdateView[JobQueueEntry, "ScheduleForm"]
else:
    EntryList, EntryDetail, ScheduleUpdate = ListView, DetailView, UpdateView


class EntryListView(PermissionRequiredMixin, EntryList):
    """The entries, those first that are at work or due; `?state=` and `?mapping=` narrow them."""

    permission_required = "sync.view_jobqueueentry"
    template_name = "sync/entry_list.html"
    paginate_by = PAGE_SIZE

    def get_queryset(self) -> QuerySet[JobQueueEntry]:
        """The entries asked for."""
        asked = self.request.GET
        entries = failed_entries() if asked.get("state") == FAILED else JobQueueEntry.objects.all()
        entries = entries.select_related("mapping")
        if asked.get("state") in JobStatus.values:
            entries = entries.filter(status=asked["state"])
        if asked.get("mapping"):
            entries = entries.filter(mapping__name=asked["mapping"])
        order = {JobStatus.IN_PROCESS: 0, JobStatus.ERROR: 1, JobStatus.FINISHED: 9}
        rank = Case(*(When(status=status, then=place) for status, place in order.items()), default=5)
        return entries.order_by(rank, "-pk")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The entries, the choices to narrow them, and whether to look again."""
        context = super().get_context_data(**kwargs)
        names = list(TableMapping.objects.values_list("name", flat=True))
        is_live = any(entry.status in OPEN for entry in context["object_list"])
        context["silent"] = schedules.silent()
        states = [*JobStatus.choices, (FAILED, _("Error, not cancelled"))]
        return context | {"states": states, "mappings": names, "is_live": is_live}


class EntryView(PermissionRequiredMixin, EntryDetail):
    """One entry with its executions and the synch jobs that each made."""

    permission_required = "sync.view_jobqueueentry"
    template_name = "sync/entry.html"
    queryset = JobQueueEntry.objects.select_related("mapping", "created_by")
    context_object_name = "entry"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The entry, its log, and which actions fit."""
        entry = self.object
        return super().get_context_data(**kwargs) | {
            "log": entry.log.prefetch_related("synch_jobs__mapping")[:LOG_SIZE],
            "sharing": Sharing.of(SynchJob.objects.filter(execution__entry=entry, ranges__isnull=False).first()),
            "is_live": entry.status in OPEN,
            "delay": next(delays([entry]))[1] if entry.is_recurring else None,
            "is_silent": entry in schedules.silent(),
            "can_hold": entry.status in (*OPEN, JobStatus.INACTIVE) and not entry.request,
            "can_restart": entry.status in (JobStatus.ON_HOLD, JobStatus.ERROR),
            "can_cancel": entry.status in (*OPEN, JobStatus.ON_HOLD) and not entry.request and not entry.is_recurring,
        }


class ScheduleView(PermissionRequiredMixin, ScheduleUpdate):
    """When a recurring entry runs, rests and raises the alarm."""

    permission_required = "sync.change_jobqueueentry"
    template_name = "sync/schedule.html"
    form_class = ScheduleForm
    queryset = JobQueueEntry.objects.filter(interval_minutes__isnull=False).select_related("mapping")
    context_object_name = "entry"
    http_method_names = ["get", "post", "head", "options"]

    def form_valid(self, form: ScheduleForm) -> HttpResponse:
        """Store what was changed, and show the entry."""
        schedules.reschedule(self.object, **form.chosen)
        messages.success(self.request, _("The schedule is saved."))
        return redirect("sync:entry", self.object.pk)


class EntryActionView(PermissionRequiredMixin, View):
    """Set on hold, restart, cancel."""

    permission_required = "sync.run_jobqueueentry"

    def post(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """Carry out the action; one that does not fit any more does nothing."""
        entry, by = get_object_or_404(JobQueueEntry, pk=pk), request.user.get_username()
        actions: dict[str, Callable[[], object]] = {
            "hold": lambda: hold(entry, by),
            "cancel": lambda: cancel(entry, by),
            "restart": lambda: restart(entry),
        }
        if action not in actions:
            raise Http404
        try:
            actions[action]()
        except CRMBridgeError as error:
            messages.error(request, str(error))
        return redirect("sync:entry", pk)
