"""The Makefile explains itself and says what it lacks."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project.processes import ROOT

pytestmark = pytest.mark.any_database

PROMISED = ("help", "install", "demo", "run", "test", "lint", "types", "bench", "messages", "clean")


def make(*arguments: str, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_make_alone_lists_what_can_be_made() -> None:
    told = make().stdout

    assert [name for name in PROMISED if not re.search(rf"make {name} +\S", told)] == []


def test_a_python_that_is_too_old_is_named_as_the_reason(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    done = make("install", "PYTHON=", folder=tmp_path)

    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr


def test_ci_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert "exec make test" in script.read_text()
