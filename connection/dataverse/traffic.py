"""What this process may send to the CRM now: its slice of the connection's budget, pauses, how many at a time."""

import os
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Protocol
from uuid import uuid4

from connection.dataverse.budget import Amount, Budget, Complaint, Report, Slice
from connection.dataverse.degree import Degree
from connection.dataverse.errors import Throttled

Exchange = Callable[[Budget], tuple[Budget, Slice]]

# Others learn of our spending, and we of theirs, this often.
_EXCHANGE_EVERY = 2.0
_SMALLEST_SLICE = Amount(10, 10)
_LIMITS = {"0x80072322": "requests", "0x80072321": "seconds", "0x80072326": "parallel"}


class Clock:
    """The time, and waiting for it."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class BudgetStore(Protocol):
    """Where the budget of a connection is kept for all its workers."""

    def exchange(self, change: Exchange) -> Slice | None:
        """Change the budget as one step; None where it cannot be had now, and the worker goes on without."""


class LocalBudget:
    """A budget for this process alone."""

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._lock = Lock()

    def exchange(self, change: Exchange) -> Slice | None:
        """Change the budget."""
        with self._lock:
            self.budget, found = change(self.budget)
        return found


class Traffic:
    """The account of one process; threads may use it, but only the calling one `attend`s (it may use the database)."""

    def __init__(self, store: BudgetStore | None = None, clock: Clock | None = None) -> None:
        self.clock = Clock() if clock is None else clock
        self.degree = Degree(self.clock.now)
        self.requests_sent = self.complaints = 0
        self._store = LocalBudget() if store is None else store
        self._member = f"{os.getpid()}-{uuid4().hex[:8]}"
        self._lock = Lock()
        self._slice = Amount()
        self._used = Amount()
        self._complaint: Complaint | None = None
        self._held_until = self._again_at = self._asked_at = 0.0

    def attend(self) -> None:
        """Get a new slice where the last one is used up, and tell the other workers what happened here."""
        with self._lock:
            now = self.clock.now()
            if not self._is_due(now):
                return
            report = Report(self._member, self._used - self._slice, self._wanted(), self._complaint)
            given = self._store.exchange(lambda budget: budget.exchanged(report, self.clock.now()))
            self._asked_at = now
            if given is not None:
                self._receive(given)

    def pause(self, *, bulk: bool) -> float:
        """Seconds to wait before the next request may go. Only bulk work waits for room in the budget."""
        now = self.clock.now()
        if self._held_until > now:
            return self._held_until - now
        return max(0.0, self._again_at - now) if bulk and not self._left.allows_one else 0.0

    def sent(self, seconds: float, headers: Mapping[str, str]) -> None:
        """Note a request that ran for `seconds`, and how many at a time its answer recommends."""
        with self._lock:
            self.requests_sent += 1
            self._used += Amount(1, seconds)
        self.degree.heed(headers.get("x-ms-dop-hint", ""))

    def complained(self, error: Throttled, pause: float) -> None:
        """Note a 429: everybody of the connection waits for `pause` seconds."""
        with self._lock:
            self.complaints += 1
            self._held_until = max(self._held_until, self.clock.now() + pause)
            self._complaint = Complaint(_LIMITS.get(error.code, ""), self._held_until)
        self.degree.fall(pause)

    @property
    def _left(self) -> Amount:
        return self._slice - self._used

    def _is_due(self, now: float) -> bool:
        if self._complaint:
            return True
        if not self._left.allows_one:
            return now >= self._again_at
        return self._used.requests > 0 and now - self._asked_at > _EXCHANGE_EVERY

    def _wanted(self) -> Amount:
        """Twice what was used since the last time."""
        return Amount(
            max(_SMALLEST_SLICE.requests, 2 * self._used.requests),
            max(_SMALLEST_SLICE.seconds, 2 * self._used.seconds),
        )

    def _receive(self, given: Slice) -> None:
        self._slice, self._used, self._complaint = given.amount, Amount(), None
        self._held_until = max(self._held_until, given.held_until)
        self._again_at = given.again_at
        self.degree.share(given.parallel)
