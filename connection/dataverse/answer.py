"""One answer of the CRM, to a request or to a part of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connection.dataverse import payload
from connection.dataverse.diagnosis import from_answer
from connection.errors import CRMBridgeError


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def error(self) -> CRMBridgeError | None:
        """What the answer complains about, or None where it is a success."""
        return from_answer(self.status, self.headers, self.content) if self.status >= 400 else None

    @property
    def is_cut(self) -> bool:
        """Whether the body ends before its end, which nothing else may tell where a proxy stands in between."""
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/mixed"):
            return not self.content.rstrip().endswith(b"--")
        return kind.startswith("application/json") and bool(self.content) and not self.content.rstrip().endswith(b"}")

    def json(self) -> dict[str, Any]:
        """The JSON object in the body. Raises the answer's own error, or NotDataverse for another body."""
        if error := self.error:
            raise error
        return payload.decode(self.content)
