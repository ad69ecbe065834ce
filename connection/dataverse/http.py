"""Sends requests to one environment: token, retry, throttle, trust (dataverse-web-api.md 1, 9.2, 10).

A read is repeated after any passing fault. A write is repeated only where the CRM says that it did not carry it out
(429); a lost answer to a write becomes `OutcomeUnknown` (I1).
"""

import copy
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from connection.dataverse import batch, payload
from connection.dataverse.address import same_origin
from connection.dataverse.answer import Answer
from connection.dataverse.diagnosis import from_exception
from connection.dataverse.errors import (
    AddressRefused,
    AnswerTooLong,
    NotDataverse,
    OutcomeUnknown,
    PayloadTooLarge,
    ServerFault,
    ServiceUnavailable,
    Throttled,
    TimedOut,
)
from connection.dataverse.session import GuardedSession, read_capped
from connection.dataverse.traffic import Traffic
from connection.errors import CRMBridgeError, RetryLater

log = logging.getLogger(__name__)

API = "/api/data/v9.2/"
MOST_ATTEMPTS = 5
LONGEST_PAUSE = 60.0
# No attempt begins later than this: a worker has a lease to keep, and the record comes around again.
PATIENCE = 90.0
# Whoever waits looks after his affairs this often.
ATTEND_EVERY = 10.0
# A person waits for the answer.
SHORT_PATIENCE = 5.0
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
    """Requests to the environment at `address`. `traffic` is the account that they go by, shared by all copies.

    `seconds`, `bytes_sent` and `requests` tell of this copy alone how long its requests ran, what they carried and how
    many they were; `too_large` whether the CRM found one too large.
    """

    def __init__(self, address: str, tokens: Tokens, *, traffic: Traffic | None = None) -> None:
        self.address = address
        self.traffic = traffic or Traffic()
        self.requests, self.seconds, self.bytes_sent, self.too_large = 0, 0.0, 0, False
        self._tokens = tokens
        self._patience = PATIENCE
        self._is_bulk = self._attends = True
        self._meanwhile: Callable[[], None] = _nothing
        self._session = GuardedSession()
        self._session.headers.update(
            _HEADERS | {"User-Agent": f"crmbridge/{getattr(settings, 'CRMBRIDGE_VERSION', '0.1.0')}"}
        )

    @property
    def requests_sent(self) -> int:
        """How many requests were sent on this account."""
        return self.traffic.requests_sent

    def interactive(self) -> "Http":
        """The same for somebody who waits: out of the reserve of the budget, and rather refused than kept waiting."""
        lane = copy.copy(self)
        lane._is_bulk, lane._patience = False, SHORT_PATIENCE
        return lane

    def attended(self, meanwhile: Callable[[], None]) -> "Http":
        """The same for somebody who has other affairs to look after: `meanwhile` is called in his thread before every
        request, and some times a minute between."""
        attended = copy.copy(self)
        attended._meanwhile = meanwhile
        return attended

    def hand(self, *, in_thread: bool = True) -> "Http":
        """The same for a piece of work for which this one has seen that there is room; a thread does not `attend`."""
        hand = copy.copy(self)
        hand._is_bulk, hand._attends = False, self._attends and not in_thread
        hand.requests, hand.seconds, hand.bytes_sent, hand.too_large = 0, 0.0, 0, False
        return hand

    def admit(self) -> None:
        """Wait until the budget of the connection allows a request. Raises Throttled where that takes too long."""
        waited = 0.0
        while pause := self.next_pause():
            waited += pause
            if waited > min(self._patience, LONGEST_PAUSE):
                raise Throttled(technical="the budget of the connection is spent", retry_after=pause)
            self._rest(pause)

    def attend(self) -> None:
        """Look after the account and the caller's affairs; threads leave both to the calling one."""
        if self._attends:
            self.traffic.attend()
            self._meanwhile()

    def next_pause(self) -> float:
        """Seconds until the next request may go."""
        self.attend()
        return self.traffic.pause(bulk=self._is_bulk)

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
        try:
            answers = batch.decode(answer.headers.get("Content-Type", ""), answer.content, answer.seconds)
            if len(answers) != len(parts):
                raise NotDataverse(technical=f"{len(answers)} answers to {len(parts)} requests")
        except NotDataverse as error:
            raise error if repeatable else OutcomeUnknown(technical=error.technical) from None
        return answers

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool
    ) -> Answer:
        """The answer, after as many attempts as the fault allows; the last attempt's error is raised."""
        address, clock = self._own(url), self.traffic.clock
        began = clock.now()
        for attempt in range(1, MOST_ATTEMPTS + 1):
            self.admit()
            try:
                return self._attempt(method, address, headers, body, repeatable=repeatable)
            except CRMBridgeError as error:
                pause = self._after(error, attempt, repeatable=repeatable)
                if pause is None or clock.now() - began + pause > self._patience:
                    raise
                log.info("%s %s: %s; again in %.1f s", method, urlsplit(address).path, type(error).__name__, pause)
                self._rest(pause)
        raise AssertionError("the last attempt returns or raises")

    def _rest(self, seconds: float) -> None:
        while seconds > 0:
            self.traffic.clock.sleep(min(seconds, ATTEND_EVERY))
            seconds -= ATTEND_EVERY
            self.attend()

    def _after(self, error: CRMBridgeError, attempt: int, *, repeatable: bool) -> float | None:
        """Seconds to wait before the next attempt, if there is one; a 429 holds back everybody."""
        self.too_large = self.too_large or isinstance(error, PayloadTooLarge)
        if isinstance(error, Throttled):
            self.traffic.complained(error, _asked(error, attempt))
            self.attend()
        return _pause(error, attempt, repeatable=repeatable)

    def _attempt(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool
    ) -> Answer:
        """One request; a second one with a new token where the CRM does not accept the first one's (401)."""
        token = self._tokens.token()
        answer = self._authorized(token, method, url, headers, body, repeatable=repeatable)
        if answer.status == 401:
            if self._tokens.token() == token:
                self._tokens.renew()
            token = self._tokens.token()
            answer = self._authorized(token, method, url, headers, body, repeatable=repeatable)
        return _judged(answer, repeatable=repeatable)

    def _authorized(
        self, token: str, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool
    ) -> Answer:
        authorized = {**headers, "Authorization": f"Bearer {token}"}
        return self._exchange(method, url, authorized, body, repeatable=repeatable)

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool
    ) -> Answer:
        began = time.monotonic()
        answered: Mapping[str, str] = {}
        try:
            with self._session.request(method, url, headers=dict(headers), data=body, stream=True) as response:
                content = read_capped(response)
                answer = Answer(response.status_code, response.headers, content, time.monotonic() - began)
                answered = answer.headers
        except (requests.RequestException, HTTPError) as failure:
            raise from_exception(failure, repeatable=repeatable) from None
        except AnswerTooLong as failure:
            raise failure if repeatable else OutcomeUnknown(technical=failure.technical) from None
        finally:
            self._note(time.monotonic() - began, len(body or b""), answered)
        log.debug("%s %s: %d, %.3f s", method, urlsplit(url).path, answer.status, answer.seconds)
        return answer

    def _note(self, seconds: float, size: int, answered: Mapping[str, str]) -> None:
        self.requests, self.seconds, self.bytes_sent = self.requests + 1, self.seconds + seconds, self.bytes_sent + size
        self.traffic.sent(seconds, answered)

    def _own(self, url: str) -> str:
        """The absolute address of `url`. Raises AddressRefused for another origin: the token must not go there."""
        if "://" not in url:
            return f"{self.address}{API}{url}"
        if not same_origin(url, self.address):
            raise AddressRefused(technical=f"a link of the CRM leads to {url[:100]!r}")
        return url


