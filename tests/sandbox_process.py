"""Start, reset and stop a real sandbox process, for tests, the demo's tests and benchmarks."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parent.parent


class SandboxProcess:
    """A sandbox of its own on a free port. `details` is what it wrote to sandbox.json."""

    def __init__(self, folder: Path, *, empty: bool = True, port: int = 0, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.options = list(options)
        self.empty = empty
        self.port = port
        self.details: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 200) -> "SandboxProcess":
        """Start the process and wait until it answers. Raises RuntimeError with its output when it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "manage.py", "sandbox", "--port", str(self.port), "--data", str(self.folder)]
        command += self.options
        log = self.folder / "sandbox.log"
        (self.folder / "sandbox.json").unlink(missing_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, *(["--empty"] if self.empty else [])], cwd=ROOT, stdout=output, stderr=output, env=os.environ
            )
        deadline = time.monotonic() + timeout
        while not (self.folder / "sandbox.json").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"The sandbox did not start:\n{log.read_text()}")
            time.sleep(0.02)
        self.details = json.loads((self.folder / "sandbox.json").read_text())
        return self

    def stop(self) -> int:
        """Stop the process and return its exit code, which is 0 where it went by itself."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return process.returncode

    def kill(self) -> None:
        """End the process and its worker without warning."""
        if self._process is not None:
            for pid in self._pids():
                os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def processor_seconds(self) -> float:
        """Return the processor time that the process and its worker took so far."""
        clock_ticks = [sum(map(int, _after_name(pid)[11:13])) for pid in self._pids()]
        return sum(clock_ticks) / os.sysconf("SC_CLK_TCK")

    def _pids(self) -> list[int]:
        """Return the process and its worker."""
        assert self._process is not None, "it does not run"
        pid = self._process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def control(self, method: str, path: str, json: Any = None) -> requests.Response:
        """Call the control endpoint."""
        headers = {"X-Sandbox-Key": self.details["client_secret"]}
        address = f"{self.details['address']}/sandbox/{path}"
        ca_file = self.details["ca_file"]
        answer = requests.request(method, address, json=json, headers=headers, verify=ca_file, timeout=200)
        answer.raise_for_status()
        return answer

    def reset(self, *, empty: bool = True) -> None:
        """Start over with the data of a new sandbox."""
        self.control("POST", f"reset?empty={int(empty)}")

    def expire_changes(self) -> None:
        """Let every delta token so far expire."""
        self.control("POST", "expire-changes")

    def fault(self, kind: str, **spec: Any) -> None:
        """Put a fault in force; the sandbox must have been started with `--faults`."""
        self.control("POST", "faults", {"kind": kind, **spec})

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults in force, with how often each struck."""
        found: list[dict[str, Any]] = self.control("GET", "faults").json()["faults"]
        return found

    def calm(self) -> None:
        """Take all faults back."""
        self.control("DELETE", "faults")

    def calls(self) -> dict[str, int]:
        """Return the numbers of requests and of rows written since the last reset."""
        numbers: dict[str, int] = self.control("GET", "calls").json()
        return numbers

    def protection(self) -> dict[str, float]:
        """Return how many requests the limits refused since the last reset, and the seconds that the others took."""
        numbers: dict[str, float] = self.control("GET", "protection").json()
        return numbers

    def log(self) -> list[tuple[str, str]]:
        """Return who called what since the last reset: applications by client id, people by login."""
        return [
            (call["caller"], f"{call['method']} {call['path']}") for call in self.control("GET", "log").json()["calls"]
        ]

    def people(self) -> dict[str, str]:
        """Return the passwords of the people who can sign in, by login."""
        found = self.control("GET", "people").json()["people"]
        return {person["login"]: person["password"] for person in found}

    def token(self) -> str:
        """Return a new access token, asked for without any client library."""
        form = {
            "client_id": self.details["client_id"],
            "client_secret": self.details["client_secret"],
            "grant_type": "client_credentials",
            "scope": f"{self.details['address']}/.default",
        }
        address = f"{self.details['authority']}/oauth2/v2.0/token"
        answer = requests.post(address, data=form, verify=self.details["ca_file"], timeout=200)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def session(self) -> "SandboxSession":
        """Return a signed-in HTTP session on the Web API."""
        return SandboxSession(self)

    def __enter__(self) -> "SandboxProcess":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()


def _after_name(pid: int) -> list[str]:
    """Return what /proc tells of a process after its name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class SandboxSession:
    """A plain HTTP session that knows the service root and carries a token; no Dataverse client."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.root = f"{sandbox.details['address']}/api/data/v9.2/"
        self._session = requests.Session()
        # REQUESTS_CA_BUNDLE would win over the session's own setting.
        self._session.trust_env = False
        self._session.verify = sandbox.details["ca_file"]
        self._session.headers["Authorization"] = f"Bearer {sandbox.token()}"

    def __call__(
        self, method: str, path: str, json: Any = None, *, headers: dict[str, str] | None = None, data: Any = None
    ) -> requests.Response:
        """Send a request to a path under the service root or an absolute address."""
        address = path if path.startswith("https://") else self.root + path
        return self._session.request(method, address, json=json, data=data, headers=headers, timeout=200)
