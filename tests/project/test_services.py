"""The services of the tests: used where they answer, started where they do not, named where they are missing."""

import importlib.util
import os
import subprocess
import sys
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


NOWHERE = {"DATABASE_URL": "", "REDIS_URL": ""}
# Runs on the services that the script has started, has it use them for another command, and looks what that has left.
OUTER = """
import os, subprocess, sys
import psycopg, redis
named = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
print(*named, flush=True)
code = subprocess.run([sys.executable, sys.argv[1], sys.executable, "-c", sys.argv[2]]).returncode
query = "SELECT datname FROM pg_database WHERE datname LIKE %s"
print(len(psycopg.connect(named[0]).execute(query, [f"{named[0].rpartition('/')[2]}%"]).fetchall()))
print(redis.Redis.from_url(named[1]).dbsize())
raise SystemExit(code)
"""
INNER = """
import os
import psycopg, redis
print(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])
psycopg.connect(os.environ["DATABASE_URL"])
redis.Redis.from_url(os.environ["REDIS_URL"]).set("left", "behind")
raise SystemExit(7)
"""


def test_private_services_are_started_and_stopped_and_those_that_are_named_are_used() -> None:
    command = [sys.executable, str(SCRIPT), sys.executable, "-c", OUTER, str(SCRIPT), INNER]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | NOWHERE)
    (postgres, broker), (own, own_broker), *left = (line.split() for line in done.stdout.splitlines())

    assert done.returncode == 7
    assert own.startswith(f"{postgres}_")
    assert own_broker.rpartition("/")[0] == broker.rpartition("/")[0]
    assert left == [["1"], ["0"]], "the outer command's database is all that there is"
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
