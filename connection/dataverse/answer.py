"""One answer of the CRM, to a request or to a part of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connection.dataverse import payload
from connection.dataverse.diagnosis import from_answer, is_refusal
from connection.dataverse.errors import OutcomeUnknown
from connection.errors import CRMBridgeError


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers, body, and the seconds that its request took."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    seconds: float = 0.0

    @property
    def error(self) -> CRMBridgeError | None:
        """What the answer complains about, or None where it is a success."""
        return from_answer(self.status, self.headers, self.content) if self.status >= 400 else None

    @property
    def error_of_write(self) -> CRMBridgeError | None:
        """`error` where the CRM itself refused a write; OutcomeUnknown where the answer does not tell (I1).

        A gateway that gave up says nothing about what happened behind it, nor does a page that somebody slipped in.
        """
        if self.status < 400:
            technical = f"HTTP {self.status} with {self.kind or 'nothing'}"
            return None if self._is_success else OutcomeUnknown(technical=technical)
        error = self.error
        return OutcomeUnknown(technical=error.technical) if error and not self._is_refusal else error

    @property
    def kind(self) -> str:
        """The media type of the body, in small letters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def _is_success(self) -> bool:
        """Whether Dataverse answers successes like this: with JSON, parts, or a status that has no body."""
        bodied = self.kind in ("application/json", "multipart/mixed")
        return self.status in (201, 204) or (self.status < 300 and bodied)

    @property
    def _is_refusal(self) -> bool:
        return is_refusal(self.status, self.content)

    @property
    def is_cut(self) -> bool:
        """Whether the body ends before its end, which nothing else may tell where a proxy stands in between."""
        if self.kind == "multipart/mixed":
            return not self.content.rstrip().endswith(b"--")
        return self.kind == "application/json" and bool(self.content) and not self.content.rstrip().endswith(b"}")

    def json(self) -> dict[str, Any]:
        """The JSON object in the body. Raises the answer's own error, or NotDataverse for another body."""
        if error := self.error:
            raise error
        return payload.decode(self.content)
