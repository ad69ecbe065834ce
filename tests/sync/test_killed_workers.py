"""A full synchronization by two worker processes on PostgreSQL and Redis: workers are killed now and then, Redis goes
away and comes back empty, and in the end nothing is lost and nothing is there twice.
"""

import json
import os
import random
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from benchmarks.crew import crew
from connection.dataverse.client import DataverseClient
from tests.installations import SET_UP
from tests.project.processes import free_port, run_code, wait_until
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.scale

CUSTOMERS = 1_100
MOST_SECONDS = 240

START = """
from django.contrib.auth.models import User
from connection.models import CRMConnection
from crmbridge.demo.crm_side import seed_users
from sync.fullsync import prepare, start
seed_users(CRMConnection.enabled().client())
user = User.objects.create_superuser("alice")
start(prepare(user), user)
"""
PROGRESS = "SELECT count(*) || ' runs, ' || coalesce(sum(read), 0) || ' records' FROM sync_synchjob"
LOOK = """
import json
from connection.models import CRMConnection
from coupling.models import Coupling
from crmbridge.demo.agreement import disagreements
from sync.models import COUNTERS, FullSynchronization, JobQueueEntry, SynchJob
jobs = [(job.read, sum(getattr(job, name) for name in COUNTERS)) for job in SynchJob.objects.all()]
print(json.dumps({
    "state": FullSynchronization.objects.get().state,
    "messages": [entry.message_text for entry in JobQueueEntry.objects.all()],
    "disagreements": disagreements(CRMConnection.enabled().client())[:20],
    "untruthful": [job for job in jobs if job[0] != job[1]],
    "customers": Coupling.objects.filter(mapping__name="CUSTOMER").count(),
    "contacts": Coupling.objects.filter(mapping__name="CONTACT").count(),
}))
"""


@contextmanager
def redis_server(port: int, folder: Path) -> Iterator[None]:
    """A server that keeps nothing on disk, for as long as the block lasts."""
    program = shutil.which("redis-server")
    assert program
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, retry_on_error=[redis.ConnectionError]) as client:
            wait_until(lambda: _answers(client))
        yield
    finally:
        server.terminate()
        server.wait()


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def test_e15_killed_workers_and_a_broker_that_goes_away_change_nothing_in_the_end(
    own_installation: dict[str, str], sandbox: SandboxProcess, crm: DataverseClient, tmp_path: Path
) -> None:
    seed = int(os.environ.get("KILL_SEED", secrets.randbelow(10**6)))
    print(f"KILL_SEED={seed}")
    chance = random.Random(seed)
    port = free_port()
    # Both workers take ranges of the customers, and then of the contacts.
    environment = own_installation | {"REDIS_URL": f"redis://127.0.0.1:{port}/0", "CRMBRIDGE_RANGE_SIZE": "150"}
    details = str(sandbox.folder / "sandbox.json")
    with redis_server(port, tmp_path):
        run_code(SET_UP.format(customers=CUSTOMERS, details=details) + START, env=environment)

    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as postgres:

        def asked(query: str) -> str:
            row = postgres.execute(query).fetchone()
            return str(row[0]) if row else ""

        def is_done() -> bool:
            return asked("SELECT state FROM sync_fullsynchronization") != "running"

        def kill_when_it_gets_on() -> None:
            before = asked(PROGRESS)
            workers.watch(lambda: is_done() or asked(PROGRESS) != before, MOST_SECONDS)
            time.sleep(chance.uniform(0, 1))
            workers.kill_one()
            print(f"{time.monotonic() - began:.0f} s: killed one at {asked(PROGRESS)}")

        log, began = tmp_path / "workers.log", time.monotonic()
        with crew(2, log, seed, environment) as workers:
            # Nobody has been told of the work: the broker that was is gone with all that was in it.
            with redis_server(port, tmp_path):
                kill_when_it_gets_on()
            assert not is_done()
            time.sleep(1)
            with redis_server(port, tmp_path):
                kill_when_it_gets_on()
                workers.watch(is_done, MOST_SECONDS)
                state = json.loads(run_code(LOOK, env=environment).splitlines()[-1])
    print(*[line for line in log.read_text().splitlines() if "Connection refused" not in line][-20:], sep="\n")
    assert state["state"] == "finished", state
    assert state["disagreements"] == state["untruthful"] == []
    assert (crm.count("account"), state["customers"]) == (CUSTOMERS, CUSTOMERS)
    assert crm.count("contact") == state["contacts"] >= CUSTOMERS
