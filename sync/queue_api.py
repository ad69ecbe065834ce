"""The API of the job queue and of full synchronizations: to see, and to act on."""

from collections.abc import Callable
from copy import copy
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request
from rest_framework.response import Response

from connection.errors import CRMBridgeError
from coupling.models import TableMapping
from sync import entries, fullsync
from sync.delays import delays
from sync.models import (
    SCHEDULE,
    FullSynchReviewLine,
    FullSynchronization,
    JobQueueEntry,
    JobQueueLogEntry,
    SynchJob,
)
from sync.review import Review, ReviewLine
from sync.schedules import reschedule


class RunPermissions(DjangoModelPermissions):
    """Seeing takes the right to view, acting the right to run."""

    perms_map = DjangoModelPermissions.perms_map | {
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
        "POST": ["%(app_label)s.run_%(model_name)s"],
    }


class NotPossible(APIException):
    """The action does not fit how things stand."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = _("This does not fit how things stand now; nothing was done.")
    default_code = "not_possible"


class JobQueueLogEntrySerializer(serializers.ModelSerializer[JobQueueLogEntry]):
    """One execution, with the synch jobs that it made."""

    message = serializers.CharField(source="message_text", read_only=True)
    synch_jobs = serializers.PrimaryKeyRelatedField[SynchJob](many=True, read_only=True)

    class Meta:
        model = JobQueueLogEntry
        fields = ("id", "attempt", "state", "started_at", "finished_at", "slices", "message", "synch_jobs")


class JobQueueEntrySerializer(serializers.ModelSerializer[JobQueueEntry]):
    """A scheduled or one-off piece of work; `request` says what it will do after the page in hand."""

    mapping = serializers.SlugRelatedField[TableMapping](slug_field="name", read_only=True)
    message = serializers.CharField(source="message_text", read_only=True)
    log = JobQueueLogEntrySerializer(many=True, read_only=True)

    class Meta:
        model = JobQueueEntry
        fields = (
            "id",
            "mapping",
            "kind",
            "direction",
            "is_full",
            "status",
            "priority",
            "earliest_start",
            *SCHEDULE,
            "attempts",
            "request",
            "message",
            "started_at",
            "finished_at",
            "last_success_at",
            "log",
        )


class Seconds(serializers.FloatField):
    """A span of time."""

    def to_representation(self, value: Any) -> Any:
        """How many seconds it has."""
        return super().to_representation(value.total_seconds())


class DelaySerializer(serializers.Serializer[Any]):
    """How long, in seconds, a change may have waited: now, and at worst in a week; and when the next run is due."""

    job_queue_entry = serializers.IntegerField(source="entry.pk")
    mapping = serializers.CharField(source="entry.mapping.name")
    present = Seconds(source="delay.present")
    worst = Seconds(source="delay.worst")
    until_next = Seconds(source="delay.until_next", allow_null=True)


class ScheduleSerializer(serializers.ModelSerializer[JobQueueEntry]):
    """When a recurring entry runs, rests and raises the alarm."""

    class Meta:
        model = JobQueueEntry
        fields = SCHEDULE
        extra_kwargs = {"interval_minutes": {"allow_null": False}}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The rules of the entry itself."""
        entry = copy(self.instance)
        assert isinstance(entry, JobQueueEntry)
        for name, value in attrs.items():
            setattr(entry, name, value)
        entry.clean()
        return attrs


class JobQueueEntryViewSet(viewsets.ReadOnlyModelViewSet[JobQueueEntry]):
    """The job queue, newest first; hold, restart and cancel are heeded after the page in hand."""

    queryset = JobQueueEntry.objects.select_related("mapping").prefetch_related("log__synch_jobs")
    serializer_class = JobQueueEntrySerializer
    permission_classes = [RunPermissions]
    filterset_fields = {"mapping__name": ["exact"], "status": ["exact"], "kind": ["exact"]}

    @extend_schema(request=ScheduleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change when a recurring entry runs."""
        entry = self.get_object()
        if not entry.is_recurring:
            raise NotPossible(_("This entry runs once; it has no schedule."))
        asked = ScheduleSerializer(entry, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        reschedule(entry, **asked.validated_data)
        return self.retrieve(request, pk)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, pk: str) -> Response:
        """Pause it."""
        entry = self.get_object()
        _act(lambda: entries.hold(entry, request.user.get_username()))
        return self.retrieve(request, pk)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop it for good; a recurring one is set on hold instead."""
        entry = self.get_object()
        _act(lambda: entries.cancel(entry, request.user.get_username()))
        return self.retrieve(request, pk)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def restart(self, request: Request, pk: str) -> Response:
        """Have a failed or paused one run again, from where it stopped."""
        entry = self.get_object()
        _act(lambda: entries.restart(entry))
        return self.retrieve(request, pk)

    @extend_schema(responses=DelaySerializer(many=True))
    @action(detail=False, pagination_class=None, filter_backends=[])
    def delays(self, request: Request) -> Response:
        """How far every mapping with a schedule is behind."""
        recurring = JobQueueEntry.objects.filter(interval_minutes__isnull=False).select_related("mapping")
        return Response(DelaySerializer([{"entry": e, "delay": d} for e, d in delays(recurring)], many=True).data)


class ReviewLineSerializer(serializers.Serializer[ReviewLine]):
    """One mapping's line: statuses as on the page (S77), blank where nothing has been started."""

    id = serializers.IntegerField(source="line.pk")
    mapping = serializers.CharField(source="line.name")
    direction = serializers.CharField(source="line.direction")
    recommendation = serializers.CharField(source="line.recommendation")
    reason = serializers.CharField(source="line.reason_text")
    depends_on = serializers.ListField(child=serializers.CharField())
    waits_for = serializers.SerializerMethodField()
    job_queue_entry = serializers.IntegerField(source="line.entry_id", allow_null=True)
    job_queue_entry_status = serializers.CharField(source="entry_status.value")
    to_job = serializers.IntegerField(source="to_way.last.pk", default=None)
    to_job_status = serializers.CharField(source="to_status.value")
    from_job = serializers.IntegerField(source="from_way.last.pk", default=None)
    from_job_status = serializers.CharField(source="from_status.value")
    message = serializers.CharField()
    failed_records = serializers.IntegerField(source="failed")
    done = serializers.IntegerField()
    total = serializers.IntegerField()

    def get_waits_for(self, line: ReviewLine) -> list[str]:
        """The names of the lines that it waits for now."""
        return [each.name for each in line.waits_for]


class ReviewSerializer(serializers.Serializer[Review]):
    """A full synchronization with its lines, progress, rate (records a second), the seconds left, and why all rests."""

    id = serializers.IntegerField(source="full.pk")
    state = serializers.CharField(source="full.state")
    started_by = serializers.CharField(source="full.started_by.username", default=None)
    created_at = serializers.DateTimeField(source="full.created_at")
    started_at = serializers.DateTimeField(source="full.started_at", allow_null=True)
    finished_at = serializers.DateTimeField(source="full.finished_at", allow_null=True)
    percent = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True)
    seconds_left = Seconds(source="time_left", allow_null=True)
    at_rest = serializers.CharField(allow_null=True)
    lines = ReviewLineSerializer(many=True)


