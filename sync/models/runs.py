"""What moving data leaves behind: jobs with counters, errors, conflicts, history, and where each mapping stands."""

from datetime import datetime
from uuid import UUID

from django.contrib import admin
from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from connection.errors import Recovery
from connection.texts import Texts, in_language
from coupling.models import Coupling, Direction, FieldMapping, TableMapping


class Side(models.TextChoices):
    """The two sides."""

    ERP = "erp", _("ERP")
    CRM = "crm", _("CRM")


class JobState(models.TextChoices):
    """How a run of a mapping stands."""

    RUNNING = "running", _("In Process")
    FINISHED = "finished", _("Finished")
    FAILED = "failed", _("Error")


def _moment(value: datetime) -> str:
    return date_format(timezone.localtime(value), str(_("Y-m-d H:i")))


COUNTERS = (
    "inserted",
    "modified",
    "deleted",
    "unchanged",
    "skipped",
    "failed",
    "coupled",
    "uncoupled",
    "conflicts",
)


END = "end"
"""The position of what has been read to its end."""


class JobType(models.TextChoices):
    """What a run does with the records it reads (sync-engine.md 1.8)."""

    SYNCHRONIZATION = "synch", _("Synchronization")
    COUPLING = "couple", _("Coupling")


class SynchJob(models.Model):
    """One run of one mapping in one direction; every record read is counted in exactly one column (I12)."""

    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="synch_jobs", verbose_name=_("mapping"))
    direction = models.CharField(_("direction"), max_length=4, choices=Direction)
    type = models.CharField(_("type"), max_length=6, choices=JobType, default=JobType.SYNCHRONIZATION)
    is_full = models.BooleanField(_("full synchronization"), default=False)
    state = models.CharField(_("status"), max_length=8, choices=JobState, default=JobState.RUNNING)
    started_at = models.DateTimeField(_("start"), default=timezone.now)
    finished_at = models.DateTimeField(_("finish"), null=True, blank=True)
    message = Texts(_("message"), default=dict, blank=True)
    execution = models.ForeignKey(
        "sync.JobQueueLogEntry",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="synch_jobs",
        verbose_name=_("job queue log entry"),
    )
    position = models.TextField(_("position"), blank=True, default="", editable=False)
    page_size = models.PositiveSmallIntegerField(_("records a page"), default=1000, editable=False)
    read = models.PositiveIntegerField(_("read"), default=0)
    inserted = models.PositiveIntegerField(_("inserted"), default=0)
    modified = models.PositiveIntegerField(_("modified"), default=0)
    deleted = models.PositiveIntegerField(_("deleted"), default=0)
    unchanged = models.PositiveIntegerField(_("unchanged"), default=0)
    skipped = models.PositiveIntegerField(_("skipped"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    coupled = models.PositiveIntegerField(_("coupled"), default=0)
    uncoupled = models.PositiveIntegerField(_("uncoupled"), default=0)
    conflicts = models.PositiveIntegerField(_("conflicts"), default=0)

    class Meta:
        verbose_name = _("synch job")
        verbose_name_plural = _("synch jobs")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.mapping} {self.get_direction_display()} {_moment(self.started_at)}"

    @property
    def message_text(self) -> str:
        """Why the job failed, in the reader's language."""
        return in_language(self.message)


class KeyRange(models.Model):
    """A part of one big ERP table, which one worker reads while others read the others: ids above `after`, to `until`.

    It outlives the job that it was made in where that fails: the next attempt takes over what is left.
    """

    job = models.ForeignKey(SynchJob, models.CASCADE, related_name="ranges", verbose_name=_("synch job"))
    number = models.PositiveIntegerField(_("number"))
    after = models.UUIDField(_("after"), null=True, blank=True)
    until = models.UUIDField(_("up to"), null=True, blank=True)
    position = models.CharField(_("position"), max_length=36, blank=True, default="")
    read = models.PositiveIntegerField(_("read"), default=0)
    lease_owner = models.CharField(_("run by"), max_length=200, blank=True, default="")
    lease_until = models.DateTimeField(_("until"), null=True, blank=True)
    earliest_start = models.DateTimeField(_("earliest start"), default=timezone.now)

    class Meta:
        verbose_name = _("key range")
        verbose_name_plural = _("key ranges")
        ordering = ["-job_id", "number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="one_range_of_a_number")]

    def __str__(self) -> str:
        return f"{self.job} · {self.number}"

    @property
    def is_done(self) -> bool:
        """Whether all of it has been read."""
        return self.position == END

    @property
    def worker(self) -> str:
        """The machine and process that has it in hand; blank where nobody has."""
        return self.lease_owner.rpartition(":")[0]


class SynchError(models.Model):
    """One record's failure: what went wrong and what to do, in every language; resolved when the record settles."""

    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="synch_errors", verbose_name=_("mapping"))
    side = models.CharField(_("side"), max_length=3, choices=Side)
    record_id = models.UUIDField(_("record id"))
    record_name = models.CharField(_("record"), max_length=250, blank=True, default="")
    kind = models.CharField(_("kind"), max_length=12, choices=Recovery)
    code = models.CharField(_("code"), max_length=40, blank=True, default="")
    text = Texts(_("text"), default=dict)
    fix = Texts(_("what to do"), default=dict)
    technical = models.TextField(_("technical detail"), blank=True, default="")
    job = models.ForeignKey(SynchJob, models.SET_NULL, null=True, related_name="errors", verbose_name=_("synch job"))
    attempts = models.PositiveIntegerField(_("attempts"), default=1)
    first_at = models.DateTimeField(_("first"), default=timezone.now)
    last_at = models.DateTimeField(_("last"), default=timezone.now)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)

    class Meta:
        verbose_name = _("synch error")
        verbose_name_plural = _("synch errors")
        ordering = ["-last_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["mapping", "side", "record_id"],
                condition=models.Q(resolved_at__isnull=True),
                name="one_open_error_per_record",
            )
        ]

    def __str__(self) -> str:
        return f"{self.record_name or self.record_id}: {self.message_text}"

    @property
    def message_text(self) -> str:
        """What went wrong, in the reader's language."""
        return in_language(self.text)

    @property
    def fix_text(self) -> str:
        """What to do, in the reader's language."""
        return in_language(self.fix)


