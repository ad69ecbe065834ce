"""Values as the engine compares them: JSON's own kinds only, each in one canonical form.

Blank is always None, a decimal is its shortest text, a date or time its ISO text in UTC, an id its lower-case text.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

Value = str | int | bool | None


def canonical(raw: object) -> Value:
    """`raw` (from a Django field or a JSON row) in its one canonical form.

    Raises:
        TypeError: a kind of value that no mapping can carry.
    """
    if raw is None or isinstance(raw, bool | int):
        return raw
    if isinstance(raw, str):
        return raw or None
    if isinstance(raw, float | Decimal):
        return decimal_text(Decimal(str(raw)))
    if isinstance(raw, datetime):
        return raw.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(raw, date):
        return raw.isoformat()
    if isinstance(raw, UUID):
        return str(raw)
    raise TypeError(f"A mapping cannot carry a {type(raw).__name__}.")


def decimal_text(number: Decimal) -> str:
    """The shortest text of a decimal: `1500.50` → `1500.5`, `-0` → `0`."""
    text = format(number.normalize(), "f")
    return "0" if text == "-0" else text
