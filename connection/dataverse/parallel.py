"""Writes many rows in several calls at a time, with an outcome for each row, in their order (10).

The calling thread deals out the chunks, waits for them and keeps the account; the threads only send. Chunks of one
call must not depend on each other.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from connection.dataverse.degree import MOST
from connection.dataverse.errors import OutcomeUnknown, Throttled
from connection.dataverse.http import Http
from connection.dataverse.sizing import BatchSize
from connection.dataverse.writing import Outcome, hindrance
from connection.errors import CRMBridgeError

T = TypeVar("T")
Write = Callable[[Http, Sequence[T]], list[Outcome]]

# The calling thread looks after the account this often while it waits for answers.
_ATTEND_EVERY = 0.25


def spread(http: Http, items: Sequence[T], write: Write[T], size: BatchSize) -> list[Outcome]:
    """The outcomes of `items`, written chunk by chunk with `write`, several chunks at a time.

    Where a chunk shows that the CRM takes nothing at all right now, the rest gets the same error without being sent.
    """
    if len(items) <= size.rows:
        return _Spread(http, items, write, size).whole()
    return _Spread(http, items, write, size).run()


class _Spread(Generic[T]):
    """One such call: what has been dealt out, what came back, and why nothing more goes out."""

    def __init__(self, http: Http, items: Sequence[T], write: Write[T], size: BatchSize) -> None:
        self.http, self.items, self.write, self.size = http, items, write, size
        self.outcomes: dict[int, list[Outcome]] = {}
        self.dealt = 0
        self.stopped_by: CRMBridgeError | None = None
        self.running: dict[Future[list[Outcome]], int] = {}

    def whole(self) -> list[Outcome]:
        """All in one chunk, without threads."""
        try:
            self.http.admit()
        except Throttled as error:
            return [Outcome(error)] * len(self.items)
        return self._send(self.items, in_thread=False) if self.items else []

    def run(self) -> list[Outcome]:
        """All, several chunks at a time."""
        with ThreadPoolExecutor(MOST, "crm") as pool:
            while self._has_more() or self.running:
                self._deal(pool)
                self._collect()
        written = [outcome for start in sorted(self.outcomes) for outcome in self.outcomes[start]]
        return written + [Outcome(self.stopped_by)] * (len(self.items) - len(written))

    def _has_more(self) -> bool:
        return self.stopped_by is None and self.dealt < len(self.items)

    def _deal(self, pool: ThreadPoolExecutor) -> None:
        """Send out chunks, as far as degree and budget allow; waits for the budget only where nothing is under way."""
        while self._has_more() and len(self.running) < self.http.traffic.degree.current:
            if self.http.next_pause() and not self._waited():
                return
            chunk = self.items[self.dealt : self.dealt + self.size.rows]
            self.running[pool.submit(self._send, chunk)] = self.dealt
            self.dealt += len(chunk)

    def _waited(self) -> bool:
        if self.running:
            return False
        try:
            self.http.admit()
        except Throttled as error:
            self.stopped_by = error
        return self.stopped_by is None

    def _collect(self) -> None:
        """Take what has come back, waiting for a moment; a chunk that met a hindrance ends the dealing."""
        done, _ = wait(self.running, timeout=_ATTEND_EVERY, return_when=FIRST_COMPLETED)
        for future in done:
            start = self.running.pop(future)
            self.outcomes[start] = future.result()
            self.stopped_by = self.stopped_by or hindrance(self.outcomes[start])
        self.http.attend()

    def _send(self, chunk: Sequence[T], *, in_thread: bool = True) -> list[Outcome]:
        hand = self.http.hand(in_thread=in_thread)
        outcomes = self.write(hand, chunk)
        if hand.too_large or isinstance(outcomes[0].error, OutcomeUnknown):
            self.size.shrink(len(chunk))
        elif hand.requests == 1:
            self.size.learn(len(chunk), hand.seconds, hand.bytes_sent)
        if hindrance(outcomes) is None:
            self.http.traffic.degree.rise()
        return outcomes