class Waiting(models.Model):
    """A record, or one optional reference of it, that waits for another record to be coupled (I7)."""

    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="waiting", verbose_name=_("mapping"))
    side = models.CharField(_("side"), max_length=3, choices=Side)
    record_id = models.UUIDField(_("record id"))
    record_name = models.CharField(_("record"), max_length=250, blank=True, default="")
    waits_for = models.ForeignKey(
        TableMapping, models.CASCADE, related_name="waited_for", verbose_name=_("waits for mapping")
    )
    waits_for_key = models.CharField(_("waits for"), max_length=100)
    is_optional = models.BooleanField(
        _("optional"),
        default=False,
        help_text=_("The record itself is synchronized; only this reference is filled in later."),
    )
    since = models.DateTimeField(_("since"), default=timezone.now)

    class Meta:
        verbose_name = _("waiting record")
        verbose_name_plural = _("waiting records")
        ordering = ["since", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["mapping", "side", "record_id", "waits_for", "waits_for_key"], name="waits_once_for_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.record_name or self.record_id} → {self.waits_for} {self.waits_for_key}"


class Conflict(models.Model):
    """The same field changed on both sides since the base; left alone until a person decides (I2)."""

    coupling = models.ForeignKey(Coupling, models.CASCADE, related_name="conflicts", verbose_name=_("coupling"))
    field = models.ForeignKey(FieldMapping, models.CASCADE, related_name="conflicts", verbose_name=_("field"))
    record_name = models.CharField(_("record"), max_length=250, blank=True, default="")
    base = models.JSONField(_("last agreed"), null=True, blank=True)
    erp_value = models.JSONField(_("ERP value"), null=True, blank=True)
    crm_value = models.JSONField(_("CRM value"), null=True, blank=True)
    job = models.ForeignKey(SynchJob, models.SET_NULL, null=True, related_name="found_conflicts")
    found_at = models.DateTimeField(_("found"), default=timezone.now)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)

    class Meta:
        verbose_name = _("conflict")
        verbose_name_plural = _("conflicts")
        ordering = ["-found_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["coupling", "field"],
                condition=models.Q(resolved_at__isnull=True),
                name="one_open_conflict_per_field",
            )
        ]

    def __str__(self) -> str:
        return f"{self.record_name}: {self.field}"


class Change(models.Model):
    """History: what one write did to one record. `fields` maps a column to `[before, after]`.

    Where the coupling was deleted together with the environment that it belonged to, `former_mapping` and
    `former_erp_id` still name the record.
    """

    coupling = models.ForeignKey(
        Coupling, models.CASCADE, null=True, related_name="changes", verbose_name=_("coupling")
    )
    former_mapping = models.ForeignKey(
        TableMapping, models.CASCADE, null=True, db_index=False, related_name="+", verbose_name=_("former mapping")
    )
    former_erp_id = models.UUIDField(_("former ERP id"), null=True)
    job = models.ForeignKey(SynchJob, models.SET_NULL, null=True, related_name="changes", verbose_name=_("synch job"))
    side = models.CharField(_("written to"), max_length=3, choices=Side)
    is_insert = models.BooleanField(_("new record"), default=False)
    fields = models.JSONField(_("fields"), default=dict)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["former_mapping", "former_erp_id"],
                condition=models.Q(coupling__isnull=True),
                name="changes_of_former_couplings",
            )
        ]

    def __str__(self) -> str:
        return f"{self.coupling_id} {self.side} {_moment(self.at)}"

    @property
    @admin.display(description=_("mapping"), ordering="coupling__mapping")
    def mapping(self) -> TableMapping | None:
        """Under which mapping it was written."""
        return self.coupling.mapping if self.coupling else self.former_mapping

    @property
    @admin.display(description=_("ERP id"))
    def erp_id(self) -> UUID | None:
        """The ERP record's id."""
        return self.coupling.erp_id if self.coupling else self.former_erp_id


class SynchState(models.Model):
    """Where a mapping stands: both cursors (I4), and the lease that keeps it from running twice at once (I5)."""

    mapping = models.OneToOneField(
        TableMapping, models.CASCADE, primary_key=True, related_name="synch_state", verbose_name=_("mapping")
    )
    erp_cursor = models.TextField(_("ERP cursor"), blank=True, default="")
    crm_cursor = models.TextField(_("CRM cursor"), blank=True, default="")
    lease_owner = models.CharField(_("run by"), max_length=200, blank=True, default="")
    lease_until = models.DateTimeField(_("until"), null=True, blank=True)
    lease_job = models.ForeignKey(
        SynchJob,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("shared in"),
        help_text=_("Others may work on key ranges of this synch job at the same time, and on nothing else."),
    )
    probed_at = models.DateTimeField(_("last looked for changes"), null=True, blank=True, editable=False)
    setup = models.CharField(_("fingerprint of the set-up"), max_length=64, blank=True, default="", editable=False)

    class Meta:
        verbose_name = _("synchronization state")
        verbose_name_plural = _("synchronization states")

    def __str__(self) -> str:
        return str(self.mapping)
