"""Quiet hours: when recurring entries leave both systems alone."""

from datetime import datetime, time, timedelta

from django.utils import timezone

from sync.models import JobQueueEntry


def after_quiet_hours(entry: JobQueueEntry, moment: datetime) -> datetime:
    """The moment, or the end of a recurring entry's quiet hours where it lies in them, by the clock of this company."""
    if not entry.is_recurring or entry.quiet_from is None or entry.quiet_until is None:
        return moment
    local = timezone.localtime(moment)
    if not _is_between(local.time(), entry.quiet_from, entry.quiet_until):
        return moment
    day = local.date() + timedelta(days=1 if local.time() >= entry.quiet_until else 0)
    return timezone.make_aware(datetime.combine(day, entry.quiet_until))


def _is_between(moment: time, start: time, end: time) -> bool:
    """Whether a time of day lies from start until end, which may be past midnight."""
    return start <= moment < end if start <= end else moment >= start or moment < end
