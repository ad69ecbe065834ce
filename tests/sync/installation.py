"""An installation of its own for tests that kill processes, so that nothing of it survives in the test's database."""

import subprocess
import sys

from tests.sandbox_process import ROOT


def manage(environment: dict[str, str], *command: str) -> str:
    """Run a management command to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
