"""Where the demo lives: a folder and an environment of its own, so that nothing else can be touched."""

import fcntl
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

IN_DEMO = "CRMBRIDGE_DEMO"
# What would lead the demo, or the programs that it starts, to other data.
FOREIGN = ("REDIS_URL", "DEBUG", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class DemoRefusedError(Exception):
    """The demo does not start here; the text says why."""


def refuse_production(environ: Mapping[str, str]) -> None:
    """Keep away from real data.

    Raises:
        DemoRefusedError: the environment names a database or production.
    """
    if environ.get("DATABASE_URL"):
        raise DemoRefusedError("DATABASE_URL is set. The demo uses a database of its own; unset the variable first.")
    if environ.get("CRMBRIDGE_ENV") == "production":
        raise DemoRefusedError("CRMBRIDGE_ENV is production. The demo does not run there.")


def demo_environment(environ: Mapping[str, str], folder: Path, port: int) -> dict[str, str]:
    """The environment in which everything that the demo starts sees `folder` and nothing else."""
    kept = {name: value for name, value in environ.items() if name not in FOREIGN}
    return kept | {
        IN_DEMO: str(folder),
        "CRMBRIDGE_VAR": str(folder),
        "CRMBRIDGE_EXTRA_CRM_HOSTS": "localhost",
        "CRMBRIDGE_SITE_ADDRESS": f"http://localhost:{port}",
        "LOG_LEVEL": environ.get("LOG_LEVEL", "WARNING"),
    }


def claim(folder: Path) -> None:
    """Hold `folder` for this process, and for the program that it may turn into, until it ends.

    Raises:
        DemoRefusedError: another demo runs in it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise DemoRefusedError(f"A demo is running already in {folder}. Stop it first.") from None
    os.set_inheritable(lock, True)


def clear(folder: Path) -> None:
    """Remove what an earlier demo left."""
    shutil.rmtree(folder, ignore_errors=True)
