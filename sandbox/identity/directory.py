"""The people of the tenant: CRM's users, and someone who is no member of the organization."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

from sandbox.details import Credentials
from sandbox.metadata.columns import metadata_id
from sandbox.store.database import Store

OUTSIDER = "outsider@fjordkraft.example"


@dataclass(frozen=True)
class Person:
    """Someone who can sign in. `login` is what Entra ID calls the user principal name."""

    login: str
    name: str
    password: str = field(repr=False)
    disabled: bool = False
    licensed: bool = True
    member: bool = True

    @property
    def object_id(self) -> str:
        """The person's object id in the directory."""
        return metadata_id("person", self.login)


class Directory:
    """Finds people. Passwords follow from the client secret, so that none is stored and each sandbox has its own."""

    def __init__(self, store: Store, credentials: Credentials) -> None:
        self._store = store
        self._credentials = credentials

    def people(self) -> list[Person]:
        """Return everyone, users of the CRM first; applications are no people."""
        sql = (
            "SELECT domainname, fullname, isdisabled, islicensed FROM systemuser "
            "WHERE domainname IS NOT NULL AND applicationid IS NULL ORDER BY seq LIMIT 500"
        )
        with self._store.reading() as connection:
            rows = connection.execute(sql).fetchall()
        found = [self._person(login, name, bool(off), bool(paid)) for login, name, off, paid in rows]
        return [*found, Person(OUTSIDER, "Outsider", self._password(OUTSIDER), member=False)]

    def _person(self, login: str, name: str | None, disabled: bool, licensed: bool) -> Person:
        return Person(login.lower(), name or login, self._password(login), disabled, licensed)

    def _password(self, login: str) -> str:
        key = self._credentials.client_secret.encode()
        digest = hmac.new(key, f"password of {login.lower()}".encode(), hashlib.sha256).digest()
        text = base64.b32encode(digest).decode().lower()
        return "-".join(text[start : start + 4] for start in range(0, 16, 4))

    def find(self, login: str) -> Person | None:
        """Return the person with this login."""
        return next((person for person in self.people() if person.login == login.strip().lower()), None)

    def check(self, login: str, password: str) -> Person | None:
        """Return the person whose login and password these are."""
        person = self.find(login)
        expected = person.password if person else self._password(login)
        right = hmac.compare_digest(expected.encode(), password.strip().encode())
        return person if right else None
