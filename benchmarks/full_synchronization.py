"""A full synchronization of 20 000 customers and as many contacts on PostgreSQL and Redis, as an operator runs it: by
1, 2 and 4 worker processes side by side in one run, and once more while a worker is killed every ten seconds.

Each case begins with an empty CRM, a fresh database and an empty broker (`bin/with_services.py`). What both sides hold
in the end is read without the engine and compared row by row with the first case, which nobody disturbed.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.crew import crew
from benchmarks.report import Line, Report
from benchmarks.throughput import LONG, SHORT, Preset
from tests.sandbox_process import ROOT, SandboxProcess

Figures = dict[str, float]
PRESETS = {preset.limits: preset for preset in (SHORT, LONG)}
UNITS = {
    "time": "s",
    "records": "",
    "records per second": "1/s",
    "requests": "",
    "share of the limit": "%",
    "429": "",
    "peak memory per worker": "MiB",
    "workers killed": "",
    "rows that differ": "",
}


def add_options(parser: argparse._ArgumentGroup) -> None:
    """How much, by how many, and how badly disturbed."""
    parser.add_argument("--records", type=int, default=20_000, help="customers, and contacts (%(default)s)")
    parser.add_argument("--crews", type=int, nargs="+", default=[1, 2, 4], help="worker processes (%(default)s)")
    parser.add_argument("--kill-every", type=float, default=10, help="seconds between kills (%(default)s); 0: none")
    parser.add_argument("--kill-seed", type=int, help="chooses whom; at random, and printed, where it is not given")
    parser.add_argument("--sandbox-limits", choices=PRESETS, default=SHORT.limits)
    parser.add_argument("--most-seconds", type=float, default=3600, help="a case that takes longer has failed")


def run(options: argparse.Namespace) -> Iterator[Report]:
    """Run the cases one after the other against one sandbox, emptied before each."""
    seed = options.kill_seed if options.kill_seed is not None else secrets.randbelow(10**6)
    cases: dict[str, tuple[int, float]] = {_named(size): (size, 0) for size in options.crews}
    if options.kill_every:
        cases["killed"] = (options.crews[min(1, len(options.crews) - 1)], options.kill_every)
    with tempfile.TemporaryDirectory() as folder:
        columns = dict(_measured(Path(folder), cases, seed, options))
    lines: list[Line] = [
        {"measure": name, **{case: round(column[name], 1) for case, column in columns.items()}, "unit": unit}
        for name, unit in UNITS.items()
    ]
    title = f"Full synchronization of {options.records} customers and {options.records} contacts"
    killing = "no kills"
    if options.kill_every:
        killing = f"killed: {cases['killed'][0]} workers, one every {options.kill_every:g} s, --kill-seed {seed}"
    yield Report(f"{title} ({options.sandbox_limits}; {killing})", lines)


def _named(size: int) -> str:
    return f"{size} worker{'s' if size > 1 else ''}"


def _measured(
    folder: Path, cases: Mapping[str, tuple[int, float]], seed: int, options: argparse.Namespace
) -> Iterator[tuple[str, Figures]]:
    preset = PRESETS[options.sandbox_limits]
    first: dict[str, Any] = {}
    with SandboxProcess(folder / "sandbox", options=["--limits", preset.limits, "--latency", "published"]) as sandbox:
        for name, (size, kill_every) in cases.items():
            sandbox.reset(empty=True)
            order = {"records": options.records, "size": size, "kill_every": kill_every, "seed": seed}
            order |= {"window": preset.window, "most_seconds": options.most_seconds}
            figures, state = _run_case(folder / name.replace(" ", ""), sandbox, order)
            first = first or state
            yield name, figures | _of_the_limits(sandbox, preset, figures["time"]) | _differences(first, state)


def _run_case(folder: Path, sandbox: SandboxProcess, order: Mapping[str, Any]) -> tuple[Figures, dict[str, Any]]:
    """A case in a process of its own, whose environment names fresh services; its figures, and what came of it."""
    folder.mkdir()
    environment = os.environ | {
        "CRMBRIDGE_VAR": str(folder),
        "CRMBRIDGE_EXTRA_CRM_HOSTS": "localhost",
        "REQUESTS_CA_BUNDLE": sandbox.details["ca_file"],
        "SANDBOX_FILE": str(sandbox.folder / "sandbox.json"),
        "LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "bin/with_services.py", sys.executable, "-m", __name__, json.dumps(order)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    done = json.loads((folder / "case.json").read_text())
    return done["figures"], done["state"]


def _of_the_limits(sandbox: SandboxProcess, preset: Preset, seconds: float) -> Figures:
    """What the sandbox counted. The set-up and the comparison, which are few requests, are among it."""
    seen = sandbox.protection()
    allowed = preset.execution * max(1.0, seconds / preset.window)
    return {
        "requests": sandbox.calls()["requests"],
        "share of the limit": 100 * seen["execution"] / allowed,
        "429": seen["refused"],
    }


def _differences(first: Mapping[str, Any], state: Mapping[str, Any]) -> Figures:
    """How many records of either side, couplings included, are not what they are in the first case."""
    names = {(table, key) for each in (first, state) for table in each for key in each[table]}
    differing = [(table, key) for table, key in names if first[table].get(key) != state[table].get(key)]
    return {"rows that differ": len(differing)}


# From here on: the case's own process.


def case(order: Mapping[str, Any]) -> dict[str, Any]:
    """Make the company, synchronize it, and tell what that took and what came of it."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmbridge.settings")
    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import User

    from sync.fullsync import prepare, start
    from sync.models import FullSynchState

    _make_company(order["records"], order["window"])
    user = User.objects.create_superuser("bench")
    with crew(order["size"], settings.VAR_DIR / "worker.log", order["seed"]) as workers:
        full = prepare(user)
        full.lines.exclude(recommendation="nothing").update(recommendation="full")
        began = time.monotonic()
        start(full, user)

        def is_done() -> bool:
            full.refresh_from_db()
            return full.state != FullSynchState.RUNNING

        workers.watch(is_done, order["most_seconds"], order["kill_every"] or None)
        figures = {"time": time.monotonic() - began, "peak memory per worker": workers.peak}
        figures["workers killed"] = workers.kills
    if full.state != FullSynchState.FINISHED:
        raise RuntimeError(f"It ended as {full.state}: {[str(line.entry) for line in full.lines.all()]}")
    return {"figures": figures | _throughput(figures["time"]), "state": _end_state()}


