"""The worker keeps a cluster running and leaves nothing behind, whatever ends it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installations import Template
from tests.project.processes import managing, wait_until, working_in

pytestmark = pytest.mark.any_database


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def worker(template: Template, tmp_path: Path, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A running worker with a cluster that is ready for work."""
    with (
        template.installation(tmp_path / "var") as env,
        managing("worker", "--grace", "10", env=env, log=log) as process,
    ):
        wait_until(lambda: "running." in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_worker_ends_in_order_and_leaves_no_process(
    worker: "subprocess.Popen[bytes]", tmp_path: Path, log: Path, number: signal.Signals
) -> None:
    worker.send_signal(number)

    assert worker.wait(200) == 0
    assert "has stopped" in log.read_text()
    assert not working_in(tmp_path)


def test_a_crashed_cluster_is_started_again(worker: "subprocess.Popen[bytes]", tmp_path: Path, log: Path) -> None:
    (leader,) = (pid for pid, line in working_in(tmp_path).items() if "qcluster" in line and os.getpgid(pid) == pid)
    os.kill(leader, signal.SIGKILL)

    wait_until(lambda: log.read_text().count("running.") == 2)
    assert "exit code -9; starting it again" in log.read_text()
    worker.terminate()
    assert worker.wait(200) == 0
    assert not working_in(tmp_path)


def test_a_killed_worker_takes_its_cluster_along(worker: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    worker.kill()
    worker.wait()

    wait_until(lambda: not working_in(tmp_path))
