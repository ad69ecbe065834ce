#!/usr/bin/env python3
"""Runs a command with PostgreSQL and Redis at hand: `with_services.py COMMAND…`.

Those that DATABASE_URL and REDIS_URL name are used, else private ones are started from installed programs and stopped
afterwards: whatever else runs here is left alone. Missing Debian packages are installed where we are root and there is
apt; otherwise the script names what is missing and exits with 2. The command sees DATABASE_URL and REDIS_URL, each with
an empty database of its own on that server, which is gone afterwards.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg.sql import SQL, Identifier

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
START_TIMEOUT = 120.0
STOP_TIMEOUT = 60.0
# The data lives for minutes, so nothing is gained by writing it safely.
THROWAWAY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=127.0.0.1")


def main(command: Sequence[str]) -> int:
    """Run `command` with the services and return its exit code."""
    signal.signal(signal.SIGTERM, _exit)
    with ExitStack() as services:
        postgres, broker = os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", "")
        _install_missing(_needed(postgres, broker))
        postgres = postgres or services.enter_context(_private_postgres())
        broker = services.enter_context(_own_redis_database(broker or services.enter_context(_private_redis())))
        _say(f"PostgreSQL: {_place(postgres)}   Redis: {_place(broker)}")
        database = services.enter_context(_own_database(postgres))
        env = os.environ | {"DATABASE_URL": database, "REDIS_URL": broker}
        return subprocess.run(command, env=env, check=False).returncode


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _needed(postgres: str, broker: str) -> dict[str, bool]:
    """Each Debian package that the tests need, and whether its program is there."""
    return {
        "chromium": any(map(shutil.which, BROWSERS)),
        "gettext": bool(shutil.which("msgfmt")),
        "postgresql": bool(postgres or _postgres_program("initdb")),
        "redis-server": bool(broker or shutil.which("redis-server")),
    }


def _install_missing(packages: dict[str, bool]) -> None:
    missing = [name for name, is_there in packages.items() if not is_there]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        _say(f"The tests need these programs, which are not installed: {', '.join(missing)}.")
        _say("The names are those of the Debian packages; as root, make test installs them by apt.")
        sys.exit(2)
    _say(f"Installing {', '.join(missing)}")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=env)
    subprocess.run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing], check=True, env=env)


def _postgres_program(name: str) -> str | None:
    """The newest installed one; Debian keeps them out of PATH."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(folders, key=lambda folder: float(folder.parent.name), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, newest_first), os.environ.get("PATH", "")]))


@contextmanager
def _private_postgres() -> Iterator[str]:
    """A PostgreSQL server of our own. Its programs refuse to run as root, so root hands them to another user."""
    initdb, postgres = _postgres_program("initdb"), _postgres_program("postgres")
    if not (initdb and postgres):
        sys.exit("The programs initdb and postgres are not found.")
    user = _unprivileged_user() if os.geteuid() == 0 else None
    with _folder(user) as folder:
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [initdb, f"--pgdata={folder / 'data'}", *options],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            cwd=folder,
        )
        port = _free_port()
        settings = [word for setting in (*THROWAWAY, f"unix_socket_directories={folder}") for word in ("-c", setting)]
        command = [postgres, "-D", str(folder / "data"), "-p", str(port), *settings]
        url = f"postgres://postgres@127.0.0.1:{port}/postgres"
        with _server(command, folder, user, lambda: _postgres_answers(url), stop=signal.SIGINT):
            yield url


@contextmanager
def _private_redis() -> Iterator[str]:
    """A Redis server of our own that keeps nothing on disk."""
    program = shutil.which("redis-server")
    if not program:
        sys.exit("The program redis-server is not found.")
    port = _free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with _folder(None) as folder:
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
        with _server([program, *options], folder, None, lambda: _redis_answers(url), stop=signal.SIGTERM):
            yield url


@contextmanager
def _folder(user: str | None) -> Iterator[Path]:
    """A folder that `user` can reach, which one below a clone in root's home is not."""
    with tempfile.TemporaryDirectory(prefix="crmbridge-") as name:
        if user:
            shutil.chown(name, user)
        yield Path(name)


@contextmanager
def _server(
    command: Sequence[str], folder: Path, user: str | None, answers: Callable[[], bool], *, stop: signal.Signals
) -> Iterator[None]:
    """Run a server in a session of its own, so that Ctrl-C reaches the command first and the server last."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, user=user, cwd=folder, start_new_session=True
        )
    try:
        _wait_until(answers, server, folder / "log")
        yield
    finally:
        server.send_signal(stop)
        try:
            server.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until(answers: Callable[[], bool], server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not answers():
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{server.args!r} does not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def _unprivileged_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.Error:
        return False
    return True


def _redis_answers(url: str) -> bool:
    try:
        return bool(redis.Redis.from_url(url, socket_connect_timeout=10).ping())
    except redis.RedisError:
        return False


@contextmanager
def _own_database(url: str) -> Iterator[str]:
    """A new database on the server, dropped afterwards."""
    parts = urlsplit(url)
    name = f"{parts.path.strip('/')}_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def _own_redis_database(url: str) -> Iterator[str]:
    """An empty one of the server's numbered databases, emptied again afterwards."""
    parts = urlsplit(url)
    candidates = (urlunsplit(parts._replace(path=f"/{number}")) for number in range(15, 0, -1))
    own = next((each for each in candidates if redis.Redis.from_url(each).dbsize() == 0), None)
    if own is None:
        sys.exit(f"All databases of Redis at {_place(url)} are in use; empty one of 1 to 15.")
    try:
        yield own
    finally:
        redis.Redis.from_url(own).flushdb()


def _place(url: str) -> str:
    """The address as it may be shown: without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
