"""Sends requests to one environment: token, retry, throttle, trust (dataverse-web-api.md 1, 9.2, 10).

A read is repeated after any passing fault. A write is repeated only where the CRM says that it did not carry it out
(429); a lost answer to a write becomes `OutcomeUnknown` (I1).
"""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from django.conf import settings

from connection.dataverse import batch, payload
from connection.dataverse.address import same_origin
from connection.dataverse.answer import Answer
from connection.dataverse.diagnosis import complaint_in, from_exception
from connection.dataverse.errors import (
    AddressRefused,
    NotDataverse,
    OutcomeUnknown,
    ServerFault,
    ServiceUnavailable,
    Throttled,
)
from connection.dataverse.session import GuardedSession
from connection.errors import CRMBridgeError, RetryLater

log = logging.getLogger(__name__)

API = "/api/data/v9.2/"
MOST_BYTES = 200 * 1024 * 1024
MOST_ATTEMPTS = 5
LONGEST_PAUSE = 60.0
# No attempt begins later than this: a worker has a lease to keep, and the record comes around again.
PATIENCE = 90.0
_HEADERS = {
    "Accept": "application/json",
    "OData-MaxVersion": "4.0",
    "OData-Version": "4.0",
    "If-None-Match": "null",
}


class Tokens(Protocol):
    """Where access tokens come from."""

    def token(self) -> str:
        """A token that is valid now."""

    def renew(self) -> None:
        """Forget the token."""


class Http:
    """Requests to the environment at `address`, as a number of them is worth counting: `requests_sent`."""

    def __init__(self, address: str, tokens: Tokens, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.address = address
        self.requests_sent = 0
        self._tokens = tokens
        self._sleep = sleep
        self._session = GuardedSession()
        self._session.headers.update(
            _HEADERS | {"User-Agent": f"crmbridge/{getattr(settings, 'CRMBRIDGE_VERSION', '0.1.0')}"}
        )

    def get(self, url: str, *, prefer: Sequence[str] = ()) -> Answer:
        """GET `url`, relative to the service root or an absolute link that the CRM gave (same origin only)."""
        return self._send("GET", url, {"Prefer": ", ".join(prefer)} if prefer else {}, None, repeatable=True)

    def post(self, url: str, body: Any) -> Answer:
        """POST `body` as JSON: a write, never repeated after a lost answer."""
        headers = {"Content-Type": "application/json"}
        return self._send("POST", url, headers, payload.encode(body), repeatable=False)

    def read_batch(self, parts: Sequence[batch.Part]) -> list[Answer]:
        """Answers to up to 1 000 GETs for the price of one request, in order; a failed part is left to the caller."""
        return self._batch(parts, repeatable=True)

    def write_batch(self, parts: Sequence[batch.Part]) -> list[Answer]:
        """Answers to up to 1 000 writes that do not depend on each other, in order."""
        return self._batch(parts, repeatable=False)

    def probe(self) -> int:
        """The status with which the environment answers somebody who is not signed in. Raises what the network says."""
        return self._exchange("GET", f"{self.address}{API}", {}, None, repeatable=True).status

    def sign_in(self) -> None:
        """Get a token. Raises SignInRefused, or what the network says."""
        self._tokens.token()

    def _batch(self, parts: Sequence[batch.Part], *, repeatable: bool) -> list[Answer]:
        content_type, body = batch.encode(parts, API)
        headers = {"Content-Type": content_type, "Prefer": "odata.continue-on-error"}
        answer = self._send("POST", "$batch", headers, body, repeatable=repeatable)
        answers = batch.decode(answer.headers.get("Content-Type", ""), answer.content)
        if len(answers) != len(parts):
            raise NotDataverse(technical=f"{len(answers)} answers to {len(parts)} requests")
        return answers

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool
    ) -> Answer:
        """The answer, after as many attempts as the fault allows; the last attempt's error is raised."""
        address, began = self._own(url), time.monotonic()
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                return self._attempt(method, address, headers, body, repeatable=repeatable)
            except CRMBridgeError as error:
                pause = _pause(error, attempt, repeatable=repeatable)
                if pause is None or time.monotonic() - began + pause > PATIENCE:
                    raise
                log.info("%s %s: %s; again in %.1f s", method, urlsplit(address).path, type(error).__name__, pause)
                self._sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _attempt(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool
    ) -> Answer:
        """One request; a second one with a new token where the CRM does not accept the first one's (401)."""
        answer = self._authorized(method, url, headers, body, repeatable=repeatable)
        if answer.status == 401:
            self._tokens.renew()
            answer = self._authorized(method, url, headers, body, repeatable=repeatable)
        return _judged(answer, repeatable=repeatable)

    def _authorized(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool
    ) -> Answer:
        authorized = {**headers, "Authorization": f"Bearer {self._tokens.token()}"}
        return self._exchange(method, url, authorized, body, repeatable=repeatable)

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool
    ) -> Answer:
        self.requests_sent += 1
        began = time.monotonic()
        try:
            with self._session.request(method, url, headers=dict(headers), data=body, stream=True) as response:
                answer = Answer(response.status_code, response.headers, _read_capped(response))
        except requests.RequestException as failure:
            raise from_exception(failure, repeatable=repeatable) from None
        log.debug("%s %s: %d, %.3f s", method, urlsplit(url).path, answer.status, time.monotonic() - began)
        return answer

    def _own(self, url: str) -> str:
        """The absolute address of `url`. Raises AddressRefused for another origin: the token must not go there."""
        if "://" not in url:
            return f"{self.address}{API}{url}"
        if not same_origin(url, self.address):
            raise AddressRefused(technical=f"a link of the CRM leads to {urlsplit(url).netloc}")
        return url


def _read_capped(response: requests.Response) -> bytes:
    """The body. Raises NotDataverse where it is longer than any honest answer."""
    pieces, size = [], 0
    for piece in response.iter_content(1024 * 1024):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise NotDataverse(technical=f"an answer of more than {MOST_BYTES} bytes")
    return b"".join(pieces)


def _judged(answer: Answer, *, repeatable: bool) -> Answer:
    """The answer where it is one; raises its error otherwise. A failed `$batch` answers 400 with its parts (6.3)."""
    multipart = answer.headers.get("Content-Type", "").startswith("multipart/mixed")
    if answer.status < 300 or (answer.status == 400 and multipart):
        return answer
    error = answer.error
    if error is None:
        raise NotDataverse(technical=f"HTTP {answer.status} to {answer.headers.get('Location', '')}")
    # A gateway that gave up says nothing about what happened behind it.
    if not repeatable and answer.status >= 500 and complaint_in(answer.content) is None:
        raise OutcomeUnknown(technical=error.technical)
    raise error


def _pause(error: CRMBridgeError, attempt: int, *, repeatable: bool) -> float | None:
    """Seconds to wait before the next attempt, or None where the caller has to wait (or give up) itself."""
    passing = isinstance(error, Throttled) or (repeatable and isinstance(error, ServiceUnavailable | ServerFault))
    if attempt == MOST_ATTEMPTS or not passing or not isinstance(error, RetryLater):
        return None
    asked = error.retry_after if error.retry_after is not None else 2.0**attempt / 2
    # Asking earlier than the CRM wants only makes its next pause longer (dataverse-web-api.md 10).
    return None if asked > LONGEST_PAUSE else asked + random.uniform(0, 0.25)  # noqa: S311 -- spreads workers, no secret
