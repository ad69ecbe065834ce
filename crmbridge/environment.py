"""Secrets and fingerprint of this installation: from the environment, else made once in files for their owner only."""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import NAMESPACE_URL, uuid4, uuid5

from django.core.exceptions import ImproperlyConfigured


def secret(name: str, *, folder: Path, generate: Callable[[], str], production: bool) -> str:
    """The secret NAME: from the variable NAME, the file named by NAME_FILE, or `folder/<name>.secret`.

    The last is made on first use with mode 0600. In production nothing is generated:
    a server that invents its own keys cannot read yesterday's data tomorrow.

    Raises:
        ImproperlyConfigured: NAME_FILE cannot be read, or nothing is given in production.
    """
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        return _read(Path(path), name)
    if production:
        raise ImproperlyConfigured(f"Set {name} (or {name}_FILE): production does not generate secrets.")
    return _generated_once(folder / f"{name.lower()}.secret", generate)


def installation_id(name: str, folder: Path) -> str:
    """The fingerprint of this installation: of NAME, else of a random name that `folder` keeps from its first use.

    The folder's own place belongs to the latter, so that a folder that was copied together with the database in it is
    another installation.
    """
    kept = name or f"{_generated_once(folder / 'installation.id', lambda: str(uuid4()))} {folder.resolve()}"
    return uuid5(NAMESPACE_URL, kept).hex


def optional_secret(name: str) -> str:
    """The secret NAME from the variable NAME or the file named by NAME_FILE; empty where neither is given.

    Raises:
        ImproperlyConfigured: NAME_FILE cannot be read.
    """
    path = os.environ.get(f"{name}_FILE")
    return os.environ.get(name) or (_read(Path(path), name) if path else "")


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE names a file that cannot be read: {error.strerror}.") from error


def _generated_once(path: Path, generate: Callable[[], str]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(generate())
        # Two processes may start at once: a link fails where the other was faster, and both then read the same secret.
        try:
            os.link(scratch, path)
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    return path.read_text().strip()
