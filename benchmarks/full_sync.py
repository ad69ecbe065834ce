"""10 000 customers to the CRM: crmbridge against the official SDK's bulk create of the same rows, in one run.

Each contender is a process of its own, with its own wall time, CPU time and peak memory; both meet the same sandbox
process, emptied before each. The SDK only writes rows; crmbridge also keeps couplings and history.
Once the CRM costs no time at all, once it takes the time that Microsoft's own samples report.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.report import Line, Report
from tests.sandbox_process import SandboxProcess

ROOT = Path(__file__).resolve().parent.parent
MEASURES = {"wall": "s", "cpu": "s", "requests": "requests", "memory": "MiB"}


def add_options(parser: argparse._ArgumentGroup) -> None:
    """How much is measured."""
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)


def run(options: argparse.Namespace) -> Iterator[Report]:
    """Run both contenders alternately, on a CRM without and with latency, and report the medians."""
    yield bare(options.customers, options.rounds)
    yield real(options.customers)


def bare(customers: int, rounds: int) -> Report:
    """The CRM answers as fast as this machine can: what is left is our own work."""
    return compare("a CRM that costs no time", customers, rounds, [])


def real(customers: int) -> Report:
    """The CRM takes the time that Microsoft's own samples report."""
    return compare("a CRM with the published latency", customers, 1, ["--latency", "published"])


def compare(crm: str, customers: int, rounds: int, sandbox: list[str]) -> Report:
    """Compete, and compare the medians."""
    with tempfile.TemporaryDirectory() as folder:
        figures = compete(Path(folder), customers, rounds, sandbox)
    ours, theirs = median(figures["crmbridge"]), median(figures["sdk"])
    rows = [row(name, unit, ours[name], theirs[name]) for name, unit in MEASURES.items()]
    per_record = ours["requests"] / customers
    rows.append(row("requests per record", "requests", per_record, theirs["requests"] / customers))
    return Report(f"{customers} customers to {crm}, median of {rounds}", rows)


def compete(folder: Path, customers: int, rounds: int, options: list[str]) -> dict[str, list[dict[str, float]]]:
    """The figures of every round by contender."""
    figures: dict[str, list[dict[str, float]]] = {"sdk": [], "crmbridge": []}
    with SandboxProcess(folder / "sandbox", options=options) as sandbox:
        for number in range(rounds):
            environment = prepare(folder / f"round{number}", sandbox, customers)
            for contender, results in figures.items():
                sandbox.reset()
                results.append(measure(contender, environment))
    return figures


def prepare(folder: Path, sandbox: SandboxProcess, customers: int) -> dict[str, str]:
    """A fresh installation of crmbridge with its customers, connected and mapped; returns its environment."""
    folder.mkdir(parents=True)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "CRMBRIDGE_VAR": str(folder),
        "CRMBRIDGE_EXTRA_CRM_HOSTS": "localhost",
        "REQUESTS_CA_BUNDLE": sandbox.details["ca_file"],
        "SANDBOX": json.dumps(sandbox.details),
    }
    (folder / "sandbox.json").write_text(json.dumps(sandbox.details))
    sandbox.reset()
    for command in (
        ["migrate", "-v0"],
        ["seed_financials", "--customers", str(customers)],
        ["connect", "--from-file", str(folder / "sandbox.json")],
        ["use_default_setup"],
    ):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
        )
    return environment


def measure(contender: str, environment: Mapping[str, str]) -> dict[str, float]:
    """One round of one contender, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.contenders", contender],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def median(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The middle figure of each measure."""
    return {name: statistics.median(each[name] for each in rounds) for name in MEASURES}


def row(name: str, unit: str, value: float, baseline: float) -> Line:
    """One line of the table."""
    ratio = round(value / baseline, 3) if baseline else None
    ours, theirs = round(value, 4), round(baseline, 4)
    return {"measure": name, "crmbridge": ours, "official SDK": theirs, "unit": unit, "ratio": ratio}
