"""The job queue: what is to be done when, how it stands, and a log line for every execution (sync-engine.md 1.11).

These rows are the truth; the task queue below them only says "look here" and may lose or repeat that (I5).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.texts import Texts, in_language
from coupling.models import Direction, TableMapping


class JobStatus(models.TextChoices):
    """How a job queue entry stands."""

    ON_HOLD = "on_hold", _("On Hold")
    READY = "ready", _("Ready")
    IN_PROCESS = "in_process", _("In Process")
    WAITING = "waiting", _("Waiting")
    INACTIVE = "inactive", _("On Hold with Inactivity Timeout")
    FINISHED = "finished", _("Finished")
    ERROR = "error", _("Error")


class Event(models.TextChoices):
    """What moves an entry from one status to another."""

    TAKE = "take", _("a worker takes it")
    WAIT = "wait", _("another entry of its category goes first")
    RELEASE = "release", _("the other entry has ended")
    FINISH = "finish", _("done, and not recurring")
    REPEAT = "repeat", _("done, and due again later")
    IDLE = "idle", _("done, and there was nothing to do")
    RETRY = "retry", _("failed, and tried again later")
    FAIL = "fail", _("failed for good")
    HOLD = "hold", _("set on hold")
    RESTART = "restart", _("restarted")
    WAKE = "wake", _("woken")
    CANCEL = "cancel", _("cancelled")


class Transition(NamedTuple):
    """Where an event may find an entry, and where it leaves it."""

    sources: frozenset[str]
    target: JobStatus


def _transition(target: JobStatus, *sources: JobStatus) -> Transition:
    return Transition(frozenset(sources), target)


_S = JobStatus
TRANSITIONS: Mapping[Event, Transition] = {
    Event.TAKE: _transition(_S.IN_PROCESS, _S.READY, _S.WAITING, _S.INACTIVE, _S.IN_PROCESS),
    Event.WAIT: _transition(_S.WAITING, _S.READY, _S.INACTIVE, _S.IN_PROCESS),
    Event.RELEASE: _transition(_S.READY, _S.WAITING),
    Event.FINISH: _transition(_S.FINISHED, _S.IN_PROCESS),
    Event.REPEAT: _transition(_S.READY, _S.IN_PROCESS),
    Event.IDLE: _transition(_S.INACTIVE, _S.IN_PROCESS),
    Event.RETRY: _transition(_S.READY, _S.IN_PROCESS),
    Event.FAIL: _transition(_S.ERROR, _S.IN_PROCESS),
    Event.HOLD: _transition(_S.ON_HOLD, _S.READY, _S.WAITING, _S.INACTIVE, _S.ERROR, _S.IN_PROCESS),
    Event.RESTART: _transition(_S.READY, _S.ERROR, _S.ON_HOLD),
    Event.WAKE: _transition(_S.READY, _S.READY, _S.INACTIVE, _S.ERROR),
    Event.CANCEL: _transition(_S.ERROR, _S.READY, _S.WAITING, _S.INACTIVE, _S.ON_HOLD, _S.IN_PROCESS),
}
"""The legal moves; every one is made by compare-and-set (`sync.queue.change`)."""

OPEN = (JobStatus.READY, JobStatus.IN_PROCESS, JobStatus.WAITING)
"""Statuses of an entry that will run, or runs, by itself."""


class JobKind(models.TextChoices):
    """What an entry does."""

    SYNCHRONIZE = "synch", _("Synchronization")
    COUPLE = "couple", _("Coupling")
    RELEASE = "release", _("Filling in of references")


class Priority(models.IntegerChoices):
    """The lanes: a lower number overtakes a higher one between two pages."""

    INTERACTIVE = 10, _("Interactive")
    SCHEDULED = 50, _("Scheduled")
    FULL = 90, _("Full synchronization")


class Request(models.TextChoices):
    """What a person asked of an entry that a worker has in hand; heeded after the page."""

    HOLD = "hold", _("Pause")
    CANCEL = "cancel", _("Cancel")


def _from_1_to(most: int) -> list[Any]:
    return [MinValueValidator(1), MaxValueValidator(most)]


_MINUTES, _HOURS = _from_1_to(31 * 24 * 60), _from_1_to(366 * 24)


class JobQueueEntry(models.Model):
    """A scheduled or one-off piece of work. Recurring where it has an interval.

    A worker holds it by `lease_owner` and `fence`: whoever takes it counts the fence up, and a worker whose fence is
    old can change nothing any more. In Process without an owner means: between two slices, free for the next worker.
    """

    kind = models.CharField(_("type"), max_length=8, choices=JobKind, default=JobKind.SYNCHRONIZE)
    mapping = models.ForeignKey(
        TableMapping, models.CASCADE, related_name="job_queue_entries", verbose_name=_("mapping")
    )
    direction = models.CharField(_("direction"), max_length=4, choices=Direction, default=Direction.BOTH)
    is_full = models.BooleanField(_("full synchronization"), default=False)

    status = models.CharField(_("status"), max_length=10, choices=JobStatus, default=JobStatus.READY)
    priority = models.PositiveSmallIntegerField(_("priority"), choices=Priority, default=Priority.SCHEDULED)
    category = models.CharField(
        _("category"), max_length=40, help_text=_("Entries of one category never run at the same time.")
    )
    earliest_start = models.DateTimeField(_("earliest start"), default=timezone.now)
    interval_minutes = models.PositiveIntegerField(
        _("minutes between runs"),
        null=True,
        blank=True,
        validators=_MINUTES,
        help_text=_("Empty: the entry runs once."),
    )
    idle_minutes = models.PositiveIntegerField(
        _("minutes after an idle run"),
        default=120,
        validators=_MINUTES,
        help_text=_("How long to rest when there was nothing to do."),
    )
    woken_at = models.DateTimeField(
        _("woken meanwhile"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("A change that came when it could not start anew; it runs once more."),
    )
    quiet_from = models.TimeField(
        _("quiet from"), null=True, blank=True, help_text=_("A recurring entry rests between these two times of day.")
    )
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)

    max_attempts = models.PositiveSmallIntegerField(
        _("maximum number of attempts"), default=10, validators=_from_1_to(1000)
    )
    attempts = models.PositiveSmallIntegerField(_("attempts in a row that failed"), default=0)
    rerun_delay = models.PositiveIntegerField(_("rerun delay (seconds)"), default=30, validators=_from_1_to(3600))
    request = models.CharField(_("asked for"), max_length=6, choices=Request, blank=True, default="")
    requested_by = models.CharField(_("asked for by"), max_length=150, blank=True, default="")
    message = Texts(_("message"), default=dict, blank=True)

    lease_owner = models.CharField(_("run by"), max_length=200, blank=True, default="")
    lease_until = models.DateTimeField(_("until"), null=True, blank=True)
    fence = models.PositiveIntegerField(_("fence"), default=0)
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)

    alarm_hours = models.PositiveIntegerField(
        _("alarm after hours without success"),
        default=24,
        validators=_HOURS,
        help_text=_("Only for recurring entries."),
    )
    failed_at = models.DateTimeField(
        _("failed"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("When it ended in Error; empty once it succeeds or is restarted."),
    )
    last_success_at = models.DateTimeField(_("last success"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("user")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    started_at = models.DateTimeField(_("start"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finish"), null=True, blank=True)

    class Meta:
        verbose_name = _("job queue entry")
        verbose_name_plural = _("job queue entries")
        ordering = ["-pk"]
        permissions = [("run_jobqueueentry", "Can start, pause, cancel and restart jobs")]
        indexes = [models.Index(fields=["status", "priority", "earliest_start"])]
        constraints = [
            models.UniqueConstraint(
                fields=["category"], condition=models.Q(status=JobStatus.IN_PROCESS), name="one_active_run_a_category"
            ),
            models.UniqueConstraint(
                fields=["mapping"], condition=models.Q(interval_minutes__isnull=False), name="one_schedule_a_mapping"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mapping} · {self.get_kind_display()}"

    def clean(self) -> None:
        """Quiet hours have a beginning and an end.

        Raises:
            ValidationError: one of them is missing.
        """
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValidationError(_("Quiet hours need both times, or neither."))

    @property
    def message_text(self) -> str:
        """Why it failed or was stopped, in the reader's language."""
        return in_language(self.message)

    @property
    def is_recurring(self) -> bool:
        """Whether it runs again and again."""
        return self.interval_minutes is not None


