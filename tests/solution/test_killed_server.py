"""The server is killed while Dynamics CRM imports the solution; whoever signs in next learns how it ended.

The servers are real processes with a database of their own, so that nothing of the victim survives in this one.
"""

import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from crmbridge.processes import web_server
from tests.project.processes import ROOT, run_code, wait_until
from tests.sandbox_process import SandboxProcess
from tests.solution.conftest import ADMINISTRATOR, at_login

# The connection as the guide begins it, and alice signed in at her browser.
BEGIN = """
import json
from django.contrib.auth.models import User
from django.test import Client
from connection.models import CRMConnection
details = json.load(open({details!r}))
names = {{"address": "address", "authority": "authority", "tenant_id": "tenant", "client_id": "sync_client_id"}}
connection = CRMConnection(**{{name: details[said] for name, said in names.items()}})
connection.set_secret(details["sync_client_secret"])
connection.save()
client = Client()
client.force_login(User.objects.create_superuser("alice"))
print(client.cookies["sessionid"].value)
"""


class Alice:
    """Her browser."""

    def __init__(self, session: str) -> None:
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.cookies["sessionid"] = session
        self.root = ""

    def get(self, path: str, **query: str) -> requests.Response:
        answer = self.http.get(f"{self.root}{path}", params=query, timeout=200)
        assert answer.status_code == 200, answer.text
        return answer

    def begin_import(self, sandbox: SandboxProcess) -> str:
        """Press the button, and sign in to the CRM as its administrator; return the page where that leads to."""
        self.get("/connection/set-up/solution/")
        form = {"task": "import", "next": "/connection/", "csrfmiddlewaretoken": self.http.cookies["csrftoken"]}
        answer = self.http.post(f"{self.root}/connection/sign-in/", form, timeout=200)
        page = answer.headers["Refresh"].partition("url=")[2]
        return self.get("/connection/signed-in/", **at_login(sandbox, page, ADMINISTRATOR)).text

    def imports(self) -> list[str]:
        """How the imports stand, the latest first."""
        return [each["state"] for each in self.get("/api/v1/solution-imports/").json()["results"]]


@contextmanager
def server(alice: Alice, env: dict[str, str], log: Path) -> Iterator[None]:
    """A web server for alice, which is killed in the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            web_server(0), cwd=ROOT, env=env, stdout=output, stderr=output, start_new_session=True
        )

    def port() -> str:
        assert process.poll() is None, log.read_text()
        return "".join(re.findall(r"Listening at: http://127.0.0.1:(\d+)", log.read_text()))

    try:
        wait_until(port)
        alice.root = f"http://localhost:{port()}"
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.any_database
def test_s32_the_next_sign_in_settles_what_a_killed_server_left(
    own_installation: dict[str, str], sandbox: SandboxProcess, tmp_path: Path
) -> None:
    begun = run_code(BEGIN.format(details=str(sandbox.folder / "sandbox.json")), env=own_installation)
    alice = Alice(begun.split()[-1])
    with server(alice, own_installation, tmp_path / "victim.log"):
        assert "has begun" in alice.begin_import(sandbox)
    (database,) = (tmp_path / "var").glob("*.sqlite3")
    with sqlite3.connect(database) as time_passes:
        time_passes.execute("UPDATE connection_solutionimport SET heartbeat_at = datetime(heartbeat_at, '-6 minutes')")
    time_passes.close()
    with server(alice, own_installation, tmp_path / "survivor.log"):
        assert "has begun" in alice.begin_import(sandbox)
        wait_until(lambda: "running" not in alice.imports())
        # Whether the package had reached the CRM before the kill is a matter of moments; nobody is left in the dark.
        assert alice.imports() in (["succeeded", "succeeded"], ["succeeded", "failed"])
    assert sandbox.session()("GET", "solutions?$filter=uniquename eq 'crmbridge_core'").json()["value"]
