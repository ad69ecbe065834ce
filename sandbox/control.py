"""The control endpoint for tests and demos: start over, ask what was written, let things expire, make the weather."""

import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from urllib.parse import parse_qs

from sandbox.conditions.faults import Fault
from sandbox.conditions.protection import Protection
from sandbox.customizing import forget_customizations
from sandbox.details import Credentials
from sandbox.protocol import Answer
from sandbox.seed.planting import plant
from sandbox.service import Service
from sandbox.signin import SignIn
from sandbox.store.database import set_setting, setting


@dataclass(frozen=True)
class Control:
    """One call of `/sandbox/<name>`; the key is the client secret, in the header X-Sandbox-Key."""

    service: Service
    sign_in: SignIn
    protection: Protection
    credentials: Credentials
    method: str
    name: str
    query: str
    body: bytes
    key: str = field(repr=False)

    def parameter(self, name: str, default: str = "") -> str:
        """Return a query parameter."""
        return parse_qs(self.query).get(name, [default])[0]


def _reset(call: Control) -> Answer:
    forget_customizations(call.service)
    plant(call.service.store, call.service.catalog, call.credentials, empty=call.parameter("empty") == "1")
    call.service.counters.clear()
    call.service.log.clear()
    call.service.faults.clear()
    call.protection.clear()
    call.sign_in.clients.are_secrets_expired = False
    return Answer.none()


def _calls(call: Control) -> Answer:
    return Answer.of(call.service.counters.as_dict())


def _protection(call: Control) -> Answer:
    """Tell what the service protection limits, where they are in force, have seen since the last reset."""
    return Answer.of({"refused": call.protection.refused, "execution": call.protection.execution})


def _log(call: Control) -> Answer:
    """Tell who called what: applications by client id, people by login."""
    return Answer.of({"calls": call.service.log.as_list()})


def _expire_changes(call: Control) -> Answer:
    """Forget deletions up to now, as the service does after some days: every delta token so far has expired."""
    with call.service.store.writing() as connection:
        version = setting(connection, "version") + 1
        set_setting(connection, "version", version)
        set_setting(connection, "oldest version", version)
        connection.execute('DELETE FROM "$deleted"')
    return Answer.none()


def _expire_tokens(call: Control) -> Answer:
    call.sign_in.forget_tokens()
    return Answer.none()


def _expire_secrets(call: Control) -> Answer:
    """Let the secrets of the registered clients expire, until the sandbox starts over (2.1)."""
    call.sign_in.clients.are_secrets_expired = True
    call.sign_in.forget_tokens()
    return Answer.none()


def _add_faults(call: Control) -> Answer:
    """Put faults in force, given as one JSON object or a list of them."""
    if not call.service.faults.allowed:
        return Answer.of({"error": "The sandbox was started without --faults."}, 403)
    try:
        content = json.loads(call.body)
        faults = [Fault.parse(spec) for spec in (content if isinstance(content, list) else [content])]
    except ValueError as error:
        return Answer.of({"error": str(error)}, 400)
    call.service.faults.add(faults)
    return _list_faults(call)


def _list_faults(call: Control) -> Answer:
    return Answer.of({"faults": call.service.faults.as_list()})


def _clear_faults(call: Control) -> Answer:
    call.service.faults.clear()
    return Answer.none()


def _people(call: Control) -> Answer:
    """Tell who can sign in, with passwords."""
    return Answer.of({"people": [asdict(person) for person in call.sign_in.directory.people()]})


def _register(call: Control) -> Answer:
    """Register one more certificate of the client, given as PEM."""
    try:
        call.sign_in.clients.register(call.body)
    except ValueError:
        return Answer.of({"error": "The body must be a certificate in PEM form."}, 400)
    return Answer.none()


_HANDLERS: dict[tuple[str, str], Callable[[Control], Answer]] = {
    ("POST", "reset"): _reset,
    ("GET", "calls"): _calls,
    ("GET", "protection"): _protection,
    ("GET", "log"): _log,
    ("POST", "expire-changes"): _expire_changes,
    ("POST", "expire-tokens"): _expire_tokens,
    ("POST", "expire-secrets"): _expire_secrets,
    ("GET", "people"): _people,
    ("POST", "certificate"): _register,
    ("POST", "faults"): _add_faults,
    ("GET", "faults"): _list_faults,
    ("DELETE", "faults"): _clear_faults,
}


def control(call: Control) -> Answer:
    """Answer one call of the control endpoint."""
    if not hmac.compare_digest(call.key.encode(), call.credentials.client_secret.encode()):
        return Answer.of({"error": "The header X-Sandbox-Key must hold the client secret."}, 403)
    handler = _HANDLERS.get((call.method, call.name))
    return handler(call) if handler else Answer.of({"error": "There is no such control."}, 404)
