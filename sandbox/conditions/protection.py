"""Service protection: how much one user may ask in a sliding window (dataverse-web-api.md 10)."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sandbox.errors import DataverseError


@dataclass(frozen=True)
class Limits:
    """Requests and seconds of execution within a window of seconds, and requests at the same time."""

    requests: int
    execution: float
    concurrent: int
    window: float = 300
    parallelism: int = 8


# `published-fifth` allows as much a second as published, in a window that a benchmark can see pass several times;
# `tests` is the published shape on a scale at which a test can wait for the window to pass.
PRESETS = {
    "none": None,
    "published": Limits(6000, 1200, 52),
    "published-fifth": Limits(1200, 240, 52, window=60),
    "tests": Limits(60, 3, 6, window=3, parallelism=4),
}


@dataclass
class _Usage:
    """What one user did within the window: when each request ended and how long it took."""

    done: deque[tuple[float, float]] = field(default_factory=deque)
    spent: float = 0.0
    running: int = 0
    refused: int = 0

    def forget(self, before: float) -> None:
        while self.done and self.done[0][0] <= before:
            self.spent -= self.done.popleft()[1]


class Protection:
    """Counts every user's requests and refuses those beyond the limits. `clock` tells seconds."""

    def __init__(self, limits: Limits | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._usage: dict[str, _Usage] = {}
        self._lock = threading.Lock()
        self.refused = 0
        """How many requests were refused since the last reset."""
        self.execution = 0.0
        """How many seconds the others took in all."""

    @contextmanager
    def admitted(self, user: str) -> Iterator[None]:
        """Let one request through and count it. Raises DataverseError (429) when a limit is used up."""
        if self.limits is None:
            yield
            return
        started = self._enter(user, self.limits)
        try:
            yield
        finally:
            self._leave(user, started)

    def _enter(self, user: str, limits: Limits) -> float:
        now = self._clock()
        with self._lock:
            usage = self._usage.setdefault(user, _Usage())
            usage.forget(now - limits.window)
            refusal = _refusal(usage, limits, now)
            if refusal is not None:
                usage.refused += 1
                self.refused += 1
                raise refusal
            usage.refused = 0
            usage.running += 1
        return now

    def _leave(self, user: str, started: float) -> None:
        with self._lock:
            usage, now = self._usage[user], self._clock()
            usage.running -= 1
            usage.spent += now - started
            self.execution += now - started
            usage.done.append((now, now - started))

    def headers(self, user: str) -> dict[str, str]:
        """Return what an answer tells about the limits: what is left, and how many requests to send in parallel."""
        if self.limits is None:
            return {"x-ms-dop-hint": "8"}
        usage = self._usage.get(user, _Usage())
        left = max(self.limits.requests - len(usage.done) - usage.running, 0)
        return {
            "x-ms-dop-hint": str(self.limits.parallelism),
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(left),
            "x-ms-ratelimit-time-remaining-xrm-requests": f"{max(self.limits.execution - usage.spent, 0):.3f}",
        }

    def clear(self) -> None:
        """Forget what everyone did, apart from the requests that are running."""
        with self._lock:
            for usage in self._usage.values():
                usage.done.clear()
                usage.spent = usage.refused = 0
            self.refused, self.execution = 0, 0.0


def _refusal(usage: _Usage, limits: Limits, now: float) -> DataverseError | None:
    window = f"over time window of {limits.window:g} seconds."
    if len(usage.done) + usage.running >= limits.requests:
        message = f"Number of requests exceeded the limit of {limits.requests} {window}"
        return _too_many("0x80072322", message, usage, limits, now)
    if usage.spent >= limits.execution:
        message = (
            f"Combined execution time of incoming requests exceeded limit of {limits.execution * 1000:,.0f} "
            f"milliseconds {window} Decrease number of concurrent requests or reduce the duration of requests and try "
            "again later."
        )
        return _too_many("0x80072321", message, usage, limits, now)
    if usage.running >= limits.concurrent:
        message = f"Number of concurrent requests exceeded the limit of {limits.concurrent}."
        return _too_many("0x80072326", message, usage, limits, now)
    return None


def _too_many(code: str, message: str, usage: _Usage, limits: Limits, now: float) -> DataverseError:
    """Return the 429; `Retry-After` grows while a client keeps asking."""
    oldest = usage.done[0][0] if usage.done and code != "0x80072326" else now - limits.window
    wait = math.ceil(oldest + limits.window - now) + usage.refused
    return DataverseError(429, code, message, {"Retry-After": str(max(1, min(wait, math.ceil(limits.window))))})
