"""Deliver to webhooks: in the background with one retry, or at once with failures that refuse the operation (14.2)."""

import logging
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Catalog
from sandbox.rows.writing import Writer
from sandbox.store.database import Store
from sandbox.webhooks.context import Happening, context_of
from sandbox.webhooks.steps import Step

logger = logging.getLogger(__name__)
TIMEOUT = 60
# What a plug-in that refuses answers with (9.2); the service may have a code of its own for webhooks.
ABORTED = "0x80040265"
_RETRIED = (502, 503, 504)
_KEY, _HEADERS, _QUERY = 4, 5, 6
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for the failure that it is."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow none."""


class Deliveries:
    """Calls endpoints one after the other, on this machine only: what is tried in a sandbox stays in it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="webhooks")
        # The environment's proxies are of no use for this machine.
        self._opener = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))

    def send(self, catalog: Catalog, steps: Iterable[Step], happening: Happening) -> None:
        """Deliver a change to these steps, later."""
        for step in steps:
            self._pool.submit(self._deliver, catalog, step, happening)

    def require(self, step: Step, happening: Happening) -> None:
        """Deliver a change at once. Raises DataverseError (400), which takes the user's operation back (14.2)."""
        body, shortened = context_of(happening, self._organization(happening.user), step)
        failure = self._attempt(step, happening, body, shortened, retried=False)
        if failure:
            raise DataverseError(400, ABORTED, f"The webhook call failed, so nothing was done: {failure}")

    def _deliver(self, catalog: Catalog, step: Step, happening: Happening) -> None:
        try:
            body, shortened = context_of(happening, self._organization(happening.user), step)
            failure = self._attempt(step, happening, body, shortened)
            if failure or not step.forgets:
                self._record(catalog, step, happening, failure)
        except Exception:
            logger.exception("The webhook %s failed.", step.identity)

    def _organization(self, user: str) -> tuple[str, str, str]:
        unit = "(SELECT businessunitid FROM systemuser WHERE systemuserid = ?)"
        sql = f"SELECT organizationid, name, {unit} FROM organization"  # noqa: S608 - nothing from outside
        with self._store.reading() as connection:
            found: tuple[str, str, str] = connection.execute(sql, [user]).fetchone()
        return found

    def _attempt(self, step: Step, happening: Happening, body: bytes, shortened: bool, *, retried: bool = True) -> str:
        """Call the endpoint, twice where that may help, and return what went wrong, or nothing."""
        if urlsplit(step.url).hostname not in _LOOPBACK:
            return "The sandbox calls endpoints on this machine only."
        try:
            request = _request(step, happening, body, shortened)
        except (ElementTree.ParseError, ValueError) as error:
            return f"0x80050203: the authvalue of the endpoint is malformed: {error}"
        status, failure = self._call(request)
        if retried and status in _RETRIED:
            status, failure = self._call(request)
        return failure

    def _call(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            with error:
                return error.code, f"The endpoint answered {error.code}."
        except OSError as error:
            return 0, f"The endpoint cannot be reached: {error}"

    def _record(self, catalog: Catalog, step: Step, happening: Happening, failure: str) -> None:
        """Keep the outcome as a system job that belongs to the step."""
        row = {
            "name": f"{happening.message} of {happening.table.name}",
            "messagename": happening.message,
            "primaryentitytype": happening.table.name,
            "friendlymessage": failure or None,
            "owningextensionid@odata.bind": f"/sdkmessageprocessingsteps({step.identity})",
        }
        with self._store.writing() as connection:
            writer = Writer(connection, catalog, happening.user)
            table = catalog.table("asyncoperation")
            job = writer.create(table, [row])[0]
            outcome = {"statecode": 3, "statuscode": 31 if failure else 30, "completedon": writer.now}
            writer.update(table, [(job, outcome)])


def _request(step: Step, happening: Happening, body: bytes, shortened: bool) -> urllib.request.Request:
    url, headers = step.url, {"Content-Type": "application/json"}
    if step.auth_type == _KEY:
        url = _with(url, {"code": step.auth_value})
    elif step.auth_type == _HEADERS:
        headers |= _settings(step.auth_value)
    elif step.auth_type == _QUERY:
        url = _with(url, _settings(step.auth_value))
    headers["x-ms-dynamics-organization"] = "localhost"
    headers["x-ms-dynamics-entity-name"] = happening.table.name
    headers["x-ms-dynamics-request-name"] = happening.message
    headers["x-ms-correlation-request-id"] = happening.identity
    if shortened:
        headers["x-ms-dynamics-msg-size-exceeded"] = "true"
    return urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - http or https of this machine


def _settings(text: str) -> dict[str, str]:
    """Read the XML in which headers and query values are kept."""
    if "<!" in text:
        raise ValueError("declarations are not allowed")
    root = ElementTree.fromstring(text)  # noqa: S314 - declarations were refused above
    return {item.get("name", ""): item.get("value", "") for item in root.findall("setting")}


def _with(url: str, values: dict[str, str]) -> str:
    query = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in values.items())
    return f"{url}{'&' if '?' in url else '?'}{query}"
