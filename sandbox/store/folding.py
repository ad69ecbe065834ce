"""How texts compare: without regard to case and accents, as the collation of an English organization does.

Microsoft's list of language collations gives `_CI_AI` for 1033: "cafe" and "Café" are the same word.
"""

import sqlite3
import unicodedata

Value = str | bytes | int | float | None

# Letters that compare as two; others without a decomposition, such as the Norwegian ø, stay themselves.
_EXPANDED = {"æ": "ae", "œ": "oe", "þ": "th"}


class _Letters(dict[int, str]):
    """What each letter compares as, worked out when it is first met; str.translate asks for them one by one."""

    def __missing__(self, code: int) -> str:
        plain = "".join(c for c in unicodedata.normalize("NFKD", chr(code).casefold()) if not unicodedata.combining(c))
        self[code] = "".join(_EXPANDED.get(c, c) for c in plain)
        return self[code]


_LETTERS = _Letters()


def fold(text: str | None) -> str | None:
    """Return the form in which texts that count as equal are the same."""
    if text is None or text.isascii():
        return text and text.lower()
    return text.translate(_LETTERS)


def register(connection: sqlite3.Connection) -> None:
    """Give a connection the SQL function `fold`, which indexes and comparisons share."""
    connection.create_function("fold", 1, _fold, deterministic=True)


def _fold(value: Value) -> Value:
    """Fold texts; what is no text, as a number given for one, stays what it is."""
    return fold(value) if isinstance(value, str) else value


def folded(sql: str) -> str:
    """Return the SQL of a text in the form that compares."""
    return f"fold({sql})"
