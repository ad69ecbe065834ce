"""contains, startswith, endswith: case and accents do not count, SQL wildcards are alive (dataverse-web-api.md 5.1)."""

import re

from sandbox.query.building import Statement
from sandbox.store.folding import fold, folded

_ESCAPED = re.compile(r"\[([%_\[])\]")
_WILD = frozenset("%_[")
_LAST = chr(0x10FFFF)
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
    starred = text.replace("*", "[*]").replace("?", "[?]")
    return starred.replace("%", "*").replace("_", "?")


def text_test(statement: Statement, sql: str, function: str, text: str) -> str:
    """Return the SQL test that a column contains, starts with or ends with the text."""
    before, after = _AROUND[function]
    sql, text = folded(sql), fold(text) or ""
    if function == "startswith" and text and not _WILD & set(text):
        # A range can be served from an index.
        return f"({sql} >= {statement.bind(text)} AND {sql} < {statement.bind(text + _LAST)})"
    pattern = _like(text)
    if pattern is None:
        return f"{sql} GLOB {statement.bind(_glob(before + text + after))}"
    return f"{sql} LIKE {statement.bind(before + pattern + after)}" + (" ESCAPE '\\'" if "\\" in pattern else "")
