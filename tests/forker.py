"""Starts commands of `manage.py` within moments, again and again, in processes that can be killed like any other."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.sandbox_process import ROOT

# Nothing is connected yet when it forks, so a child has nothing of another's.
PROGRAM = """
import json, os, sys, traceback
from django.core.management import execute_from_command_line, get_commands, load_command_class
load_command_class(get_commands()["synchronize"], "synchronize")
for line in sys.stdin:
    log, *command = json.loads(line)
    child = os.fork()
    if not child:
        output, code = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1
        os.dup2(output, 1), os.dup2(output, 2)
        try:
            execute_from_command_line(["manage.py", *command])
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forker:
    """A process that has everything loaded, and forks for each command."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process = process
        self._log = log

    def start(self, *command: str) -> int:
        """Start a command and return its process id; `ended` has to come before the next."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([str(self._log), *command]) + "\n")
        self._process.stdin.flush()
        return self._next_number()

    def ended(self) -> int:
        """Wait for the end of the command; return its exit code, or the negative number of what killed it."""
        return self._next_number()

    def run(self, *command: str) -> str:
        """Run a command to its end and return what it printed."""
        self.start(*command)
        code = self.ended()
        said = self._log.read_text()
        assert code == 0, said
        return said

    def run_code(self, code: str) -> str:
        """Run Python code to its end and return what it printed."""
        return self.run("shell", "--no-imports", "-c", code)

    def kill(self, pid: int) -> int:
        """Kill a command without warning; return its exit code, which tells whether it had ended before."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return self.ended()

    def _next_number(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())


@contextmanager
def forker(env: Mapping[str, str], log: Path) -> Iterator[Forker]:
    """A forker for as long as the block lasts. What its commands print is in `log`."""
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", PROGRAM]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Forker(process, log)
