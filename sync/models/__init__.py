"""What moving data leaves behind, the job queue, the full synchronizations, and notifications."""

from sync.models.notifications import MailReceiver, Notification, NotificationKind, NotificationReading
from sync.models.queue import (
    OPEN,
    TRANSITIONS,
    Event,
    JobKind,
    JobQueueEntry,
    JobQueueLogEntry,
    JobStatus,
    LogState,
    Priority,
    Request,
)
from sync.models.review import FullSynchReviewLine, FullSynchronization, FullSynchState, Recommendation
from sync.models.runs import (
    COUNTERS,
    Change,
    Conflict,
    JobState,
    JobType,
    Side,
    SynchError,
    SynchJob,
    SynchState,
    Waiting,
)

__all__ = [
    "COUNTERS",
    "OPEN",
    "TRANSITIONS",
    "Change",
    "Conflict",
    "Event",
    "FullSynchReviewLine",
    "FullSynchState",
    "FullSynchronization",
    "JobKind",
    "JobQueueEntry",
    "JobQueueLogEntry",
    "JobState",
    "JobStatus",
    "JobType",
    "LogState",
    "MailReceiver",
    "Notification",
    "NotificationKind",
    "NotificationReading",
    "Priority",
    "Recommendation",
    "Request",
    "Side",
    "SynchError",
    "SynchJob",
    "SynchState",
    "Waiting",
]
