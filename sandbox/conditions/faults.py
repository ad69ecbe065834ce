"""Faults on purpose: what goes wrong, for which requests, and how often. Off unless started with `--faults`."""

import random
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import unquote

from sandbox.errors import EXPIRED_VERSION_STAMP, DataverseError

KINDS = frozenset(
    {
        "status",  # answer with `status`, having done nothing
        "timeout-before",  # hang for `seconds` and close, having done nothing
        "timeout-after",  # do all of it, then hang for `seconds` and close
        "reset",  # do all of it, then reset the connection in the middle of the answer
        "truncated",  # do all of it, and answer with the first half of the body
        "token-expired",  # let every token expire
        "delta-expired",  # let this delta token expire
        "slow",  # take `seconds` longer
        "poisoned-row",  # a plug-in refuses every write whose body holds `text`
        "concurrent-edit",  # someone else writes `values` into the row just before
    }
)
_OPERATION_KINDS = frozenset({"delta-expired", "poisoned-row", "concurrent-edit"})
_BODIES: Mapping[int, tuple[str, str]] = {
    401: ("0x80072561", "HTTP Error 401 - Unauthorized: Access is denied"),
    429: ("0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds."),
    503: ("0x8004A001", "The server is busy and the request was not completed. Try again later."),
}


@dataclass
class Fault:
    """One fault. It strikes requests that match, at most `count` times (None: always), with a probability."""

    kind: str
    method: str = ""
    path: str = ""
    count: int | None = 1
    probability: float = 1.0
    status: int = 503
    code: str = ""
    retry_after: int | None = None
    seconds: float = 1.0
    text: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    struck: int = 0

    @classmethod
    def parse(cls, spec: Any) -> "Fault":
        """Read a fault from JSON. Raises ValueError that tells what is wrong."""
        if not isinstance(spec, dict) or spec.get("kind") not in KINDS:
            raise ValueError(f"A fault needs a kind, one of: {', '.join(sorted(KINDS))}.")
        unknown = set(spec) - set(cls.__dataclass_fields__)
        if unknown or not isinstance(spec.get("values", {}), dict):
            raise ValueError(f"A fault has no {', '.join(sorted(unknown)) or 'values of that form'}.")
        always = {"count": None} if "probability" in spec and "count" not in spec else {}
        fault = cls(**{**spec, **always, "struck": 0})
        try:
            re.compile(fault.path)
        except re.error as error:
            raise ValueError(f"The path of a fault is a regular expression: {error}.") from error
        return fault

    def matches(self, method: str, path: str, body: bytes) -> bool:
        """Return True when this fault is meant for such a request."""
        if (self.method and self.method != method) or (self.count is not None and self.struck >= self.count):
            return False
        if self.kind == "delta-expired" and "$deltatoken=" not in path:
            return False
        if self.kind == "concurrent-edit" and method not in ("PATCH", "DELETE"):
            return False
        if self.text and (method == "GET" or self.text.encode() not in body):
            return False
        return re.search(self.path, path) is not None

    def error(self) -> DataverseError:
        """Return the refusal that this fault answers with."""
        if self.kind == "delta-expired":
            message = "Version stamp associated with the client has expired. Please perform a full sync."
            return DataverseError(400, EXPIRED_VERSION_STAMP, message)
        if self.kind == "poisoned-row":
            return DataverseError(400, self.code or "0x80040265", f"A plug-in refused the row: '{self.text}'.")
        code, message = _BODIES.get(self.status, ("0x80040216", "An unexpected error occurred."))
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return DataverseError(self.status, self.code or code, message, headers)


class Faults:
    """The faults in force, asked once for each request and once for each operation."""

    def __init__(self, *, allowed: bool = False, seed: int = 0) -> None:
        self.allowed = allowed
        self._faults: list[Fault] = []
        self._random = random.Random(seed)  # noqa: S311 - weather, not secrets; the same seed gives the same weather
        self._lock = threading.Lock()

    def add(self, faults: list[Fault]) -> None:
        """Put more faults in force."""
        with self._lock:
            self._faults += faults

    def clear(self) -> None:
        """Have fair weather again."""
        with self._lock:
            self._faults = []

    def as_list(self) -> list[dict[str, Any]]:
        """Return the faults with how often each has struck."""
        return [asdict(fault) for fault in self._faults]

    def of_request(self, method: str, path: str, query: str, body: bytes) -> Fault | None:
        """Return the fault that strikes a whole HTTP request, if any."""
        return self._strike(False, method, path, query, body)

    def of_operation(self, method: str, path: str, query: str, body: bytes) -> Fault | None:
        """Return the fault that strikes one operation, alone or inside a batch, if any."""
        return None if path.startswith("$batch") else self._strike(True, method, path, query, body)

    def _strike(self, operation: bool, method: str, path: str, query: str, body: bytes) -> Fault | None:
        if not self._faults:
            return None
        address = unquote(f"{path}?{query}" if query else path)
        with self._lock:
            for fault in self._faults:
                meant = (fault.kind in _OPERATION_KINDS) is operation and fault.matches(method, address, body)
                if meant and self._random.random() < fault.probability:
                    fault.struck += 1
                    return fault
        return None
