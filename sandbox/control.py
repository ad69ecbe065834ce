"""The control endpoint for tests and demos: start over, ask what was written, let delta tokens expire."""

import hmac
from collections.abc import Callable
from urllib.parse import parse_qs

from sandbox.details import Credentials
from sandbox.protocol import Answer
from sandbox.seed.planting import plant
from sandbox.service import Service
from sandbox.store.database import set_setting, setting

Handler = Callable[[Service, Credentials, str], Answer]


def _reset(service: Service, credentials: Credentials, query: str) -> Answer:
    empty = parse_qs(query).get("empty", ["0"])[0] == "1"
    plant(service.store, service.catalog, credentials, empty=empty)
    service.counters.clear()
    return Answer.none()


def _calls(service: Service, credentials: Credentials, query: str) -> Answer:
    return Answer.of(service.counters.as_dict())


def _expire(service: Service, credentials: Credentials, query: str) -> Answer:
    """Forget deletions up to now, as the service does after some days: every delta token so far has expired."""
    with service.store.writing() as connection:
        version = setting(connection, "version") + 1
        set_setting(connection, "version", version)
        set_setting(connection, "oldest version", version)
        connection.execute('DELETE FROM "$deleted"')
    return Answer.none()


_HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", "reset"): _reset,
    ("GET", "calls"): _calls,
    ("POST", "expire-changes"): _expire,
}


def control(service: Service, credentials: Credentials, method: str, name: str, query: str, key: str) -> Answer:
    """Answer `/sandbox/<name>`; the key is the client secret, in the header X-Sandbox-Key."""
    if not hmac.compare_digest(key.encode(), credentials.client_secret.encode()):
        return Answer.of({"error": "The header X-Sandbox-Key must hold the client secret."}, 403)
    handler = _HANDLERS.get((method, name))
    if handler is None:
        return Answer.of({"error": "There is no such control."}, 404)
    return handler(service, credentials, query)
