"""Refusals in the shape of Entra ID: an OAuth error with an AADSTS number (dataverse-web-api.md 2.1)."""

import time
import uuid
from dataclasses import dataclass

from sandbox.protocol import Answer


@dataclass
class SignInError(Exception):
    """A refusal of the sign-in or token endpoint."""

    status: int
    error: str
    number: int
    message: str

    @property
    def description(self) -> str:
        """The text that people see, with the number that support asks for."""
        return f"AADSTS{self.number}: {self.message}"

    def answer(self) -> Answer:
        """Return the refusal as JSON."""
        content = {
            "error": self.error,
            "error_description": self.description,
            "error_codes": [self.number],
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
            "trace_id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
        }
        return Answer.of(content, self.status, {"Content-Type": "application/json; charset=utf-8"})


def bad_grant(number: int, message: str) -> SignInError:
    """Return the refusal of a code, refresh token or verifier that does not hold."""
    return SignInError(400, "invalid_grant", number, message)