def _nothing() -> None:
    """Nothing has to be looked after."""


def _judged(answer: Answer, *, repeatable: bool) -> Answer:
    """The answer where it is one; raises its error otherwise. A failed `$batch` answers 400 with its parts (6.3)."""
    if answer.is_cut and answer.status < 500:
        technical = f"HTTP {answer.status} with half an answer"
        raise ServiceUnavailable(technical=technical) if repeatable else OutcomeUnknown(technical=technical)
    if answer.status == 400 and answer.kind == "multipart/mixed":
        return answer
    if 300 <= answer.status < 400:
        raise NotDataverse(technical=f"HTTP {answer.status} to {answer.headers.get('Location', '')}")
    if error := answer.error if repeatable else answer.error_of_write:
        raise error
    return answer


def _pause(error: CRMBridgeError, attempt: int, *, repeatable: bool) -> float | None:
    """Seconds to wait before the next attempt, or None where the caller has to wait (or give up) itself."""
    passing = isinstance(error, Throttled) or (repeatable and isinstance(error, ServiceUnavailable | ServerFault))
    # What took too long once would do so again; whoever asked may ask for less.
    if attempt == MOST_ATTEMPTS or not passing or isinstance(error, TimedOut) or not isinstance(error, RetryLater):
        return None
    asked = _asked(error, attempt)
    # Asking earlier than the CRM wants only makes its next pause longer (dataverse-web-api.md 10).
    return None if asked > LONGEST_PAUSE else asked + random.uniform(0, 0.25)  # noqa: S311 -- spreads workers, no secret


def _asked(error: RetryLater, attempt: int) -> float:
    return error.retry_after if error.retry_after is not None else 2.0**attempt / 2