class FullSynchronizationSerializer(serializers.ModelSerializer[FullSynchronization]):
    """A full synchronization in the list of them."""

    class Meta:
        model = FullSynchronization
        fields = ("id", "state", "is_current", "created_at", "started_at", "finished_at")


class FullSynchronizationViewSet(viewsets.ReadOnlyModelViewSet[FullSynchronization]):
    """Full synchronizations, newest first; ask for one again and again to follow its progress."""

    queryset = FullSynchronization.objects.select_related("started_by")
    serializer_class = FullSynchronizationSerializer
    permission_classes = [RunPermissions]

    @extend_schema(responses=ReviewSerializer)
    def retrieve(self, request: Request, *args: object, **kwargs: object) -> Response:
        """One with its lines, as it stands now."""
        return _review(self.get_object())

    @extend_schema(request=None, responses=ReviewSerializer)
    @action(detail=False, methods=["post"])
    def prepare(self, request: Request) -> Response:
        """Make the lines, without starting anything."""
        return _review(_done(lambda: fullsync.prepare(_user(request))))

    @extend_schema(request=None, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Start it, or go on with a paused one; returns at once (S75)."""
        return self._act(fullsync.start)

    @extend_schema(request=None, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Let every line stop after the page in hand."""
        return self._act(fullsync.pause)

    @extend_schema(request=None, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop every line for good."""
        return self._act(fullsync.cancel)

    @extend_schema(request=None, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def restart(self, request: Request, pk: str) -> Response:
        """Restart the lines that failed."""
        return self._act(lambda full, user: fullsync.restart_failed(full))

    @extend_schema(request=None, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def reset(self, request: Request, pk: str) -> Response:
        """Keep it as history and prepare a new one."""
        full = self.get_object()
        return _review(_done(lambda: fullsync.reset(full, _user(request))))

    @extend_schema(request=None, responses=ReviewSerializer)
    @action(detail=True, methods=["post"], url_path=r"lines/(?P<line>\d+)/restart")
    def restart_line(self, request: Request, pk: str, line: str) -> Response:
        """Have one line run again."""
        return self._act(lambda full, user: fullsync.restart_line(_line(full, line)))

    @extend_schema(request=None, responses=ReviewSerializer)
    @action(detail=True, methods=["post"], url_path=r"lines/(?P<line>\d+)/recommend")
    def recommend_line(self, request: Request, pk: str, line: str) -> Response:
        """Recommend Full Synchronization: have one line synchronize everything, whatever was recommended."""
        full = self.get_object()
        _done(lambda: fullsync.recommend_full(_line(full, line)))
        return _review(full)

    def _act(self, do: Callable[[FullSynchronization, User], object]) -> Response:
        full = self.get_object()
        _act(lambda: do(full, _user(self.request)))
        return _review(full)


T = TypeVar("T")


def _done(do: Callable[[], T]) -> T:
    try:
        return do()
    except CRMBridgeError as error:
        raise NotPossible(str(error)) from error


def _act(do: Callable[[], object]) -> None:
    """Carry out an action that says whether there was something to do."""
    if not _done(do):
        raise NotPossible


def _line(full: FullSynchronization, number: str) -> FullSynchReviewLine:
    return get_object_or_404(full.lines.select_related("full_synchronization", "entry"), pk=number)


def _review(full: FullSynchronization) -> Response:
    full.refresh_from_db()
    return Response(ReviewSerializer(Review.of(full)).data)


def _user(request: Request) -> User:
    assert isinstance(request.user, User)
    return request.user
