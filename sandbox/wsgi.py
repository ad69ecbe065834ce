"""The door: a WSGI application that hands each request to the part of the sandbox it is for."""

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from django.utils import translation

from sandbox import errors
from sandbox.conditions.faults import Fault
from sandbox.conditions.protection import Protection
from sandbox.conditions.spoiling import hang_up, spoil
from sandbox.control import Control, control
from sandbox.details import Credentials
from sandbox.errors import DataverseError
from sandbox.pages.routes import page
from sandbox.pages.visit import Visit
from sandbox.protocol import MAX_URL, SERVICE_PATH, Answer, Request
from sandbox.routes import dispatch
from sandbox.service import Call, Service
from sandbox.signin import SignIn

logger = logging.getLogger(__name__)
MAX_BODY = 128 * 1024 * 1024
_SIGN_IN = re.compile(
    r"/([\w.-]+)(/oauth2(?:/v2\.0)?/(?:token|authorize)|(?:/v2\.0)?/\.well-known/openid-configuration"
    r"|/discovery(?:/v2\.0)?/(?:instance|keys))"
)
Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


def _headers(environ: Environ) -> dict[str, str]:
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return headers


def _body(environ: Environ) -> bytes:
    length = environ.get("CONTENT_LENGTH")
    if length and int(length) > MAX_BODY:
        raise DataverseError(413, errors.INVALID_ARGUMENT, "The request body is too large.")
    content: bytes = environ["wsgi.input"].read(int(length)) if length else environ["wsgi.input"].read(MAX_BODY)
    return content


class Door:
    """The WSGI application of one sandbox."""

    def __init__(
        self, service: Service, sign_in: SignIn, credentials: Credentials, protection: Protection | None = None
    ) -> None:
        self.service = service
        self.protection = protection or Protection(None)
        self.sign_in = sign_in
        self.credentials = credentials

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer, fault = self._answer(environ)
        pieces: Iterable[bytes] = [answer.body] if answer.body and environ["REQUEST_METHOD"] != "HEAD" else []
        if fault is not None:
            answer, pieces = spoil(fault, answer, environ)
        headers = answer.headers
        if answer.status not in (204, 304):
            headers["Content-Length"] = str(len(answer.body))
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(headers.items()))
        return pieces

    def _answer(self, environ: Environ) -> tuple[Answer, Fault | None]:
        """Return the answer, and the fault that spoils it on its way back."""
        path, _, query = environ["RAW_URI"].partition("?")
        service_path = SERVICE_PATH.match(path)
        try:
            if service_path:
                return self._web_api(environ, path, query, service_path.end())
            return self._elsewhere(environ, path, query), None
        except DataverseError as error:
            return Answer.error(error), None
        except OSError:
            raise
        except Exception:
            logger.exception("%s %s failed", environ["REQUEST_METHOD"], path)
            return Answer.error(DataverseError(500, errors.UNEXPECTED, "An unexpected error occurred.")), None

    def _elsewhere(self, environ: Environ, path: str, query: str) -> Answer:
        """Answer what is not the Web API: the sign-in, the controls of the sandbox and its pages."""
        if path.startswith("/sandbox/"):
            return control(self._control(environ, path, query))
        visit = Visit(self.service, environ["REQUEST_METHOD"], path, query, _headers(environ), _body(environ))
        sign_in = _SIGN_IN.fullmatch(path)
        if sign_in:
            with translation.override(visit.language):
                return self.sign_in.answer(visit, sign_in[1], sign_in[2])
        if path == "/people":
            with translation.override(visit.language):
                return visit.page("people.html", {"people": self.sign_in.directory.people()})
        return page(visit)

    def _control(self, environ: Environ, path: str, query: str) -> Control:
        key, body = environ.get("HTTP_X_SANDBOX_KEY", ""), _body(environ)
        method, name = environ["REQUEST_METHOD"], path.removeprefix("/sandbox/")
        return Control(self.service, self.sign_in, self.protection, self.credentials, method, name, query, body, key)

    def _web_api(self, environ: Environ, path: str, query: str, start: int) -> tuple[Answer, Fault | None]:
        self.service.counters.add("requests")
        fault = None
        try:
            request = self._request(environ, path, query, start)
            fault = self.service.faults.of_request(request.method, request.path, query, request.body)
            answer = self._dispatch(request, fault)
        except DataverseError as error:
            answer = Answer.error(error)
        answer.headers |= {"OData-Version": "4.0", "REQ_ID": str(uuid.uuid4()), "Cache-Control": "no-cache"}
        return answer, fault

    def _request(self, environ: Environ, path: str, query: str, start: int) -> Request:
        headers, body = _headers(environ), _body(environ)
        if len(path) + len(query) > MAX_URL:
            raise errors.bad_request(f"The URL is longer than {MAX_URL} characters.")
        root = f"https://{environ.get('HTTP_HOST', 'localhost')}{path[:start].rstrip('/')}/"
        return Request(environ["REQUEST_METHOD"], path[start:].strip("/"), query, headers, body, root)

    def _dispatch(self, request: Request, fault: Fault | None) -> Answer:
        """Let the caller in and answer; the time that the service would take counts against the limits."""
        if fault is not None:
            self._before(fault)
        principal = self.sign_in.principal_of(request.headers.get("authorization", ""))
        self.service.log.add(principal.removeprefix("user "), request.method, request.path)
        user = self.sign_in.user_of(principal, request.headers)
        with self.protection.admitted(user):
            answer = dispatch(Call(self.service, request, user))
            if answer.seconds:
                time.sleep(answer.seconds)
        answer.headers |= self.protection.headers(user)
        return answer

    def _before(self, fault: Fault) -> None:
        """Do what a fault does before anything else. Raises DataverseError or ConnectionResetError."""
        if fault.kind == "token-expired":
            self.sign_in.forget_tokens()
        elif fault.kind == "slow":
            time.sleep(fault.seconds)
        elif fault.kind == "status":
            raise fault.error()
        elif fault.kind == "timeout-before":
            hang_up(fault)
