"""How much of what the CRM's limits allow is used: several processes create accounts in a sandbox with the published
limits and latencies, sharing one budget.

    python -m benchmarks.throughput [--seconds 600] [--workers 2]

A limit window lasts 300 s, so shorter runs say little. Prints a table and writes `bench-throughput.json` into the var
folder.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from benchmarks.full_sync import ROOT
from tests.sandbox_process import SandboxProcess

WINDOW, EXECUTION = 300, 1200
# What the sandbox's published latency charges for a row in CreateMultiple, in seconds.
A_ROW = 0.010
ROWS_A_CALL = 4000


def main() -> None:
    """Run the workers against a sandbox of its own, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(options.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        report(measure(Path(folder), options.seconds, options.workers))


def measure(folder: Path, seconds: int, workers: int) -> dict[str, float]:
    """The figures of one run."""
    sandbox = SandboxProcess(folder / "sandbox", options=["--limits", "published", "--latency", "published"])
    with sandbox:
        environment = prepare(folder, sandbox)
        command = [sys.executable, "-m", "benchmarks.throughput", "--worker", "--seconds", str(seconds)]
        running = [
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(workers)
        ]
        results = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    total = {name: sum(result[name] for result in results) for name in results[0]}
    allowed = EXECUTION * max(1.0, seconds / WINDOW)
    return total | {
        "share of the limit": 100 * total["rows"] * A_ROW / allowed,
        "share of 429": 100 * total["429"] / total["requests"],
    }


def prepare(folder: Path, sandbox: SandboxProcess) -> dict[str, str]:
    """A fresh installation that is connected to `sandbox`; returns its environment."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")},
        "CRMBRIDGE_VAR": str(folder),
        "CRMBRIDGE_EXTRA_CRM_HOSTS": "localhost",
        "REQUESTS_CA_BUNDLE": sandbox.details["ca_file"],
        "LOG_LEVEL": "ERROR",
    }
    for command in (["migrate", "-v0"], ["connect", "--from-file", str(sandbox.folder / "sandbox.json")]):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
        )
    return environment


def work(seconds: int) -> dict[str, float]:
    """Create accounts for `seconds`, and then look whether all that landed are there."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmbridge.settings")
    django.setup()
    from connection.models import CRMConnection

    client = CRMConnection.enabled().client()
    deadline = time.monotonic() + seconds
    landed: list[Any] = []
    failed = 0
    for row, error in created(client, deadline):
        landed += [] if error else [row]
        failed += bool(error)
    figures: dict[str, float] = {"rows": len(landed), "failed": failed}
    figures |= {"requests": client.requests_sent, "429": client.complaints_heard}
    return figures | {"lost": len(landed) - found(client, landed)}


def created(client: Any, deadline: float) -> Iterator[tuple[str, Exception | None]]:
    """The rows that were created until `deadline`, each with its error; rows that were held back are sent again."""
    from connection.dataverse.errors import DuplicateKey, Throttled

    waiting: list[str] = []
    while time.monotonic() < deadline:
        waiting += [str(uuid4()) for _ in range(ROWS_A_CALL - len(waiting))]
        outcomes = client.create_many("account", [{"accountid": row, "name": f"Account {row}"} for row in waiting])
        pauses = [each.error.retry_after or 1 for each in outcomes if isinstance(each.error, Throttled)]
        for row, outcome in zip(waiting, outcomes, strict=True):
            if not isinstance(outcome.error, Throttled):
                yield row, None if isinstance(outcome.error, DuplicateKey) else outcome.error
        waiting = [row for row, each in zip(waiting, outcomes, strict=True) if isinstance(each.error, Throttled)]
        if pauses:
            time.sleep(max(0.0, min(max(pauses), deadline - time.monotonic())))


def found(client: Any, rows: list[str]) -> int:
    """How many of `rows` the CRM has; asked past the limits' window if need be."""
    from uuid import UUID

    from connection.dataverse.errors import Throttled

    number = 0
    for start in range(0, len(rows), 10_000):
        part = [UUID(row) for row in rows[start : start + 10_000]]
        while True:
            try:
                number += len(client.interactive().rows_by_id("account", part, select=["accountid"]))
                break
            except Throttled as error:
                time.sleep(error.retry_after or 5)
    return number


def report(figures: dict[str, float]) -> None:
    """Print the table and write it as JSON."""
    units = {"share of the limit": "%", "share of 429": "%"}
    table = Table(title="What the service protection limits allow", header_style="bold")
    for heading in ("measure", "value", "unit"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}" if name in units else f"{value:,.0f}", units.get(name, ""))
    Console().print(table)
    rows = [{"name": name, "value": round(value, 3), "unit": units.get(name, "")} for name, value in figures.items()]
    path = Path(os.environ.get("CRMBRIDGE_VAR", ROOT / "var")) / "bench-throughput.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
