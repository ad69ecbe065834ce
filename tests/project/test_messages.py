"""The compiled translations that are shipped are those of the texts beside them."""

import gettext
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project.processes import ROOT

pytestmark = pytest.mark.any_database

SOURCES = sorted((ROOT / "locale").glob("*/LC_MESSAGES/*.po"))


def catalog(path: Path) -> dict[object, str]:
    with path.open("rb") as file:
        translations = gettext.GNUTranslations(file)
    found: dict[object, str] = translations._catalog  # type: ignore[attr-defined]  # there is no public way to list it
    return {key: text for key, text in found.items() if key != ""}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parts[-3])
def test_compiled_messages_are_in_step(source: Path, tmp_path: Path) -> None:
    program = shutil.which("msgfmt")
    assert program, "gettext is not installed; make test installs it"
    subprocess.run([program, "--check-format", "-o", tmp_path / "compiled.mo", source], check=True)

    assert catalog(tmp_path / "compiled.mo") == catalog(source.with_suffix(".mo"))
