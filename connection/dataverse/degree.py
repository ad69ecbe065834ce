"""How many calls of bulk work run at a time: grows by one while all goes well, halves when the CRM complains (10)."""

from collections.abc import Callable
from threading import Lock

_START = 2
# Where the CRM recommends nothing.
_UNADVISED = 4
MOST = 32


class Degree:
    """The number of calls at a time, between one and what the CRM recommends and the other workers leave."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.current = _START
        self._now = now
        self._advised, self._share = _UNADVISED, MOST
        self._went_well = 0
        self._fallen_until = 0.0
        self._lock = Lock()

    def heed(self, hint: str) -> None:
        """Take the CRM's recommendation (`x-ms-dop-hint`) as the upper bound."""
        if hint.isdigit() and int(hint) > 0:
            self._advised = min(int(hint), MOST)
            self._bound()

    def share(self, parallel: int) -> None:
        """Take what the other workers of the connection leave as the upper bound."""
        self._share = parallel
        self._bound()

    def rise(self) -> None:
        """Note a call that went well; as many of them as run at a time make one more."""
        with self._lock:
            self._went_well += 1
            if self._went_well >= self.current:
                self.current, self._went_well = self.current + 1, 0
        self._bound()

    def fall(self, pause: float) -> None:
        """Halve. All that complain within one pause are one complaint."""
        with self._lock:
            if self._now() < self._fallen_until:
                return
            self._fallen_until = self._now() + pause
            self.current, self._went_well = max(1, self.current // 2), 0

    def _bound(self) -> None:
        with self._lock:
            self.current = max(1, min(self.current, self._advised, self._share))
