"""I1 against SIGKILL: a push of 5 000 customers is killed again and again, now and then when it has just written,
then run to its end.

The victim is a real process with a database of its own, so that nothing of it survives in this one.
"""

import json
import os
import random
import secrets
import signal
import time
from pathlib import Path
from typing import Any

from connection.dataverse.client import DataverseClient
from tests.forker import forker
from tests.installations import SET_UP
from tests.project.processes import wait_until
from tests.sandbox_process import SandboxProcess

CUSTOMERS = 5_000
# The database that many workers share gets the long series.
KILLS = 20 if os.environ.get("DATABASE_URL", "").startswith("postgres") else 6

PUSH = ("synchronize", "CUSTOMER", "--full", "--direction", "to")
CREATE = f"""
from financials.models import Customer
numbers = range(1, {CUSTOMERS})
Customer.objects.bulk_create(Customer(no=f"K{{number:05}}", name=f"Kunde {{number}}") for number in numbers)
call_command("synchronize", "CURRENCY", full=True)
"""
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


def wait_for_more(written: int, sandbox: SandboxProcess, victim: int) -> None:
    """Until the CRM has taken more than that, or there is no more to come."""
    wait_until(lambda: sandbox.calls()["writes"] > written or not Path(f"/proc/{victim}").exists())


def test_i1_kills_leave_no_duplicate_and_nothing_pending(
    own_installation: dict[str, str], sandbox: SandboxProcess, crm: DataverseClient, tmp_path: Path
) -> None:
    seed = int(os.environ.get("KILL_SEED", secrets.randbelow(10**6)))
    print(f"KILL_SEED={seed}")
    chance = random.Random(seed)
    details = str(sandbox.folder / "sandbox.json")
    with forker(own_installation, tmp_path / "log") as installation:
        installation.run_code(SET_UP.format(customers=1, details=details) + CREATE)
        for number in range(KILLS):
            victim, written = installation.start(*PUSH), sandbox.calls()["writes"]
            if number % 4 == 1:
                wait_for_more(written, sandbox, victim)
            time.sleep(chance.uniform(0, 0.5))
            was_running = installation.kill(victim) == -signal.SIGKILL
            print(f"killed {'a running push' if was_running else 'too late'}; {crm.count('account')} accounts so far")
        installation.run(*PUSH)
        state: dict[str, Any] = json.loads(installation.run_code(LOOK).splitlines()[-1])
    accounts = [row for page in crm.pages("account", select=["accountid", "name"]) for row in page]
    assert (state["coupled"], state["other"], state["errors"], state["leases"]) == (CUSTOMERS, 0, 0, 0)
    assert len(accounts) == CUSTOMERS
    assert sorted(row["accountid"] for row in accounts) == state["crm_ids"]
