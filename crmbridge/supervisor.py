"""Keeps programs running: restarts those that crash, with growing pauses, and stops all when asked to."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from crmbridge.processes import ManagedProcess

log = logging.getLogger(__name__)

LOOK_EVERY = 0.2
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
# One that ran this long before it ended did start well: its next crash is a new one.
STEADY_AFTER = 60.0
MOST_CRASHES = 8


@dataclass
class Program:
    """One program to keep running, and how it has been doing."""

    name: str
    command: Sequence[str]
    process: ManagedProcess | None = None
    started_at: float = 0.0
    crashes: int = 0
    start_at: float = field(default_factory=time.monotonic)

    def tend(self, now: float) -> None:
        """Start it where it is due, and note where it has ended."""
        if self.process is None and now >= self.start_at:
            self.process, self.started_at = ManagedProcess.start(self.command), now
        elif self.process and self.process.exit_code is not None:
            self._note_crash(self.process, now)

    def start_over(self, why: str) -> None:
        """Kill it, because it does nothing any more though it is there, and start it again at once."""
        if self.process:
            log.error("%s is started again: %s", self.name, why)
            self.process.end(0)
            self.process, self.start_at = None, time.monotonic()

    def _note_crash(self, process: ManagedProcess, now: float) -> None:
        process.end(0)
        self.process = None
        self.crashes = 1 if now - self.started_at > STEADY_AFTER else self.crashes + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self.crashes - 1))
        self.start_at = now + pause
        log.error("%s ended with exit code %s; starting it again in %d s.", self.name, process.exit_code, pause)


def supervise(programs: Sequence[Program], *, grace: float, meanwhile: Callable[[], None] | None = None) -> int:
    """Run `programs` until SIGTERM or SIGINT, then stop them, giving each `grace` seconds in all.

    `meanwhile` is called at every look, some times a second; it must neither raise nor take long.

    Returns the exit code: 0 where all stopped by themselves, 1 where one had to be killed or kept crashing.
    Must be called in the main thread.
    """
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        while not stopping.wait(LOOK_EVERY) and not _hopeless(programs):
            for program in programs:
                program.tend(time.monotonic())
            if meanwhile:
                meanwhile()
    finally:
        is_clean = _stop(programs, grace)
    return 0 if is_clean and not _hopeless(programs) else 1


def _hopeless(programs: Sequence[Program]) -> bool:
    return any(program.crashes >= MOST_CRASHES for program in programs)


def _stop(programs: Sequence[Program], grace: float) -> bool:
    processes = [program.process for program in programs if program.process]
    for process in processes:
        process.ask_to_stop()
    deadline = time.monotonic() + grace
    ended = [process.end(max(0.0, deadline - time.monotonic())) for process in processes]
    return all(ended)
