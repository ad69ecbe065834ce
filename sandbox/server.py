"""The HTTPS process: gunicorn with one worker of many threads, around the door."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.workers import gthread

from sandbox.certificates import load_certificates
from sandbox.conditions.faults import Faults
from sandbox.conditions.latency import Latency
from sandbox.conditions.protection import PRESETS, Protection
from sandbox.customizing import customized_catalog
from sandbox.details import Certificates, Credentials, details, load_credentials, write_details
from sandbox.metadata.loading import load_catalog
from sandbox.seed.planting import is_planted, plant
from sandbox.service import Service
from sandbox.signin import LIFETIME, SignIn
from sandbox.store.database import Store
from sandbox.wsgi import Door

THREADS = 24
# How long a stopping worker waits for requests on idle kept-alive connections; every client here can come again.
gthread.STOP_KEEPALIVE_LINGER = 0.1


@dataclass(frozen=True)
class Conduct:
    """How the sandbox behaves: what it starts with, how fast it is, what it refuses and whether it may fail."""

    empty: bool = False
    latency: str = "none"
    limits: str = "none"
    faults: bool = False
    token_lifetime: int = LIFETIME


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn is not annotated
    """A sandbox on a port. `run()` returns when the process is told to stop."""

    def __init__(self, folder: Path, port: int, conduct: Conduct) -> None:
        self.folder = folder
        self.port = port
        self.conduct = conduct
        self.credentials: Credentials = load_credentials(folder)
        self.certificates: Certificates = load_certificates(folder)
        super().__init__()

    def load_config(self) -> None:
        """Set what gunicorn needs to know."""
        for name, value in self._settings().items():
            self.cfg.set(name, value)

    def _settings(self) -> Mapping[str, Any]:
        return {
            "bind": f"127.0.0.1:{self.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "keepalive": 75,
            "timeout": 0,
            "graceful_timeout": 1,
            "certfile": str(self.certificates.chain),
            "keyfile": str(self.certificates.key),
            "limit_request_line": 0,
            "limit_request_field_size": 0,
            "loglevel": "warning",
            "control_socket_disable": True,
            "when_ready": self._remember_port,
            "post_worker_init": self._announce,
        }

    def load(self) -> Door:
        """Open the store in the worker and return the application; called once, after the fork."""
        store = Store(self.folder / "sandbox.sqlite3", load_catalog())
        catalog = customized_catalog(store)
        if not is_planted(store):
            plant(store, catalog, self.credentials, empty=self.conduct.empty)
        address = f"https://localhost:{self.port}"
        faults = Faults(allowed=self.conduct.faults)
        service = Service(catalog, store, latency=Latency.parse(self.conduct.latency), faults=faults)
        sign_in = SignIn(store, self.credentials, address, self.certificates, self.conduct.token_lifetime)
        return Door(service, sign_in, self.credentials, Protection(PRESETS[self.conduct.limits]))

    def _remember_port(self, arbiter: Any) -> None:
        """Learn which port the system gave for port 0, before the worker is forked."""
        self.port = arbiter.LISTENERS[0].sock.getsockname()[1]

    def _announce(self, worker: Any) -> None:
        """Tell clients where the sandbox is, now that it answers."""
        text = write_details(self.folder, details(self.credentials, self.port, self.certificates))
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def serve(folder: Path, port: int, conduct: Conduct) -> None:
    """Run a sandbox with its data in `folder` until the process gets SIGTERM or SIGINT."""
    os.umask(0o077)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sandbox.json").unlink(missing_ok=True)
    Server(folder.resolve(), port, conduct).run()
