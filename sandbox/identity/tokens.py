"""Tokens: issued, recognised also after a restart, and made invalid."""

import hashlib
import secrets
import threading
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sandbox.store.database import Store

REFRESH_LIFETIME = 14 * 24 * 3600
_REFRESH = "refresh "


class Tokens:
    """Access and refresh tokens. A token stands for a principal: a client id, or `user <login>`."""

    def __init__(self, store: Store, signing_key: Path) -> None:
        self._store = store
        key = load_pem_private_key(signing_key.read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        self._key = key
        self._key_id = hashlib.sha256(signing_key.read_bytes()).hexdigest()[:27]
        self._known: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a signed JSON web token."""
        return jwt.encode(claims, self._key, "RS256", {"kid": self._key_id})

    def keys(self) -> dict[str, Any]:
        """Return the public key with which clients verify what we sign."""
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**public, "use": "sig", "kid": self._key_id, "alg": "RS256"}]}

    def issue(self, principal: str, claims: dict[str, Any], lifetime: int) -> str:
        """Return a new access token."""
        now = int(time.time())
        times = {"iat": now, "nbf": now, "exp": now + lifetime}
        token = self.sign({**claims, **times, "uti": secrets.token_urlsafe(16), "ver": "1.0"})
        self._remember(token, principal, now + lifetime)
        return token

    def issue_refresh(self, principal: str) -> str:
        """Return a new refresh token, which is no access token."""
        token = secrets.token_urlsafe(48)
        self._remember(token, _REFRESH + principal, int(time.time()) + REFRESH_LIFETIME)
        return token

    def _remember(self, token: str, principal: str, expires: int) -> None:
        with self._store.writing() as connection:
            connection.execute('DELETE FROM "$token" WHERE expires < ?', [time.time()])
            connection.execute('INSERT INTO "$token" VALUES (?, ?, ?)', [_digest(token), principal, expires])

    def principal_of(self, token: str) -> str | None:
        """Return for whom an access token stands, or None when it is unknown or has expired."""
        found = self._lookup(_digest(token))
        return found if found and not found.startswith(_REFRESH) else None

    def refreshed(self, token: str) -> str | None:
        """Return for whom a refresh token stands."""
        found = self._lookup(_digest(token))
        return found.removeprefix(_REFRESH) if found and found.startswith(_REFRESH) else None

    def _lookup(self, digest: str) -> str | None:
        known = self._known.get(digest)
        if known is None:
            with self._store.reading() as connection:
                known = connection.execute('SELECT client, expires FROM "$token" WHERE digest = ?', [digest]).fetchone()
            if known is None:
                return None
            with self._lock:
                self._known[digest] = known
        return known[0] if known[1] > time.time() else None

    def forget(self) -> None:
        """Make every access token issued so far invalid; refresh tokens go on."""
        with self._store.writing() as connection:
            connection.execute('DELETE FROM "$token" WHERE client NOT LIKE ?', [f"{_REFRESH}%"])
        with self._lock:
            self._known.clear()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