SCHEDULE = (
    "interval_minutes",
    "idle_minutes",
    "quiet_from",
    "quiet_until",
    "alarm_hours",
    "max_attempts",
    "rerun_delay",
)
"""What may be changed of a recurring entry."""


class LogState(models.TextChoices):
    """How an execution stands."""

    RUNNING = "running", _("In Process")
    FINISHED = "finished", _("Success")
    FAILED = "failed", _("Error")
    CANCELLED = "cancelled", _("Cancelled")


class JobQueueLogEntry(models.Model):
    """One execution of an entry, in however many slices; its synch jobs hold what it moved (F6.7)."""

    entry = models.ForeignKey(JobQueueEntry, models.CASCADE, related_name="log", verbose_name=_("job queue entry"))
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1)
    state = models.CharField(_("status"), max_length=9, choices=LogState, default=LogState.RUNNING)
    started_at = models.DateTimeField(_("start"), default=timezone.now)
    finished_at = models.DateTimeField(_("finish"), null=True, blank=True)
    slices = models.PositiveIntegerField(_("slices"), default=0)
    worker = models.CharField(_("run by"), max_length=200, blank=True, default="")
    message = Texts(_("message"), default=dict, blank=True)
    technical = models.TextField(_("technical detail"), blank=True, default="")

    class Meta:
        verbose_name = _("job queue log entry")
        verbose_name_plural = _("job queue log entries")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["entry"], condition=models.Q(state=LogState.RUNNING), name="one_open_execution_an_entry"
            )
        ]

    def __str__(self) -> str:
        return f"{self.entry} · {self.get_state_display()}"

    @property
    def message_text(self) -> str:
        """Why it failed, in the reader's language."""
        return in_language(self.message)
