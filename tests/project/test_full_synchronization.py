"""A full synchronization with four real workers, which are killed and restarted in the middle (S72 to S76, E15)."""

import json
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg

from connection.dataverse.client import DataverseClient
from financials.demo import SHIPPING_AGENTS
from tests.installations import SET_UP
from tests.project.processes import managing, run_code, wait_until
from tests.sandbox_process import SandboxProcess

CUSTOMERS = 700
# Beside the four default mappings, of which CUSTOMER and CONTACT refer to each other: eight small ones with a diamond
# (SHIPMENT and AGENT between TERMS and LIST) and a long arm that ends behind all others.
GRAPH = {
    "TERMS": [],
    "SHIPMENT": ["TERMS"],
    "AGENT": ["TERMS"],
    "LIST": ["SHIPMENT", "AGENT"],
    "UNIT": [],
    "ITEM": ["UNIT", "LIST"],
    "ORDER": ["CUSTOMER", "ITEM"],
    "INVOICE": ["ORDER", "CONTACT"],
}

DECLARE = f"""
from coupling.models import FieldMapping, TableMapping
graph = {GRAPH}
table = {{"erp_table": "financials.ShippingAgent", "crm_table": "opportunity", "erp_key": "code", "direction": "to"}}
for name in graph:
    small = TableMapping.objects.create(name=name, **table)
    FieldMapping.objects.create(mapping=small, erp_field="name", crm_column="name")
for name, others in graph.items():
    TableMapping.objects.get(name=name).depends_on.set(TableMapping.objects.filter(name__in=others))
"""
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


def look(env: dict[str, str]) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(run_code(LOOK, env=env).splitlines()[-1])
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
    own_installation: dict[str, str], sandbox: SandboxProcess, crm: DataverseClient, tmp_path: Path
) -> None:
    seed = int(os.environ.get("KILL_SEED", secrets.randbelow(10**6)))
    print(f"KILL_SEED={seed}")
    chance = random.Random(seed)
    logs = [tmp_path / f"worker{number}" for number in range(2)]
    installation = own_installation | {"LOG_LEVEL": "INFO"}
    set_up = SET_UP.format(customers=CUSTOMERS, details=str(sandbox.folder / "sandbox.json"))
    assert run_code(set_up + DECLARE + START, env=installation).splitlines()[-1] == "True False 0"
    # Two supervisors of two workers, as on two machines; one is killed with all its children, and another takes over.
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
    assert {name: set(seen["lines"][name]["after"]) for name in GRAPH} == {name: set(GRAPH[name]) for name in GRAPH}
    assert {"CURRENCY", "SALESPEOPLE"} <= set(seen["lines"]["CUSTOMER"]["after"])
    assert len(seen["lines"]) == 12
    assert crm.count("opportunity") == len(GRAPH) * len(SHIPPING_AGENTS)


def kill_all(worker: "subprocess.Popen[bytes]") -> None:
    """Let the machine of a worker die."""
    for pid in (worker.pid, *children(worker.pid)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    worker.wait()
