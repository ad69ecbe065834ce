"""The wire between the client and the CRM, for faults that a CRM does not produce to order.

Requests and answers are real; the wire only decides which of them get through, and lets others act in between.
"""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import NewConnectionError

from connection.clients import new_client
from connection.dataverse.client import DataverseClient
from connection.dataverse.traffic import Clock
from connection.models import CRMConnection

CREATE = "CreateMultiple"
UPDATE = "PATCH "


Act = Callable[[], object]
"""What happens at a moment; a response that it returns takes the place of the CRM's."""


class Wire(BaseAdapter):
    """Acts on requests that contain `needle` in their address or body."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.clear()

    def clear(self) -> None:
        """Let everything through."""
        self.needle, self.times = "", 0
        self.before: Act = lambda: None
        self.after: Act = lambda: None

    def on(self, needle: str, *, before: Act = lambda: None, after: Act = lambda: None, times: int = 1) -> None:
        """Act before the next requests with `needle` go out, or after their answers came."""
        self.needle, self.before, self.after, self.times = needle, before, after, times

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send the request, where nothing comes in between."""
        body = request.body if isinstance(request.body, bytes) else b""
        if self.times < 1 or self.needle not in f"{request.url} {body.decode()}":
            return self._exchange(request, args, kwargs)
        self.times -= 1
        before, after = self.before, self.after
        instead = before()
        if isinstance(instead, requests.Response):
            return instead
        answer = self._exchange(request, args, kwargs)
        instead = after()
        return instead if isinstance(instead, requests.Response) else answer

    def close(self) -> None:
        """Close the connections."""
        self.inner.close()

    def _exchange(self, request: requests.PreparedRequest, args: Any, kwargs: Any) -> requests.Response:
        answer: requests.Response = self.inner.send(request, *args, **kwargs)
        _ = answer.content  # the CRM is done with it
        return answer


class Hurried(Clock):
    """A clock that jumps ahead instead of waiting."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        """Seconds since 1970, and what was not waited for."""
        return super().now() + self.ahead

    def sleep(self, seconds: float) -> None:
        """Wait no longer than it takes to say so."""
        self.ahead += seconds


def wired(connection: CRMConnection) -> tuple[DataverseClient, Wire]:
    """A client of its own for the connection, which does not sleep between attempts, and its wire."""
    client = new_client(connection, clock=Hurried())
    session = client._http._session
    wire = Wire(session.get_adapter("https://"))
    session.mount("https://", wire)
    return client, wire


def lose() -> None:
    """The request, or the answer to it, is lost on its way."""
    raise requests.ReadTimeout("no answer")


def away() -> None:
    """Nobody answers at the address."""
    raise requests.ConnectionError(NewConnectionError(None, "refused"))  # type: ignore[arg-type]


def fault(status: int = 500, code: str = "0x80040216") -> requests.Response:
    """The CRM says that it failed."""
    answer = requests.Response()
    answer.status_code = status
    answer.headers["Content-Type"] = "application/json"
    error = {"code": code, "message": "An unexpected error occurred."}
    answer.raw = HTTPResponse(BytesIO(json.dumps({"error": error}).encode()), preload_content=False)
    return answer


def unavailable() -> requests.Response:
    """The CRM does nothing now, and asks for a pause that is too long to wait."""
    answer = fault(503, "0x8004A001")
    answer.headers["Retry-After"] = "1000"
    return answer
