"""JSON as the CRM speaks it (dataverse-web-api.md 4.7): decimals exact in both directions. Pure."""

import json
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from connection.dataverse.errors import NotDataverse, Unsendable
from connection.dataverse.query import utc

# A decimal that a float cannot hold travels through the encoder as a marked string and loses its quotes at the end.
_MARK = "\ue000"
_MARKED = re.compile(rf'"{_MARK}(-?[0-9][0-9.]*){_MARK}"')


def encode(value: Any) -> bytes:
    """`value` as JSON; takes Decimal, UUID, date and aware datetime besides what JSON knows.

    Raises Unsendable for another kind of value, a number that is none, and text that is no Unicode.
    """
    try:
        text = json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return _MARKED.sub(r"\1", text).encode() if _MARK in text else text.encode()
    except (TypeError, ValueError) as error:
        # A UnicodeEncodeError's own text would show the value.
        raise Unsendable(technical=getattr(error, "reason", None) or str(error)) from None


def decode(content: bytes) -> dict[str, Any]:
    """The JSON object in `content`, numbers with decimals as Decimal. Raises NotDataverse for anything else."""
    try:
        value = json.loads(content, parse_float=Decimal)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NotDataverse(technical=content[:200].decode("utf-8", "replace"))
    return value


def _plain(value: Any) -> str | float:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("not a number")
        near = float(value)
        return near if Decimal(repr(near)) == value else f"{_MARK}{value:f}{_MARK}"
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be sent to the CRM")
