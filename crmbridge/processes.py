"""Processes that belong to us: each leads a session of its own and never outlives what started it."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from django.conf import settings

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: loading between fork and exec could wait for ever.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ManagedProcess:
    """A program that was started as the leader of its own session and process group.

    A Ctrl-C in the terminal does not reach it: whoever started it decides when it stops. Where it starts children,
    only the leader is asked to stop, because a signal to all of them at once leaves a django-q2 cluster hanging.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @classmethod
    def start(cls, command: Sequence[str], *, env: Mapping[str, str] | None = None, log: Path | None = None) -> Self:
        """Start `command`, its output going to the end of `log` or to our own."""
        with _output(log) as output:
            process = subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
                preexec_fn=_die_with_parent if _libc else None,
            )
        return cls(process)

    @property
    def pid(self) -> int:
        """The leader's process id, which is its group's too."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How the leader ended; None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Tell the leader to finish what it has in hand and stop; returns at once."""
        if self.exit_code is None:
            self._process.terminate()

    def end(self, grace: float) -> bool:
        """Wait up to `grace` seconds for the leader, then kill what is left of the group.

        True where the leader ended by itself.
        """
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            return False
        finally:
            self._kill_group()
            self._process.wait()
        return True

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


@contextmanager
def _output(log: Path | None) -> Iterator[int | None]:
    """The end of `log`, which only its owner may read, since programs may print what is nobody else's business."""
    if log is None:
        yield None
        return
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _die_with_parent() -> None:
    """Have the kernel stop this process when its parent is killed: nobody else would be left to do it."""
    assert _libc
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def manage(*arguments: str) -> list[str]:
    """The command line of `manage.py ARGUMENTS…` with this Python."""
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def web_server(port: int) -> list[str]:
    """The command line of the web server on this machine's `port`."""
    options = ["--bind", f"127.0.0.1:{port}", "--threads", "8", "--graceful-timeout", "3", "--no-control-socket"]
    return [sys.executable, "-m", "gunicorn", "crmbridge.wsgi", *options]
