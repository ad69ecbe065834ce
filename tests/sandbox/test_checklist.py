"""The checklist in docs/sandbox.md leaves out no chapter of the protocol reference, and names tests that exist."""

import re
from pathlib import Path

import pytest

CHECKLIST = (Path(__file__).resolve().parents[2] / "docs" / "sandbox.md").read_text()
# How many numbered sections each chapter of dataverse-web-api.md has.
SECTIONS = {1: 5, 2: 6, 3: 6, 4: 9, 5: 5, 6: 3, 8: 3, 9: 2, 13: 4, 14: 2, 16: 4, 17: 3}
WHOLE = (7, 10, 11, 12, 15)


@pytest.mark.parametrize("number", [f"{chapter}.{n}" for chapter, last in SECTIONS.items() for n in range(1, last + 1)])
def test_every_section_has_a_verdict(number: str) -> None:
    rows = re.findall(rf"^\| {re.escape(number)} [^|]+\| ([^|]+)\|$", CHECKLIST, re.MULTILINE)
    assert rows, "a row that begins with the number"
    assert all(verdict.strip() for verdict in rows)


@pytest.mark.parametrize("chapter", WHOLE)
def test_every_undivided_chapter_has_rows(chapter: int) -> None:
    heading = rf"^## (?:\d+(?:, | to ))*{chapter}\b|^## 6 to 8\b" if chapter == 7 else rf"^## (?:\d+, )?{chapter}\b"
    assert re.search(heading, CHECKLIST, re.MULTILINE)


def test_the_named_tests_exist() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", CHECKLIST))
    there = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    assert named <= there
    assert there - named <= {"test_checklist.py", "test_pages.py"}, "the pages speak no protocol"
