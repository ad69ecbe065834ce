"""Signs a person in for one task that the application may not do itself (dataverse-web-api.md 2.1).

`begin` gives the page of the login server and what to keep until the person comes back; `finish` gives a client that
acts as that person while a block runs. The token exists only in that block: it is neither stored, nor renewed, nor
logged.

    begun = begin(connection, return_address)
    request.session["sign_in"] = begun.sealed            # redirect to begun.address
    ...
    with finish(connection, request.session.pop("sign_in"), request.GET.dict()) as client:
        client.who_am_i()
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from connection.budgets import budget_of
from connection.clients import sign_in_of
from connection.dataverse.address import crm_address
from connection.dataverse.client import DataverseClient
from connection.dataverse.errors import SignInRefused
from connection.dataverse.http import Http
from connection.dataverse.traffic import Clock, Traffic
from connection.fields import Secret, UnreadableSecret
from connection.masking import forget_secret, register_secret

if TYPE_CHECKING:
    from connection.models import CRMConnection

# Seconds in which a person has to sign in.
GIVEN_TIME = 15 * 60


class SignInEnded(SignInRefused):
    """The person's sign-in is over, or was never finished."""

    text = _("The sign-in has ended.")
    fix = _("Sign in again and finish within a quarter of an hour.")


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that waits for the person: the page to send them to, and what to keep (encrypted) until they return."""

    address: str
    sealed: str


class PersonToken:
    """A token that can be used until it is forgotten, and not be renewed."""

    def __init__(self, token: str) -> None:
        register_secret(token)
        self._token = token

    def token(self) -> str:
        """The token. Raises SignInEnded after `forget`."""
        if not self._token:
            raise SignInEnded
        return self._token

    def renew(self) -> None:
        """Raise SignInEnded: the CRM does not accept the token (any more)."""
        self.forget()
        raise SignInEnded

    def __reduce__(self) -> str | tuple[object, ...]:
        """Refuse to be copied anywhere: pickles end up in queues and caches."""
        raise TypeError("a person's token does not leave its process")

    def forget(self) -> None:
        """Drop the token."""
        token, self._token = self._token, ""
        forget_secret(token)


def begin(connection: "CRMConnection", return_address: str) -> Begun:
    """Begin a sign-in that comes back to `return_address`. Raises what `SignIn` raises."""
    flow = sign_in_of(connection).begin_person(return_address)
    kept = {"connection": connection.pk, "address": connection.address, "flow": flow}
    return Begun(str(flow["auth_uri"]), Secret.of(json.dumps(kept)).encrypted)


@contextmanager
def finish(
    connection: "CRMConnection", sealed: str, answer: Mapping[str, str], *, clock: Clock | None = None
) -> Iterator[DataverseClient]:
    """A client that acts as the person, whose browser brought `answer` from the login server.

    Raises SignInEnded where `sealed` is too old or of another connection, SignInRefused where the person or the login
    server refused, and what `SignIn` raises.
    """
    tokens = PersonToken(sign_in_of(connection).finish_person(_opened(connection, sealed), answer))
    try:
        http = Http(crm_address(connection.address), tokens, traffic=Traffic(budget_of(connection), clock))
        yield DataverseClient(http.interactive())
    finally:
        tokens.forget()


def _opened(connection: "CRMConnection", sealed: str) -> dict[str, str]:
    try:
        kept = json.loads(Secret(sealed).reveal(max_age=GIVEN_TIME) or "{}")
    except UnreadableSecret:
        raise SignInEnded from None
    if (kept.get("connection"), kept.get("address")) != (connection.pk, connection.address):
        raise SignInEnded(technical="the sign-in was begun for another connection")
    flow: dict[str, str] = kept["flow"]
    return flow
