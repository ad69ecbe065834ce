"""Builds OData queries (dataverse-web-api.md 5): literals, filters, addresses. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

# Characters that a query may carry as they are; everything else is percent-encoded ("+" would be read as a space).
_SAFE = "$'(),=/:@!*;-._~"
# Inside a key, these would end it.
_SAFE_IN_KEY = "$':@!*;-._~"
# A GET inside a $batch takes 65 536 characters (dataverse-web-api.md 5.5); the rest is room for $select and the host.
_LIST_ROOM = 50_000
MOST_VALUES = 500


def literal(value: Any) -> str:
    """`value` as an OData literal: `'O''Brien'`, bare GUIDs, UTC times, `true`, `null`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal | UUID):
        return str(value)
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, date):
        return value.isoformat()
    return "'{}'".format(str(value).replace("'", "''"))


def key_of(values: Mapping[str, Any]) -> str:
    """An alternate key as it stands in an address: `accountnumber='D-1',name='O''Brien'`, percent-encoded."""
    return ",".join(f"{name}={quote(literal(value), safe=_SAFE_IN_KEY)}" for name, value in values.items())


def utc(moment: datetime) -> str:
    """An aware `moment` as the CRM writes times, to the microsecond where it has any."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def is_in(column: str, values: Iterable[Any]) -> str:
    """A filter for rows whose `column` is one of `values`; the CRM takes the values as strings whatever their type."""
    words = [utc(value) if isinstance(value, datetime) else str(value) for value in values]
    listed = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    return f"Microsoft.Dynamics.CRM.In(PropertyName='{column}',PropertyValues={listed})"


def both(*filters: str | None) -> str | None:
    """The filters that are given, joined with `and`."""
    given = [condition for condition in filters if condition]
    return " and ".join(f"({condition})" for condition in given) if len(given) > 1 else next(iter(given), None)


def query(path: str, **options: str | int | None) -> str:
    """`path?$select=…&$filter=…` from `select=…, filter=…`; options that are None or empty are left out."""
    given = [f"${name}={quote(str(value), safe=_SAFE)}" for name, value in options.items() if value not in (None, "")]
    return f"{path}?{'&'.join(given)}" if given else path


def chunks_of_values(values: Sequence[Any], *, most: int = MOST_VALUES) -> Iterator[list[Any]]:
    """`values` in lists that fit an `In(…)` filter inside a `$batch`: at most `most`, and within the URL limit."""
    chunk: list[Any] = []
    room = _LIST_ROOM
    for value in values:
        needed = len(quote(str(value), safe=_SAFE)) + 9
        if chunk and (len(chunk) == most or needed > room):
            yield chunk
            chunk, room = [], _LIST_ROOM
        chunk.append(value)
        room -= needed
    if chunk:
        yield chunk