def _throughput(seconds: float) -> Figures:
    from sync.models import COUNTERS, SynchJob

    jobs = list(SynchJob.objects.all())
    read = sum(job.read for job in jobs)
    if read != sum(getattr(job, name) for job in jobs for name in COUNTERS):
        raise RuntimeError("A record was counted in no column, or in two (I12).")
    return {"records": read, "records per second": read / seconds}


def _make_company(records: int, window: float) -> None:
    """A company with one contact a customer, connected to a CRM that has its salespeople and nothing else."""
    from django.core.management import call_command

    from connection.models import CRMConnection
    from crmbridge.demo.crm_side import seed_users
    from financials.models import Contact, Customer

    call_command("migrate", verbosity=0)
    call_command("seed_financials", "--customers", str(records), verbosity=0)
    Contact.objects.exclude(no__in=Customer.objects.values("primary_contact_no")).delete()
    call_command("connect", "--from-file", os.environ["SANDBOX_FILE"], verbosity=0)
    call_command("use_default_setup", verbosity=0)
    connection = CRMConnection.enabled()
    _take_as_documented(connection, window)
    seed_users(connection.client())


def _take_as_documented(connection: Any, window: float) -> None:
    """Have the shared budget begin with the documented limits on the scale of `window`."""
    from connection.budgets import budget_of
    from connection.dataverse.budget import DOCUMENTED, WINDOW, Amount, Budget, Slice

    begun = Budget(limits=DOCUMENTED.times(window / WINDOW), window=window)
    budget_of(connection).exchange(lambda _: (begun, Slice(Amount(0, 0), 1, 0, 0)))


def _end_state() -> dict[str, Any]:
    """What both sides hold, by what stays the same from run to run; whatever does not agree is an entry of its own."""
    from connection.models import CRMConnection
    from coupling.models import Coupling
    from crmbridge.demo.agreement import CRMFacts, ERPFacts, disagreements

    client = CRMConnection.enabled().client()
    erp, crm = ERPFacts(), CRMFacts(client)
    partner = {str(crm_id): str(erp_id) for erp_id, crm_id in Coupling.objects.values_list("erp_id", "crm_id")}
    sides: dict[str, Mapping[Any, Any]] = {
        "customers": erp.customers(),
        "contacts": erp.contacts(),
        "accounts": {partner.get(str(key), key): facts for key, facts in crm.accounts().items()},
        "people": {partner.get(str(key), key): facts for key, facts in crm.contacts().items()},
        "disagreements": {text: {} for text in disagreements(client)},
    }
    return {table: {str(key): facts for key, facts in side.items()} for table, side in sides.items()}


if __name__ == "__main__":
    outcome = case(json.loads(sys.argv[1]))
    (Path(os.environ["CRMBRIDGE_VAR"]) / "case.json").write_text(json.dumps(outcome))
