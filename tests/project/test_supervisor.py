"""A program that keeps crashing is started with growing pauses, and at last given up."""

import sys
import time

import pytest

from crmbridge.supervisor import LONGEST_PAUSE, MOST_CRASHES, STEADY_AFTER, Program, supervise
from tests.project.processes import wait_until

pytestmark = pytest.mark.any_database

CRASHING = [sys.executable, "-c", "raise SystemExit(3)"]


def crash(program: Program, now: float) -> None:
    program.tend(max(now, program.start_at))
    wait_until(lambda: program.process is None or program.process.exit_code is not None)
    program.tend(now)


def test_pauses_between_crashes_double_up_to_the_longest() -> None:
    program = Program("It", CRASHING)
    pauses = []
    now = time.monotonic()
    for _ in range(MOST_CRASHES):
        crash(program, now)
        pauses.append(program.start_at - now)

    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE])


def test_a_crash_after_a_steady_run_counts_as_the_first() -> None:
    program = Program("It", CRASHING, crashes=5)
    now = time.monotonic()
    program.tend(now)
    wait_until(lambda: program.process and program.process.exit_code is not None)
    program.tend(now + STEADY_AFTER + 1)

    assert program.crashes == 1


def test_a_hopeless_program_ends_the_supervisor_with_an_error() -> None:
    assert supervise([Program("It", CRASHING, crashes=MOST_CRASHES - 1)], grace=1) == 1
