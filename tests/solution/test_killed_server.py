"""The server is killed while Dynamics CRM imports the solution; whoever signs in next learns how it ended.

The victim is a real process with a database of its own, so that nothing of it survives in this one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from tests.sandbox_process import SandboxProcess
from tests.solution.conftest import ADMINISTRATOR, at_login

ROOT = Path(__file__).resolve().parent.parent.parent

# What a web process does between an administrator's pressing the button and the end of the import.
WEB = """
import json, sys, threading
from datetime import timedelta
from django.db.models import F
from connection import person
from connection.errands import Errand, Order, do
from connection.models import CRMConnection, SolutionImport
connection = CRMConnection.current()
if connection is None:
    details = json.load(open(sys.argv[-1]))
    names = {"address": "address", "authority": "authority", "tenant_id": "tenant", "client_id": "sync_client_id"}
    connection = CRMConnection(**{name: details[said] for name, said in names.items()})
    connection.set_secret(details["sync_client_secret"])
    connection.save()
SolutionImport.objects.update(heartbeat_at=F("heartbeat_at") - timedelta(minutes=2))  # as time does
begun = person.begin(connection, "http://localhost/connection/signed-in/")
print(begun.address, flush=True)
print(do(Order(Errand.IMPORT, None), connection, begun.sealed, json.loads(sys.stdin.readline())), flush=True)
for thread in threading.enumerate():
    if thread.name.startswith("solution import"):
        thread.join()
print(json.dumps(list(SolutionImport.objects.order_by("pk").values_list("state", flat=True))))
"""


def web(environment: dict[str, str], sandbox: SandboxProcess) -> "tuple[subprocess.Popen[str], IO[str]]":
    """A process that has just begun an import; and what it says from then on."""
    code = WEB.replace("sys.argv[-1]", repr(str(sandbox.folder / "sandbox.json")))
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(at_login(sandbox, process.stdout.readline().strip(), ADMINISTRATOR)) + "\n")
    process.stdin.flush()
    assert "has begun" in process.stdout.readline()
    return process, process.stdout


@pytest.mark.any_database
def test_s32_the_next_sign_in_settles_what_a_killed_server_left(sandbox: SandboxProcess, tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment = {**inherited, "CRMBRIDGE_VAR": str(tmp_path), "LOG_LEVEL": "WARNING"}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    victim, _said = web(environment, sandbox)
    victim.kill()
    victim.wait()
    survivor, said = web(environment, sandbox)
    states = json.loads(said.readline())
    assert survivor.wait(200) == 0
    # Whether the package had reached the CRM before the kill is a matter of moments; nobody is left in the dark.
    assert states in (["succeeded", "succeeded"], ["failed", "succeeded"])
    assert sandbox.session()("GET", "solutions?$filter=uniquename eq 'crmbridge_core'").json()["value"]
