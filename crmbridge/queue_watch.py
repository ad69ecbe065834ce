"""Watches over the task queue from its supervisor: sweeps the job queue, starts a cluster that is stuck anew, and has
e-mail sent.

A worker that is killed while it waits for work leaves the others waiting for ever (libraries.md 2.7); nothing but due
work that nobody takes shows it.
"""

import logging
import threading
import time
from datetime import timedelta

from django.db import close_old_connections, connection

from crmbridge.supervisor import Program
from sync.digest import send_due
from sync.entries import neglect
from sync.lease import LEASE
from sync.working import hand_over_due, sweep

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
SWEEP_EVERY = 5.0
MAIL_EVERY = 60.0
STUCK_AFTER = LEASE + timedelta(seconds=30)


class QueueWatch:
    """Tells workers of what is due every second, and sweeps every few, for as long as its cluster is supervised."""

    def __init__(self, cluster: Program) -> None:
        self.cluster = cluster
        self.next_look = 0.0
        self.next_sweep = 0.0
        self.next_mail = 0.0
        self.postman: threading.Thread | None = None

    def look(self) -> None:
        """Do what it is time for; whatever goes wrong is logged, and tried again the next time."""
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + LOOK_EVERY
        close_old_connections()
        try:
            if now >= self.next_sweep:
                self.next_sweep = now + SWEEP_EVERY
                self._sweep()
            else:
                hand_over_due()
        # The database may be away or full: the watch must outlive that.
        except Exception as error:
            log.warning("The job queue could not be swept: %s", type(error).__name__)

    def _sweep(self) -> None:
        sweep()
        self._have_mail_sent()
        if neglect() > STUCK_AFTER and self._has_had_time():
            self.cluster.start_over("work is due, and nobody has taken it for long.")

    def _has_had_time(self) -> bool:
        started = self.cluster.started_at if self.cluster.process else time.monotonic()
        return time.monotonic() - started > STUCK_AFTER.total_seconds()

    def _have_mail_sent(self) -> None:
        """In a thread of its own, because a mail server may let us wait; the workers may be what is written about."""
        if time.monotonic() >= self.next_mail and not (self.postman and self.postman.is_alive()):
            self.next_mail = time.monotonic() + MAIL_EVERY
            self.postman = threading.Thread(target=_send_mail, daemon=True)
            self.postman.start()


def _send_mail() -> None:
    try:
        send_due()
    # Mail is the least: whatever happens to it, the workers are watched.
    except Exception as error:
        log.warning("E-mail could not be sent: %s", type(error).__name__)
    finally:
        connection.close()
