"""Full synchronizations with their review lines; each is kept as history (S77, S84, sync-engine.md 1.9)."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.texts import Texts, in_language
from coupling.models import Direction, TableMapping
from sync.models.queue import JobQueueEntry


class FullSynchState(models.TextChoices):
    """How a full synchronization stands."""

    PREPARED = "prepared", _("Not started")
    RUNNING = "running", _("In Process")
    PAUSED = "paused", _("On Hold")
    FINISHED = "finished", _("Finished")
    STOPPED = "stopped", _("Error")
    CANCELLED = "cancelled", _("Cancelled")


class Recommendation(models.TextChoices):
    """What Start will do with a mapping (F4.2)."""

    FULL = "full", _("Full Synchronization")
    COUPLE = "couple", _("Couple Records")
    NOTHING = "nothing", _("No Records Found")


class FullSynchronization(models.Model):
    """One full synchronization of all mappings, from its preparation to its end. At most one is current."""

    state = models.CharField(_("status"), max_length=9, choices=FullSynchState, default=FullSynchState.PREPARED)
    is_current = models.BooleanField(_("current"), default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("prepared by")
    )
    created_at = models.DateTimeField(_("prepared"), default=timezone.now)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("started by")
    )
    started_at = models.DateTimeField(_("start"), null=True)
    finished_at = models.DateTimeField(_("finish"), null=True)
    resumed_at = models.DateTimeField(_("measured since"), null=True, editable=False)
    read_before = models.PositiveBigIntegerField(_("read before that"), default=0, editable=False)

    class Meta:
        verbose_name = _("full synchronization")
        verbose_name_plural = _("full synchronizations")
        ordering = ["-pk"]
        permissions = [("run_fullsynchronization", "Can start, pause, cancel and restart full synchronizations")]
        constraints = [
            models.UniqueConstraint(
                fields=["is_current"], condition=models.Q(is_current=True), name="one_current_full_synchronization"
            )
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class FullSynchReviewLine(models.Model):
    """One mapping in a full synchronization. It has never been started where it has no job queue entry."""

    full_synchronization = models.ForeignKey(
        FullSynchronization, models.CASCADE, related_name="lines", verbose_name=_("full synchronization")
    )
    position = models.PositiveSmallIntegerField(_("position"))
    name = models.CharField(_("name"), max_length=20)
    mapping = models.ForeignKey(
        TableMapping, models.SET_NULL, null=True, related_name="review_lines", verbose_name=_("mapping")
    )
    direction = models.CharField(_("direction"), max_length=4, choices=Direction)
    depends_on = models.ManyToManyField(
        "self", symmetrical=False, related_name="dependants", verbose_name=_("dependencies")
    )
    recommendation = models.CharField(_("recommendation"), max_length=7, choices=Recommendation)
    reason = Texts(_("reason"), default=dict)
    erp_count = models.PositiveIntegerField(_("ERP records"), default=0)
    crm_count = models.PositiveIntegerField(_("CRM records"), default=0)
    entry = models.OneToOneField(
        JobQueueEntry,
        models.SET_NULL,
        null=True,
        related_name="review_line",
        verbose_name=_("job queue entry"),
    )

    class Meta:
        verbose_name = _("full synch. review line")
        verbose_name_plural = _("full synch. review lines")
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["full_synchronization", "name"], name="one_line_a_mapping")]

    def __str__(self) -> str:
        return self.name

    @property
    def reason_text(self) -> str:
        """Why this is recommended, in the reader's language."""
        return in_language(self.reason)
