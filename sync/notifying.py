"""Makes notifications of what is wrong, and ends those whose cause is over (C7).

Any number of processes may do this at the same time: a cause has one row, and whoever changes it compares and sets.
"""

from datetime import datetime
from typing import Any, Final

from django.db.models import F, Q
from django.utils import timezone

from sync.causes import Cause, causes
from sync.models import Notification, NotificationKind

ANNOUNCED_AGAIN_AT: Final = 10
"""A cause that has grown to so many times what it was is told again."""
_SHOWN: Final = ("kind", "mapping", "text", "fix", "address", "count")


def look_out(now: datetime) -> None:
    """Bring the notifications in line with what is wrong now. Where all is well, this takes a few queries."""
    present = {cause.key: cause for cause in causes(now)}
    known = {each.cause: each for each in Notification.objects.filter(Q(ended_at=None) | Q(cause__in=present))}
    for key, cause in present.items():
        tell(cause, known.get(key), now)
    for key, notification in known.items():
        # Only sending a mail shows that the mail server is back.
        if key not in present and notification.kind != NotificationKind.MAIL:
            end(key, now)


def tell(cause: Cause, known: Notification | None, now: datetime) -> None:
    """Open a notification of this cause, or the one again that had ended; else bring its number up to date."""
    values = {name: getattr(cause, name) for name in _SHOWN}
    if known is None:
        start = {"since": now, "announced_at": now, "announced_count": cause.count}
        Notification.objects.get_or_create(cause=cause.key, defaults={**values, **start})
        return
    same = Notification.objects.filter(pk=known.pk, ended_at=known.ended_at, announced_at=known.announced_at)
    if known.ended_at:
        again = {"ended_at": None, "since": now, "times": F("times") + 1}
        same.update(**values, **again, **_announced(cause, now))
    elif cause.count >= ANNOUNCED_AGAIN_AT * known.announced_count:
        same.update(**values, **_announced(cause, now))
    elif any(getattr(known, name) != value for name, value in values.items()):
        same.update(**values)


def end(key: str, now: datetime | None = None) -> None:
    """The cause is over."""
    Notification.objects.filter(cause=key, ended_at=None).update(ended_at=now or timezone.now())


def _announced(cause: Cause, now: datetime) -> dict[str, Any]:
    return {"announced_at": now, "announced_count": cause.count}
