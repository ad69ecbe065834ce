"""contains, startswith, endswith: case-insensitive, with SQL wildcards alive in the text (dataverse-web-api.md 5.1)."""

import re

from sandbox.query.building import Statement

_ESCAPED = re.compile(r"\[([%_\[])\]")
_AROUND = {"contains": ("%", "%"), "startswith": ("", "%"), "endswith": ("%", "")}


def _like(text: str) -> str | None:
    """Return the text as a LIKE pattern with `\\` as escape, or None when it holds a set such as `[a-c]`."""
    pieces = _ESCAPED.split(text.replace("\\", "\\\\"))
    plain, escaped = pieces[0::2], pieces[1::2]
    if any("[" in piece for piece in plain):
        return None
    marks = ["[" if mark == "[" else f"\\{mark}" for mark in escaped]
    return "".join(piece + mark for piece, mark in zip(plain, [*marks, ""], strict=True))


def _glob(text: str) -> str:
    """Return the text as a GLOB pattern, which knows sets."""
    starred = text.lower().replace("*", "[*]").replace("?", "[?]")
    return starred.replace("%", "*").replace("_", "?")


def text_test(statement: Statement, sql: str, function: str, text: str) -> str:
    """Return the SQL test that a column contains, starts with or ends with the text."""
    before, after = _AROUND[function]
    pattern = _like(text)
    if pattern is None:
        return f"lower({sql}) GLOB {statement.bind(_glob(before + text + after))}"
    parameter = statement.bind(before + pattern + after)
    # Without ESCAPE SQLite can serve `startswith` from an index.
    return f"{sql} LIKE {parameter}" + (" ESCAPE '\\'" if "\\" in pattern else "")
