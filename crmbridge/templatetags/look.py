"""Template tags of the look: state badges, icons, and values as people read them."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.db import models
from django.template.defaultfilters import date as date_text
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import localize, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from coupling.models import Direction, TableMapping
from sync.models import COUNTERS, FullSynchReviewLine, JobQueueEntry, JobState, SynchJob

register = template.Library()

NOTHING = "\N{EN DASH}"
MINUTE = 60
USUAL_COUNTERS = ("inserted", "modified", "unchanged", "skipped", "failed")

# The colour of every state in the product: good, busy, wait (it passes or somebody may look), bad (somebody must).
TONES: Mapping[str, str] = {
    "coupled": "good",
    "finished": "good",
    "equal": "good",
    "enabled": "good",
    "pending": "busy",
    "running": "busy",
    "in_process": "busy",
    "ready": "busy",
    "paused": "wait",
    "on_hold": "wait",
    "stopped": "bad",
    "error": "bad",
    "cancelled": "bad",
    "waiting": "wait",
    "changed": "wait",
    "retry_later": "wait",
    "conflict": "wait",
    "broken": "bad",
    "failed": "bad",
    "fix_record": "bad",
    "fix_setup": "bad",
    "bug": "bad",
    "disabled": "bad",
    "job": "bad",
    "errors": "bad",
    "alarm": "bad",
    "full": "wait",
    "connection": "bad",
    "certificate": "wait",
    "worker": "bad",
    "mail": "wait",
}


@register.simple_tag
def state(value: str, label: str) -> SafeString:
    """A badge with LABEL in the colour of the state VALUE; states without a colour are grey."""
    return format_html('<span class="state tone-{}">{}</span>', TONES.get(str(value), "quiet"), label)


@register.simple_tag
def badge(record: models.Model, field: str) -> SafeString:
    """The badge of a choice field of RECORD: its label, in the colour of its value."""
    return state(getattr(record, field), getattr(record, f"get_{field}_display")())


@register.simple_tag
def icon(name: str) -> SafeString:
    """The icon NAME of `static/crmbridge/icons.svg`, hidden from screen readers: text beside it says what it means."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("crmbridge/icons.svg"), name
    )


@register.filter
def shown(value: Any) -> str:
    """VALUE as people read it, in the reader's language; a dash for nothing."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        # Translators: how a date is written, in Django's format characters.
        return date_text(value, _("Y-m-d"))
    if isinstance(value, int | float | Decimal):
        return number_format(value, force_grouping=True)
    return str(value)


@register.filter
def moment(value: datetime | None) -> str:
    """A point in time, to the minute, in the reader's time zone; a dash for never."""
    # Translators: how a date and time is written, in Django's format characters.
    return date_text(timezone.localtime(value), _("Y-m-d H:i")) if value else NOTHING


@register.filter
def way(record: SynchJob | TableMapping | FullSynchReviewLine | JobQueueEntry) -> str:
    """The direction of a job or mapping in the short words of the contract (S79, S80)."""
    if record.direction == Direction.BOTH:
        return str(Direction.BOTH.label)
    return _("To Int. Table") if record.direction == Direction.TO_CRM else _("From Int. Table")


@register.filter
def duration(job: SynchJob) -> str:
    """How long a job took; a dash while it runs."""
    if job.finished_at is None:
        return NOTHING
    seconds = (job.finished_at - job.started_at).total_seconds()
    if seconds < MINUTE:
        return _("%(seconds)s s") % {"seconds": localize(round(seconds, 1))}
    return _("%(minutes)d min %(seconds)d s") % {"minutes": seconds // MINUTE, "seconds": seconds % MINUTE}


@register.filter
def time_left(span: timedelta) -> str:
    """A span of time in its largest unit, as an estimate is told."""
    seconds = int(span.total_seconds())
    if seconds < MINUTE:
        return _("%(seconds)s s") % {"seconds": seconds}
    if seconds < MINUTE * MINUTE:
        return _("%(minutes)d min") % {"minutes": round(seconds / MINUTE)}
    return _("%(hours)s h") % {"hours": localize(round(seconds / MINUTE / MINUTE, 1))}


@register.filter
def counters(jobs: Iterable[SynchJob]) -> list[Any]:
    """The counters that a table of JOBS shows: the usual ones, and those that one of the jobs has used (I12)."""
    names = [name for name in COUNTERS if name in USUAL_COUNTERS or any(getattr(job, name) for job in jobs)]
    return [SynchJob._meta.get_field(name) for name in names]


@register.filter
def counted(job: SynchJob, counter: "models.Field[Any, Any]") -> int:
    """The number of JOB's COUNTER."""
    return int(getattr(job, counter.name))


@register.filter
def result(job: SynchJob) -> str:
    """What a job did, in one line: the counters that are not zero, or why it failed."""
    if job.state == JobState.RUNNING:
        return _("%(count)s read so far") % {"count": shown(job.read)}
    if job.state == JobState.FAILED:
        return job.message_text
    counted = [(SynchJob._meta.get_field(name), getattr(job, name)) for name in COUNTERS]
    parts = [f"{field.verbose_name} {shown(number)}" for field, number in counted if number]  # type: ignore[union-attr]
    return capfirst(", ".join(parts)) or _("Nothing to do")
