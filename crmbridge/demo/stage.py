"""The programs that the demo starts and stops: the sandbox CRM, the web server and the worker."""

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from crmbridge.processes import ManagedProcess, manage, web_server

START_TIMEOUT = 60.0
LOOK_EVERY = 0.05
# Together less than the five seconds after which people press Ctrl-C again.
GRACE = 3.0
SANDBOX_PORT = 8443


class StageError(Exception):
    """A program of the demo did not start, or ended while it was needed."""


class Stage:
    """The programs of one demo, with their logs in its folder. Use `strike` to stop them all."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.sandbox_details: Mapping[str, Any] = {}
        self.is_starting = False
        """Whether a program is between being started and being known, when an interruption would lose it."""
        self._running: dict[str, ManagedProcess] = {}

    @property
    def address(self) -> str:
        """Where the web server answers."""
        return f"http://localhost:{self.port}"

    @property
    def sandbox_file(self) -> Path:
        """What a client needs to reach the sandbox."""
        return self.folder / "sandbox" / "sandbox.json"

    def start_sandbox(self) -> Mapping[str, Any]:
        """Start the sandbox and have this process, and those started later, trust its certificates."""
        self.sandbox_file.parent.mkdir(parents=True, exist_ok=True)
        self.sandbox_file.unlink(missing_ok=True)
        port = free_port(SANDBOX_PORT)
        data = str(self.sandbox_file.parent)
        self._start("sandbox", manage("sandbox", "--port", str(port), "--data", data, "--empty"))
        self._wait_for("sandbox", lambda: self.sandbox_file.exists() and _listens(port))
        details: Mapping[str, Any] = json.loads(self.sandbox_file.read_text())
        os.environ["REQUESTS_CA_BUNDLE"] = details["ca_file"]
        self.sandbox_details = details
        return details

    def start_web(self) -> None:
        """Start the web server and wait until it shows its sign-in page."""
        self._start("web", web_server(self.port))
        self._wait_for("web", lambda: _shows_sign_in(self.port))

    def start_worker(self) -> None:
        """Start the worker; it takes up work as soon as it is ready."""
        self._start("worker", manage("worker", "--grace", str(GRACE - 1)))

    def watch(self) -> None:
        """Stay until interrupted.

        Raises:
            StageError: a program has ended.
        """
        while True:
            for name in self._running:
                self._raise_if_ended(name)
            time.sleep(0.5)

    def strike(self) -> None:
        """Stop everything, the sandbox last, because the others speak to it."""
        deadline = time.monotonic() + GRACE
        for names in (("web", "worker"), ("sandbox",)):
            processes = [self._running.pop(name) for name in names if name in self._running]
            for process in processes:
                process.ask_to_stop()
            for process in processes:
                process.end(max(1.0, deadline - time.monotonic()))

    def _start(self, name: str, command: list[str]) -> None:
        env = os.environ | {"LOG_LEVEL": "INFO"}
        self.is_starting = True
        try:
            self._running[name] = ManagedProcess.start(command, env=env, log=self._log(name))
        finally:
            self.is_starting = False

    def _wait_for(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not is_ready():
            self._raise_if_ended(name)
            if time.monotonic() > deadline:
                raise StageError(f"The {name} did not answer within {START_TIMEOUT:.0f} s. See {self._log(name)}.")
            time.sleep(LOOK_EVERY)

    def _raise_if_ended(self, name: str) -> None:
        code = self._running[name].exit_code
        if code is not None:
            last = "\n".join(self._log(name).read_text(errors="replace").splitlines()[-5:])
            raise StageError(f"The {name} has ended with exit code {code}. See {self._log(name)}.\n{last}")

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def free_port(wanted: int) -> int:
    """`wanted`, or another port where that one is taken."""
    for port in (wanted, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    raise StageError("This machine has no free port.")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _shows_sign_in(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/sign-in/", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
