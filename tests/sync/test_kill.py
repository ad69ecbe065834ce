"""I1 against SIGKILL: a push of 5 000 customers is killed again and again at random moments, then run to its end.

The victim is a real process with a database of its own, so that nothing of it survives in this one.
"""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from connection.dataverse.client import DataverseClient
from tests.sandbox_process import ROOT, SandboxProcess
from tests.sync.installation import manage

CUSTOMERS = 5_000
# Each costs two starts of a process; the database that many workers share gets the long series.
KILLS = 20 if os.environ.get("DATABASE_URL", "").startswith("postgres") else 6

LOOK = """
import json
from coupling.models import Coupling, CouplingState
from sync.models import SynchError, SynchState
customers = Coupling.objects.filter(mapping__name="CUSTOMER")
print(json.dumps({
    "coupled": customers.filter(state=CouplingState.COUPLED).count(),
    "other": customers.exclude(state=CouplingState.COUPLED).count(),
    "crm_ids": sorted(str(each) for each in customers.values_list("crm_id", flat=True)),
    "errors": SynchError.objects.count(),
    "leases": SynchState.objects.exclude(lease_owner="").count(),
}))
"""


def kill_at(seconds: float, environment: dict[str, str]) -> bool:
    """Start the push and kill it after so many seconds of work; whether it was still at it."""
    push = [sys.executable, "manage.py", "synchronize", "CUSTOMER", "--full", "--direction", "to"]
    victim = subprocess.Popen(push, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    victim.send_signal(signal.SIGKILL)
    return victim.wait() == -signal.SIGKILL


def test_i1_kills_leave_no_duplicate_and_nothing_pending(
    own_database: dict[str, str], sandbox: SandboxProcess, crm: DataverseClient, tmp_path: Path
) -> None:
    seed = int(os.environ.get("KILL_SEED", secrets.randbelow(10**6)))
    print(f"KILL_SEED={seed}")
    chance = random.Random(seed)
    details = tmp_path / "sandbox.json"
    details.write_text(json.dumps(sandbox.details))
    manage(own_database, "migrate", "-v0")
    manage(own_database, "seed_financials", "--customers", str(CUSTOMERS))
    manage(own_database, "connect", "--from-file", str(details))
    manage(own_database, "use_default_setup")
    manage(own_database, "synchronize", "CURRENCY", "--full")

    began = time.monotonic()
    manage(own_database, "check")
    start_up = time.monotonic() - began
    for _ in range(KILLS):
        was_running = kill_at(start_up + chance.uniform(0, 1), own_database)
        print(f"killed {'a running push' if was_running else 'too late'}; {crm.count('account')} accounts so far")
    manage(own_database, "synchronize", "CUSTOMER", "--full", "--direction", "to")

    state: dict[str, Any] = json.loads(manage(own_database, "shell", "--no-imports", "-c", LOOK).splitlines()[-1])
    accounts = [row for page in crm.pages("account", select=["accountid", "name"]) for row in page]
    assert (state["coupled"], state["other"], state["errors"], state["leases"]) == (CUSTOMERS, 0, 0, 0)
    assert len(accounts) == CUSTOMERS
    assert sorted(row["accountid"] for row in accounts) == state["crm_ids"]
