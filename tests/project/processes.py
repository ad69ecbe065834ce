"""Finds processes by the folder that they work in, and waits for what they do."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOREIGN = ("DATABASE_URL", "REDIS_URL", "REQUESTS_CA_BUNDLE", "CRMBRIDGE_ENV", "DEBUG")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a program that keeps everything in `folder`."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | {"CRMBRIDGE_VAR": str(folder)} | more


def manage(*arguments: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run `manage.py` to its end."""
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=240)


def run_code(code: str, *, env: Mapping[str, str]) -> str:
    """Run Python code in an installation, and return what it printed."""
    done = manage("shell", "--no-imports", "-c", code, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def managing(*arguments: str, env: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `manage.py` in a session of its own, as a terminal would, and kill it where it is left running."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def working_in(folder: Path) -> dict[int, str]:
    """The command lines, by process id, of everything whose environment names `folder`."""
    found: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (entry / "environ").read_bytes():
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def wait_until(is_so: Callable[[], object], seconds: float = 200) -> None:
    """Look again and again until it is so; fails after so many seconds, which a busy machine may well need."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on, and that the system gives to nobody else meanwhile: it takes those above."""
    for port in random.sample(range(20_000, 32_000), 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")
