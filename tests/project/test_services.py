"""The services of the tests: used where they answer, started where they do not, named where they are missing."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from tests.project.processes import ROOT

pytestmark = pytest.mark.any_database

SCRIPT = ROOT / "bin" / "with_services.py"


@pytest.fixture
def with_services() -> Any:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("with_services", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REPORT = 'import os; print(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])'
NOWHERE = {"DATABASE_URL": "", "REDIS_URL": ""}


def test_the_command_gets_both_and_its_exit_code_is_passed_on() -> None:
    command = [sys.executable, str(SCRIPT), sys.executable, "-c", f"{REPORT}; raise SystemExit(7)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    postgres, broker = done.stdout.split()

    assert done.returncode == 7
    assert postgres.startswith("postgres://")
    assert redis.Redis.from_url(broker).dbsize() == 0


def test_private_services_are_started_and_stopped(
    with_services: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(with_services, "POSTGRES", "postgres://postgres@127.0.0.1:1/postgres")
    monkeypatch.setattr(with_services, "REDIS", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(with_services.signal, "signal", lambda *arguments: None)
    told = tmp_path / "told"
    code = with_services.main(["sh", "-c", f'echo "$DATABASE_URL $REDIS_URL" > {told}'])
    postgres, broker = told.read_text().split()

    assert code == 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres, connect_timeout=2)
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(broker).ping()


def test_what_is_missing_is_named_where_it_cannot_be_installed(
    with_services: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit) as stopped:
        with_services._install_missing({"chromium": False, "gettext": True, "redis-server": False})

    assert stopped.value.code == 2
    assert "chromium, redis-server." in capsys.readouterr().err
