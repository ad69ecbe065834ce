"""The sandbox's stand-in for Entra ID: discovery document, client-credentials tokens, bearer check (2.1, 2.2, 2.6)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from sandbox.details import Credentials
from sandbox.errors import NOT_A_MEMBER, USER_DISABLED, DataverseError, does_not_exist
from sandbox.protocol import Answer
from sandbox.store.database import Store

LIFETIME = 3599


@dataclass
class SignInError(Exception):
    """A refusal in the shape of Entra ID: an OAuth error with an AADSTS number."""

    status: int
    error: str
    number: int
    message: str

    def answer(self) -> Answer:
        """Return the refusal as JSON."""
        content = {
            "error": self.error,
            "error_description": f"AADSTS{self.number}: {self.message}",
            "error_codes": [self.number],
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
            "trace_id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
        }
        return Answer.of(content, self.status, {"Content-Type": "application/json; charset=utf-8"})


def _part(content: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class SignIn:
    """Issues tokens for the one registered client and recognises them, also after a restart."""

    def __init__(self, store: Store, credentials: Credentials, address: str, lifetime: int = LIFETIME) -> None:
        self.lifetime = lifetime
        self.store = store
        self.credentials = credentials
        self.address = address
        self._known: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    # -- Entra ID's endpoints

    def discovery(self, tenant: str) -> Answer:
        """Return the OpenID configuration of the tenant. Raises SignInError for another tenant."""
        self._check_tenant(tenant)
        base = f"{self.address}/{tenant}"
        content = {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
        }
        return Answer.of(content, headers={"Content-Type": "application/json; charset=utf-8"})

    def token(self, tenant: str, body: bytes, authorization: str = "") -> Answer:
        """Answer a token request of the client-credentials grant. Raises SignInError."""
        self._check_tenant(tenant)
        form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        client, secret = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        if form.get("grant_type") != "client_credentials":
            raise SignInError(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        self._check_client(client, secret)
        self._check_resource(form)
        content = {"token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME}
        return Answer.of(content | {"access_token": self._issue(client)}, headers={"Cache-Control": "no-store"})

    def _check_tenant(self, tenant: str) -> None:
        if tenant.lower() != self.credentials.tenant:
            message = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
            raise SignInError(400, "invalid_request", 90002, message)

    def _check_client(self, client: str, secret: str) -> None:
        if client.lower() != self.credentials.client_id:
            message = f"Application with identifier '{client}' was not found in the directory."
            raise SignInError(400, "unauthorized_client", 700016, message)
        if not hmac.compare_digest(secret.encode(), self.credentials.client_secret.encode()):
            message = f"Invalid client secret provided for app '{client}'."
            raise SignInError(401, "invalid_client", 7000215, message)

    def _check_resource(self, form: Mapping[str, str]) -> None:
        scope = form.get("scope", "").split(" ")[0]
        resource = form.get("resource") or scope.removesuffix("/.default")
        if resource.rstrip("/").lower() not in (self.address, self.address.replace("localhost", "127.0.0.1")):
            message = f"The resource principal named {resource} was not found in the tenant."
            raise SignInError(400, "invalid_resource", 500011, message)

    def _issue(self, client: str) -> str:
        now = int(time.time())
        claims = {"aud": self.address, "iss": f"{self.address}/{self.credentials.tenant}/", "iat": now, "nbf": now}
        claims |= {"exp": now + LIFETIME, "appid": client, "tid": self.credentials.tenant, "ver": "1.0"}
        token = f"{_part({'typ': 'JWT', 'alg': 'none'})}.{_part(claims)}.{secrets.token_urlsafe(32)}"
        with self.store.writing() as connection:
            connection.execute('DELETE FROM "$token" WHERE expires < ?', [now])
            connection.execute('INSERT INTO "$token" VALUES (?, ?, ?)', [_digest(token), client, now + LIFETIME])
        return token

    # -- the bearer check

    def client_of(self, authorization: str) -> str:
        """Return the client id behind a bearer token. Raises DataverseError (401) with the challenge (2.2)."""
        scheme, _, token = authorization.partition(" ")
        found = self._lookup(_digest(token.strip())) if scheme.lower() == "bearer" else None
        if found is None or found[1] < time.time():
            raise self._challenge()
        return found[0]

    def _lookup(self, digest: str) -> tuple[str, float] | None:
        if digest not in self._known:
            with self.store.reading() as connection:
                row = connection.execute('SELECT client, expires FROM "$token" WHERE digest = ?', [digest]).fetchone()
            if row is None:
                return None
            with self._lock:
                self._known[digest] = (row[0], row[1])
        return self._known[digest]

    def forget_tokens(self) -> None:
        """Make every token issued so far invalid."""
        with self.store.writing() as connection:
            connection.execute('DELETE FROM "$token"')
        with self._lock:
            self._known.clear()

    def _challenge(self) -> DataverseError:
        authority = f"{self.address}/{self.credentials.tenant}/oauth2/authorize"
        value = f"Bearer authorization_uri={authority}, resource_id={self.address}/"
        return DataverseError(
            401, "0x80072561", "HTTP Error 401 - Unauthorized: Access is denied", {"WWW-Authenticate": value}
        )

    def user_of(self, client: str, headers: Mapping[str, str]) -> str:
        """Return the systemuserid that acts: the client's application user, or the one it impersonates (1.2, 2.1)."""
        user = self._enabled_user("applicationid", client)
        if user is None:
            raise DataverseError(403, NOT_A_MEMBER, "The user is not a member of the organization.")
        for header, column in (("mscrmcallerid", "systemuserid"), ("callerobjectid", "azureactivedirectoryobjectid")):
            wanted = headers.get(header)
            if wanted:
                user = self._enabled_user(column, wanted.strip("{}").lower())
                if user is None:
                    raise does_not_exist("systemuser", wanted)
        return user

    def _enabled_user(self, column: str, value: str) -> str | None:
        sql = f"SELECT systemuserid, isdisabled FROM systemuser WHERE {column} = ?"
        with self.store.reading() as connection:
            row = connection.execute(sql, [value]).fetchone()
        if row is not None and row[1]:
            raise DataverseError(
                403, USER_DISABLED, "The specified user is either disabled or is not a member of any business unit."
            )
        return row[0] if row else None


def _basic(authorization: str) -> tuple[str, str] | None:
    """Return client id and secret of an HTTP Basic header, or None."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, _, secret = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return None
    return client, secret
