"""Worker processes as an operator runs them: started, killed without warning now and then, their memory measured."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.sandbox_process import ROOT

MIB = 1024


class Crew:
    """So many `manage.py worker`, each with its cluster; one that is killed is replaced, as systemd would."""

    def __init__(self, size: int, log: Path, chance: random.Random, environment: Mapping[str, str]) -> None:
        self._log = log
        self._environment = environment
        self._chance = chance
        self._workers = [self._start() for _ in range(size)]
        self.kills = 0
        self.peak = 0.0
        """The most memory that one worker with all its processes took, in MiB."""

    def watch(self, is_done: Callable[[], bool], seconds: float, kill_every: float | None = None) -> None:
        """Stay until all is done, and kill a worker every so often.

        Raises:
            TimeoutError: it was not done within `seconds`.
        """
        began = time.monotonic()
        next_kill = began + (kill_every or float("inf"))
        while not is_done():
            now = time.monotonic()
            if now - began > seconds:
                raise TimeoutError(f"not done within {seconds:g} s; see {self._log}")
            if now > next_kill:
                next_kill += kill_every or 0
                self.kill_one()
            self.peak = max(self.peak, *(sum(map(_memory, _family(each.pid))) for each in self._workers))
            time.sleep(0.25)

    def kill_one(self) -> None:
        """Kill one of them without warning, and start another."""
        number = self._chance.randrange(len(self._workers))
        _kill(self._workers[number])
        self._workers[number] = self._start()
        self.kills += 1

    def dismiss(self) -> None:
        """Have them stop, and kill what does not."""
        for worker in self._workers:
            worker.terminate()
        deadline = time.monotonic() + 15
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(max(0.1, deadline - time.monotonic()))
            _kill(worker)

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "manage.py", "worker", "--grace", "10"]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )


@contextmanager
def crew(size: int, log: Path, seed: int, environment: Mapping[str, str] = os.environ) -> Iterator[Crew]:
    """Workers for as long as the block lasts."""
    workers = Crew(size, log, random.Random(seed), environment)
    try:
        yield workers
    finally:
        workers.dismiss()


def _kill(worker: "subprocess.Popen[bytes]") -> None:
    """Kill it with all that it has started, as the kernel or a power cut would."""
    for pid in _family(worker.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    worker.wait()


def _family(pid: int) -> list[int]:
    """A process and its descendants; none where it is gone."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _memory(pid: int) -> float:
    """The process's share of the memory that it uses, in MiB: pages that several use are divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / MIB for line in lines if line.startswith("Pss:")), 0.0)
