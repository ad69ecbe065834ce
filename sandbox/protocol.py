"""A request and an answer without any server around them, so that `$batch` sends its parts through the same code."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from sandbox.errors import DataverseError, bad_request
from sandbox.query.options import Options, parse_options, parse_query, split_top_level

JSON_TYPE = "application/json; odata.metadata=minimal"
SERVICE_PATH = re.compile(r"/api/data/v9\.\d+(?:/|$)")
MAX_PAGE = 5000
MAX_URL = 32_768
_PREFERENCE = re.compile(r"([\w.\-]+)\s*(?:=\s*(\"[^\"]*\"|[^,;\s]+))?")


@dataclass(frozen=True, slots=True)
class Preferences:
    """What `Prefer` asks for (dataverse-web-api.md 1.3)."""

    representation: bool = False
    annotations: tuple[str, ...] = ()
    page_size: int | None = None
    track_changes: bool = False
    continue_on_error: bool = False
    applied: str = ""

    @classmethod
    def parse(cls, header: str) -> "Preferences":
        """Read one header or several joined by commas. Raises DataverseError (400) for a bad page size."""
        found = {name.lower(): value.strip('"') for name, value in _PREFERENCE.findall(header)}
        size = found.get("odata.maxpagesize")
        if size is not None and not size.isdecimal():
            raise bad_request(f"Invalid value '{size}' for odata.maxpagesize.")
        patterns = found.get("odata.include-annotations", "").split(",")
        return cls(
            representation=found.get("return") == "representation",
            annotations=tuple(pattern.strip() for pattern in patterns if pattern.strip()),
            page_size=min(max(int(size), 1), MAX_PAGE) if size is not None else None,
            track_changes="odata.track-changes" in found,
            continue_on_error="odata.continue-on-error" in found,
            applied=header,
        )


@dataclass(frozen=True)
class Request:
    """One call of the Web API. `path` is still encoded and relative to the service root; header names are lower case.

    `references` holds the addresses that `$<content-id>` stands for inside a changeset.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    root: str
    references: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def segments(self) -> list[str]:
        """The decoded parts of the path, split at slashes outside quotes."""
        return [unquote(part) for part in split_top_level(self.path, "/")]

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The decoded query parameters."""
        return parse_query(self.query)

    @cached_property
    def options(self) -> Options:
        """The parsed query options. Raises DataverseError (400)."""
        return parse_options(self.parameters)

    @cached_property
    def preferences(self) -> Preferences:
        """The parsed `Prefer` header."""
        return Preferences.parse(self.headers.get("prefer", ""))

    @property
    def refuses_duplicates(self) -> bool:
        """True when `MSCRM.SuppressDuplicateDetection: false` switches duplicate detection on (1.2, 4.9)."""
        return self.headers.get("mscrm.suppressduplicatedetection", "").strip().lower() == "false"

    @property
    def bypasses_steps(self) -> bool:
        """True when `MSCRM.BypassCustomPluginExecution: true` leaves out what runs with the operation (1.2)."""
        return self.headers.get("mscrm.bypasscustompluginexecution", "").strip().lower() == "true"

    @property
    def if_match(self) -> str | None:
        """The `If-Match` header, or None."""
        return self.headers.get("if-match") or None

    @property
    def if_none_match(self) -> str | None:
        """The `If-None-Match` header; the literal word `null` means none (1.2)."""
        value = self.headers.get("if-none-match")
        return value if value and value != "null" else None

    def json(self) -> dict[str, Any]:
        """Return the body as an object; numbers with decimals stay exact. Raises DataverseError (400)."""
        try:
            content = json.loads(self.body or b"{}", parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise bad_request(f"The request body is not valid JSON: {error}", "0x80060888") from error
        if not isinstance(content, dict):
            raise bad_request("The request body must be a JSON object.")
        return content


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _details(error: DataverseError) -> dict[str, str]:
    """Return the annotations of an error."""
    details = "@Microsoft.PowerApps.CDS.ErrorDetails"
    return {
        f"{details}.OperationStatus": "0",
        f"{details}.SubErrorCode": "0",
        "@Microsoft.PowerApps.CDS.HelpLink": f"http://go.microsoft.com/fwlink/?LinkID=398563&error={error.code}",
        "@Microsoft.PowerApps.CDS.TraceText": "",
        "@Microsoft.PowerApps.CDS.InnerError.Message": error.message,
    }


@dataclass(slots=True)
class Answer:
    """What goes back: a status, headers and a body.

    `rows` is how many rows it took, and `seconds` how long the service itself would have taken.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    rows: int = 1
    seconds: float = 0.0

    @classmethod
    def text(cls, body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        """Return an answer with JSON that is already text."""
        return cls(status, body.encode(), {"Content-Type": JSON_TYPE, **(headers or {})})

    @classmethod
    def of(cls, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        """Return an answer with content as JSON."""
        return cls.text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), status, headers)

    @classmethod
    def none(cls, headers: Mapping[str, str] | None = None) -> "Answer":
        """Return 204 No Content."""
        return cls(204, b"", dict(headers or {}))

    @classmethod
    def error(cls, error: DataverseError, *, detailed: bool = False) -> "Answer":
        """Return the error in Dataverse's shape; a client that asks for all annotations gets those of errors (9.1)."""
        content = {"code": error.code, "message": error.message}
        if detailed:
            content |= _details(error)
        return cls.of({"error": content}, error.status, error.headers)
