"""The settings need nothing at first, insist on everything in production, and are documented."""

import re
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.project.processes import ROOT, environment, manage, run_code

pytestmark = pytest.mark.any_database

NAMED = re.compile(r"""(?:env\.\w+|secret)\(\s*"([A-Z_]+)\"""")
PRODUCTION = {
    "CRMBRIDGE_ENV": "production",
    "SECRET_KEY": "f6Yw0v2nq1mX8r3T5uJ9sL7kP4aB0cD6eG2hZ1xW8yQ5tR3oN7",
    "CRMBRIDGE_FERNET_KEYS": Fernet.generate_key().decode(),
    "ALLOWED_HOSTS": "crm.example.com",
    "CRMBRIDGE_SITE_ADDRESS": "https://crm.example.com",
}


def test_without_any_environment_secrets_are_made_once_for_their_owner_only(tmp_path: Path) -> None:
    assert manage("check", env=environment(tmp_path)).returncode == 0
    secrets = sorted(tmp_path.glob("*.secret"))
    first = [path.read_text() for path in secrets]
    assert manage("check", env=environment(tmp_path)).returncode == 0

    assert [path.name for path in secrets] == ["crmbridge_fernet_keys.secret", "secret_key.secret"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert [path.read_text() for path in secrets] == first


@pytest.mark.parametrize("missing", ["SECRET_KEY", "CRMBRIDGE_FERNET_KEYS"])
def test_production_refuses_to_start_without_its_secrets(tmp_path: Path, missing: str) -> None:
    given = {name: value for name, value in PRODUCTION.items() if name != missing}
    done = manage("check", env=environment(tmp_path, **given))

    assert done.returncode != 0
    assert f"Set {missing}" in done.stderr
    assert not list(tmp_path.glob("*.secret"))


def test_production_is_told_from_another_also_where_nobody_named_it(tmp_path: Path) -> None:
    """Else safe mode would take a copy of its database for the real one."""
    nameless = {name: value for name, value in PRODUCTION.items() if name != "CRMBRIDGE_SITE_ADDRESS"}

    def installation(folder: str, **given: str) -> str:
        ask = "from django.conf import settings; print(settings.INSTALLATION)"
        return run_code(ask, env=environment(tmp_path / folder, **given))

    assert installation("here", **nameless) != installation("there", **nameless)
    assert installation("here", **PRODUCTION) == installation("there", **PRODUCTION)
    done = manage("check", "--deploy", "--fail-level", "WARNING", env=environment(tmp_path / "here", **nameless))
    assert done.returncode != 0
    assert "Set CRMBRIDGE_SITE_ADDRESS" in done.stderr


def test_secrets_may_come_from_files(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(PRODUCTION["SECRET_KEY"] + "\n")
    given = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}

    assert manage("check", env=environment(tmp_path, **given, SECRET_KEY_FILE=str(key))).returncode == 0


def test_the_readme_names_every_variable() -> None:
    variables = set(NAMED.findall((ROOT / "crmbridge" / "settings.py").read_text()))
    readme = (ROOT / "README.md").read_text()

    assert len(variables) > 10
    assert [name for name in sorted(variables) if f"`{name}`" not in readme] == []


def test_the_readme_s_production_settings_pass_the_check_of_deployment(tmp_path: Path) -> None:
    block = (ROOT / "README.md").read_text().partition("### Production")[2].partition("```sh\n")[2].partition("```")[0]
    shown = dict(line.split("#")[0].strip().split("=", 1) for line in block.splitlines() if "=" in line.split("#")[0])
    given = shown | {name: PRODUCTION[name] for name in ("SECRET_KEY", "CRMBRIDGE_FERNET_KEYS")}
    done = manage("check", "--deploy", "--fail-level", "WARNING", env=environment(tmp_path) | given)

    assert done.returncode == 0, done.stderr
