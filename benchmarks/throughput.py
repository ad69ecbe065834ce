"""How much of what the CRM's limits allow is used: several processes create accounts in a sandbox with the published
limits and latencies, sharing one budget.

A limit window lasts 300 s. `make bench` scales it: limits and window are a fifth, for the sandbox and for what the
workers take as documented, so that the share of it means the same; everything else, the latencies above all, is as
published. `--long` measures with the published window.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.full_sync import ROOT
from benchmarks.report import Line, Report
from tests.sandbox_process import SandboxProcess

# What the sandbox's published latency charges for a row in CreateMultiple, in seconds.
A_ROW = 0.010
ROWS_A_CALL = 4000


@dataclass(frozen=True)
class Preset:
    """The sandbox's limits by name, how long their window is and what it allows, and how long to measure."""

    limits: str
    window: float
    requests: float
    execution: float
    seconds: int


SHORT = Preset("published-fifth", 60, 1200, 240, 180)
LONG = Preset("published", 300, 6000, 1200, 600)


def add_options(parser: argparse._ArgumentGroup) -> None:
    """How long, and with how many processes."""
    parser.add_argument("--long", action="store_true", help="the published window of 300 s, for 10 minutes")
    parser.add_argument("--workers", type=int, default=2)


def run(options: argparse.Namespace) -> Iterator[Report]:
    """Run the workers against a sandbox of its own."""
    preset = LONG if options.long else SHORT
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), preset, options.workers)
    units = {"share of the limit": "%", "share of 429": "%"}
    lines: list[Line] = [
        {"measure": name, "value": round(value, 2), "unit": units.get(name, name)} for name, value in figures.items()
    ]
    title = f"Limits of {preset.execution:g} s and {preset.requests:g} requests in {preset.window:g} s"
    yield Report(f"{title}: {options.workers} processes for {preset.seconds} s", lines)


def measure(folder: Path, preset: Preset, workers: int) -> dict[str, float]:
    """The figures of one run."""
    sandbox = SandboxProcess(folder / "sandbox", options=["--limits", preset.limits, "--latency", "published"])
    with sandbox:
        environment = prepare(folder, sandbox)
        command = [sys.executable, "-m", "benchmarks.throughput", *map(str, (preset.seconds, preset.window))]
        running = [
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(workers)
        ]
        results = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    total = {name: sum(result[name] for result in results) for name in results[0]}
    allowed = preset.execution * preset.seconds / preset.window
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


def work(seconds: float, window: float) -> dict[str, float]:
    """Create accounts for `seconds`, and then look whether all that landed are there."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmbridge.settings")
    django.setup()
    from connection.models import CRMConnection

    connection = CRMConnection.enabled()
    take_as_documented(connection, window)
    client = connection.client()
    deadline = time.monotonic() + seconds
    landed: list[Any] = []
    failed = 0
    for row, error in created(client, deadline):
        landed += [] if error else [row]
        failed += bool(error)
    figures: dict[str, float] = {"rows": len(landed), "failed": failed}
    figures |= {"requests": client.requests_sent, "429": client.complaints_heard}
    return figures | {"lost": len(landed) - found(client, landed)}


def take_as_documented(connection: Any, window: float) -> None:
    """Have the shared budget begin with the documented limits on the scale of `window`, unless another worker has."""
    from connection.dataverse.budget import DOCUMENTED, WINDOW, Budget
    from connection.models import RequestBudget

    begun = Budget(limits=DOCUMENTED.times(window / WINDOW), window=window)
    RequestBudget.objects.filter(connection=connection).exclude(state__window=window).update(state=begun.to_json())


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


if __name__ == "__main__":
    print(json.dumps(work(*map(float, sys.argv[1:]))))
