"""A full synchronization with real workers, which are killed and restarted in the middle (S73 to S76, E15)."""

import json
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import environ
import psycopg
import pytest

from connection.dataverse.client import DataverseClient
from tests.project.processes import environment, manage, managing, wait_until
from tests.sandbox_process import SandboxProcess

CUSTOMERS = 700

START = """
from django.contrib.auth.models import User
from sync import fullsync
from sync.models import SynchJob
user = User.objects.create_user("alice")
full = fullsync.prepare(user)
print(fullsync.start(full, user), fullsync.start(full, user), SynchJob.objects.count())
"""
LOOK = """
import json
from coupling.models import Coupling, CouplingState
from sync.models import FullSynchronization, SynchError
full = FullSynchronization.objects.get()
lines = {}
for line in full.lines.select_related("entry"):
    entry = line.entry
    lines[line.name] = {
        "status": entry.status if entry else "", "message": entry.message_text if entry else "",
        "began": entry.started_at.isoformat() if entry and entry.started_at else "",
        "ended": entry.finished_at.isoformat() if entry and entry.finished_at else "",
        "logs": entry.log.count() if entry else 0,
        "owner": entry.lease_owner if entry else "",
        "after": [each.name for each in line.depends_on.all()],
    }
couplings = Coupling.objects.filter(mapping__name="CUSTOMER")
print(json.dumps({
    "state": full.state, "lines": lines, "errors": SynchError.objects.filter(resolved_at=None).count(),
    "coupled": couplings.filter(state=CouplingState.COUPLED).count(),
    "other": couplings.exclude(state=CouplingState.COUPLED).count(),
}))
"""


@pytest.fixture
def installation(sandbox: SandboxProcess, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An installation of its own on the kind of database and broker under test, connected to the sandbox."""
    env = environment(tmp_path / "var", REQUESTS_CA_BUNDLE=sandbox.details["ca_file"], LOG_LEVEL="INFO")
    with ExitStack() as stack:
        if server := os.environ.get("DATABASE_URL", ""):
            env |= {"DATABASE_URL": stack.enter_context(own_database(server)), "REDIS_URL": os.environ["REDIS_URL"]}
        details = tmp_path / "sandbox.json"
        details.write_text(json.dumps(sandbox.details))
        for command in (
            ["migrate", "-v0"],
            ["seed_financials", "--customers", str(CUSTOMERS)],
            ["connect", "--from-file", str(details)],
            ["use_default_setup"],
        ):
            done = manage(*command, env=env)
            assert done.returncode == 0, done.stdout + done.stderr
        yield env


def own_database(server: str) -> Any:
    """A database of its own on this server."""
    from contextlib import contextmanager

    @contextmanager
    def made() -> Iterator[str]:
        name, parts = f"full_{uuid4().hex}", environ.Env.db_url_config(server)
        with psycopg.connect(server, autocommit=True) as postgres:
            postgres.execute(f"CREATE DATABASE {name}")
            try:
                host = f"{parts['HOST']}:{parts['PORT'] or 5432}"
                yield f"postgres://{parts['USER']}:{parts['PASSWORD']}@{host}/{name}"
            finally:
                postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return made()


def look(env: dict[str, str]) -> dict[str, Any]:
    done = manage("shell", "--no-imports", "-c", LOOK, env=env)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def state(env: dict[str, str]) -> Any:
    """How the full synchronization stands; asked many times, and a process each time would be in the way."""
    query = "SELECT state FROM sync_fullsynchronization"
    if server := env.get("DATABASE_URL"):
        with psycopg.connect(server) as postgres:
            return (postgres.execute(query).fetchone() or [""])[0]
    with closing(sqlite3.connect(Path(env["CRMBRIDGE_VAR"]) / "crmbridge.sqlite3", timeout=60)) as sqlite:
        return sqlite.execute(query).fetchone()[0]


def children(pid: int) -> list[int]:
    """All processes below one."""
    try:
        direct = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in direct for each in (child, *children(child))]


def test_s72_s76_e15_a_full_synchronization_survives_what_kills_its_workers(
    installation: dict[str, str], crm: DataverseClient, tmp_path: Path
) -> None:
    seed = int(os.environ.get("KILL_SEED", secrets.randbelow(10**6)))
    print(f"KILL_SEED={seed}")
    chance = random.Random(seed)
    logs = [tmp_path / f"worker{number}" for number in range(2)]
    started = manage("shell", "--no-imports", "-c", START, env=installation)
    assert started.stdout.splitlines()[-1] == "True False 0", started.stderr
    # Two supervisors as on two machines; one is killed with all its children, and another takes its place.
    with ExitStack() as stack:
        workers = [stack.enter_context(managing("worker", "--grace", "5", env=installation, log=log)) for log in logs]
        wait_until(lambda: crm.count("account") > 0)
        time.sleep(chance.uniform(0, 2))
        kill_all(workers[0])
        wait_until(lambda: crm.count("account") > 300)
        stack.enter_context(managing("worker", "--grace", "5", env=installation, log=tmp_path / "again"))
        kill_all(workers[1])
        wait_until(lambda: state(installation) != "running", 400)
        seen = look(installation)
    assert seen["state"] == "finished", seen
    assert (seen["coupled"], seen["other"], seen["errors"]) == (crm.count("account"), 0, 0)
    for name, line in seen["lines"].items():
        assert line["status"] == "finished", (name, line)
        assert line["logs"] == 1, "one line of history"
        for other in line["after"]:
            assert seen["lines"][other]["ended"] <= line["began"], (other, name)
    assert {"CURRENCY", "SALESPEOPLE"} <= set(seen["lines"]["CUSTOMER"]["after"])


def kill_all(worker: "subprocess.Popen[bytes]") -> None:
    """Let the machine of a worker die."""
    for pid in (worker.pid, *children(worker.pid)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    worker.wait()
