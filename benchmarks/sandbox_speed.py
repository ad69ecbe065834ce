"""How fast the sandbox itself is when a table is large: pages of 5 000 rows and CreateMultiple of 100.

The rows come in through the door, by CreateMultiple; a folder that already holds enough is used as it is
(`--rows 1000000 --folder var/bench-sandbox`). Server time is what the sandbox charges against its limits, told in a
header. It also passes while other processes have the cores; the fastest tenth and the processor time tell what the work
itself takes.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

from requests import Response

from benchmarks.report import Line, Report
from tests.sandbox_process import SandboxProcess, SandboxSession

A_FILL = 1000
FILLERS = 3
LEFT = "x-ms-ratelimit-time-remaining-xrm-requests"
TWELVE = (
    "name,accountnumber,telephone1,emailaddress1,address1_line1,address1_city,address1_postalcode,revenue,"
    "numberofemployees,creditonhold,paymenttermscode,description"
)


def add_options(parser: argparse._ArgumentGroup) -> None:
    """How large the table is, and where it is kept."""
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, help="keep the sandbox there, for another run")


def run(options: argparse.Namespace) -> Iterator[Report]:
    """Fill a sandbox and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        kept = (options.folder or Path(folder)).resolve()
        with SandboxProcess(kept) as sandbox:
            filling = fill(sandbox, options.rows)
        with SandboxProcess(kept, options=["--limits", "published"]) as sandbox:
            lines = list(measure(sandbox))
    yield Report(f"The sandbox with {options.rows:,} accounts, {filling}: server time", lines)


def fill(sandbox: SandboxProcess, rows: int) -> str:
    """Create accounts until there are `rows`, and say how long that took.

    The calls of several threads overlap, so that the writer never waits.
    """
    found = sandbox.session()("GET", 'RetrieveTotalRecordCount(EntityNames=@p1)?@p1=["account"]').json()
    there = found["EntityRecordCountCollection"]["Values"][0]
    started = time.monotonic()
    sessions = [sandbox.session() for _ in range(FILLERS)]
    with ThreadPoolExecutor(FILLERS) as pool:
        starts = range(there, rows, A_FILL)
        calls = [pool.submit(create, sessions[i % FILLERS], start, A_FILL) for i, start in enumerate(starts)]
        for call in calls:
            call.result()
    took = time.monotonic() - started
    return f"{max(rows - there, 0):,} of them created in {took:.0f} s"


def create(session: SandboxSession, start: int, count: int) -> Response:
    """Create `count` accounts that look like a company's customers in one call."""
    targets = [account(number) for number in range(start, start + count)]
    answer = session("POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", {"Targets": targets})
    answer.raise_for_status()
    return answer


def account(number: int) -> dict[str, Any]:
    """The account with a number: twelve columns are filled, the others are left to the service."""
    return {
        "@odata.type": "Microsoft.Dynamics.CRM.account",
        "accountid": str(uuid4()),
        "name": f"Kunde {number} AS",
        "accountnumber": f"K{number}-{uuid4().hex[:8]}",
        "telephone1": f"+47 55 {number % 1_000_000:06}",
        "emailaddress1": f"post{number}@example.com",
        "address1_line1": f"Storgata {number % 200}",
        "address1_city": ("Bergen", "Tromsø", "Oslo")[number % 3],
        "address1_postalcode": f"{number % 9999:04}",
        "revenue": 1000.5 + number,
        "numberofemployees": number % 500,
        "creditonhold": number % 7 == 0,
        "paymenttermscode": 1,
        "description": "Customer since long ago.",
    }


def measure(sandbox: SandboxProcess) -> Iterator[Line]:
    """What each kind of call costs the server."""
    numbers = iter(range(10_000_000, 20_000_000, 100))
    meter = Meter(sandbox)
    yield meter.line("page of 5 000 rows, all columns", Pages("accounts"), 30)
    yield meter.line("page of 5 000 rows, 12 columns", Pages(f"accounts?$select={TWELVE}"), 60)
    yield meter.line("CreateMultiple of 100 rows", lambda session: create(session, next(numbers), 100), 200)


class Meter:
    """Asks a sandbox, and measures what that costs it."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox, self.session = sandbox, sandbox.session()

    def line(self, measure: str, ask: Callable[[SandboxSession], Response], times: int) -> Line:
        """The milliseconds of one kind of call: on the clock, and of processor time, which includes TLS."""
        self.left(ask)
        before = self.sandbox.processor_seconds()
        left = [self.left(ask) for _ in range(times + 1)]
        worked = (self.sandbox.processor_seconds() - before) / len(left)
        seconds = [before - after for before, after in pairwise(left)]
        figures = {
            "fastest tenth": statistics.quantiles(seconds, n=10)[0],
            "median": statistics.median(seconds),
            "mean": statistics.mean(seconds),
            "processor": worked,
        }
        return {"measure": measure, **{name: round(1000 * figure, 1) for name, figure in figures.items()}, "unit": "ms"}

    def left(self, ask: Callable[[SandboxSession], Response]) -> float:
        """The seconds that the limits still allow after a call."""
        return float(ask(self.session).headers[LEFT])


class Pages:
    """Reads page after page of a query, each time the next one, and begins anew after the last."""

    def __init__(self, query: str) -> None:
        self.query = self.address = query

    def __call__(self, session: SandboxSession) -> Response:
        """Return the next page."""
        answer = session("GET", self.address)
        answer.raise_for_status()
        self.address = answer.json().get("@odata.nextLink", self.query)
        return answer
