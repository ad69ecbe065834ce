"""The compiled translations that are shipped are those of the texts beside them."""

import gettext
import os
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
def test_every_text_is_translated(source: Path, tmp_path: Path) -> None:
    command: list[str | Path] = ["msgfmt", "--statistics", "-o", tmp_path / "compiled.mo", source]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"})

    assert "untranslated" not in done.stderr
    assert "fuzzy" not in done.stderr


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parts[-3])
def test_compiled_messages_are_in_step(source: Path, tmp_path: Path) -> None:
    subprocess.run(["msgfmt", "--check-format", "-o", tmp_path / "compiled.mo", source], check=True)

    assert catalog(tmp_path / "compiled.mo") == catalog(source.with_suffix(".mo"))
