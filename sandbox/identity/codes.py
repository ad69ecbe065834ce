"""The authorization code grant: what a client asks on behalf of a person, and the code that it gets (2.1)."""

import hmac
import re
import secrets
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from sandbox.identity.clients import challenge_of
from sandbox.identity.refusals import SignInError, bad_grant

CODE_LIFETIME = 600
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class AuthorizationRequest:
    """What the query of the authorize endpoint asks for."""

    client: str
    redirect: str
    scope: str
    state: str
    challenge: str
    challenge_method: str
    nonce: str
    prompt: str
    login_hint: str

    @classmethod
    def parse(cls, parameters: Mapping[str, str], clients: Collection[str]) -> "AuthorizationRequest":
        """Read and check it. Raises SignInError for what must not be sent back to the client by redirect."""
        client = parameters.get("client_id", "").lower()
        if client not in clients:
            message = f"Application with identifier '{parameters.get('client_id', '')}' was not found in the directory."
            raise SignInError(400, "unauthorized_client", 700016, message)
        redirect = parameters.get("redirect_uri", "")
        parts = urlsplit(redirect)
        if parts.scheme not in ("http", "https") or parts.hostname not in _LOOPBACK or parts.fragment:
            message = f"The redirect URI '{redirect}' specified in the request does not match those of the application."
            raise SignInError(400, "invalid_request", 50011, message)
        if parameters.get("response_type") != "code" or parameters.get("response_mode", "query") != "query":
            message = "The response_type must be 'code', and the response_mode 'query'."
            raise SignInError(400, "unsupported_response_type", 70005, message)
        return cls(
            client=client,
            redirect=redirect,
            scope=parameters.get("scope", ""),
            state=parameters.get("state", ""),
            challenge=parameters.get("code_challenge", ""),
            challenge_method=parameters.get("code_challenge_method", "plain"),
            nonce=parameters.get("nonce", ""),
            prompt=parameters.get("prompt", ""),
            login_hint=parameters.get("login_hint", ""),
        )

    @property
    def origin(self) -> str:
        """Where the browser will be sent."""
        parts = urlsplit(self.redirect)
        return f"{parts.scheme}://{parts.netloc}"

    def back(self, **answer: str) -> str:
        """Return the address that takes the answer to the client."""
        parameters = {**answer, **({"state": self.state} if self.state else {})}
        return f"{self.redirect}{'&' if '?' in self.redirect else '?'}{urlencode(parameters)}"


class Codes:
    """The codes that wait to be redeemed, each once and within ten minutes."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[AuthorizationRequest, str, float]] = {}
        self._lock = threading.Lock()

    def issue(self, request: AuthorizationRequest, login: str) -> str:
        """Return a code for the person who signed in."""
        code = secrets.token_urlsafe(32)
        with self._lock:
            self._waiting = {key: entry for key, entry in self._waiting.items() if entry[2] > time.time()}
            self._waiting[code] = (request, login, time.time() + CODE_LIFETIME)
        return code

    def redeem(self, form: Mapping[str, str], *, proven: bool) -> tuple[AuthorizationRequest, str]:
        """Return what the code was given for and to whom. Raises SignInError when anything does not fit."""
        with self._lock:
            request, login, expires = self._waiting.pop(form.get("code", ""), (None, "", 0.0))
        if request is None or expires < time.time():
            raise bad_grant(70008, "The provided authorization code is invalid or has expired, or was already used.")
        if form.get("redirect_uri") != request.redirect:
            raise bad_grant(500112, "The reply address does not match the one provided when requesting the code.")
        verifier = form.get("code_verifier", "")
        if not request.challenge and not proven:
            message = "The request body must contain 'client_assertion' or 'client_secret', or use PKCE."
            raise SignInError(401, "invalid_client", 7000218, message)
        if request.challenge and not _verifies(verifier, request):
            raise bad_grant(501481, "The Code_Verifier does not match the code_challenge of the authorization request.")
        return request, login


def _verifies(verifier: str, request: AuthorizationRequest) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", verifier):
        return False
    return hmac.compare_digest(challenge_of(verifier, request.challenge_method), request.challenge)
