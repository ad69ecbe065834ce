"""Which registered client asks: by secret, by signed assertion, or as a public client with PKCE (2.1, 2.5)."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sandbox.details import Credentials, write_private
from sandbox.identity.refusals import SignInError

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS = ["RS256", "PS256"]


class Clients:
    """The registered applications with their secrets, and the certificates of the first."""

    def __init__(self, credentials: Credentials, certificates: Iterable[Path], registered: Path) -> None:
        self.credentials = credentials
        self._registered = registered
        self._certificates: dict[str, x509.Certificate] = {}
        self.are_secrets_expired = False
        for path in (*certificates, registered):
            if path.exists():
                self._keep(path.read_bytes())

    def _keep(self, pem: bytes) -> None:
        for certificate in x509.load_pem_x509_certificates(pem):
            for algorithm in (hashes.SHA1(), hashes.SHA256()):  # noqa: S303 - thumbprints, as the header names them
                self._certificates[_base64(certificate.fingerprint(algorithm))] = certificate

    def register(self, pem: bytes) -> None:
        """Register one more certificate, kept over restarts. Raises ValueError when it is none."""
        self._keep(pem)
        known = self._registered.read_bytes() if self._registered.exists() else b""
        write_private(self._registered, known + pem.strip() + b"\n")

    def check(self, form: Mapping[str, str], authorization: str, audiences: list[str]) -> tuple[str, bool]:
        """Return the client id, and whether the client proved who it is. Raises SignInError."""
        basic = _basic(authorization)
        assertion = form.get("client_assertion", "")
        client, secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
        if assertion and not client:
            client = str(_unverified(assertion).get("sub", ""))
        if self.credentials.secret_of(client) is None:
            message = f"Application with identifier '{client}' was not found in the directory."
            raise SignInError(400, "unauthorized_client", 700016, message)
        if assertion:
            self._check_assertion(assertion, form.get("client_assertion_type", ""), audiences)
        elif secret:
            self._check_secret(client, secret)
        return client.lower(), bool(assertion or secret)

    def _check_secret(self, client: str, secret: str) -> None:
        if not hmac.compare_digest(secret.encode(), (self.credentials.secret_of(client) or "").encode()):
            message = f"Invalid client secret provided for app '{client}'."
            raise SignInError(401, "invalid_client", 7000215, message)
        if self.are_secrets_expired:
            message = f"The provided client secret keys for app '{client}' are expired."
            raise SignInError(401, "invalid_client", 7000222, message)

    def _check_assertion(self, assertion: str, kind: str, audiences: list[str]) -> None:
        """Verify the signature with the certificate that the header names, and who is meant until when."""
        if kind != ASSERTION:
            raise SignInError(400, "invalid_request", 90023, "The client_assertion_type is not supported.")
        try:
            header = jwt.get_unverified_header(assertion)
            certificate = self._certificates.get(str(header.get("x5t#S256") or header.get("x5t")).rstrip("="))
            if certificate is None:
                message = "The certificate with identifier used to sign the client assertion is not registered."
                raise SignInError(401, "invalid_client", 700027, message)
            key: Any = certificate.public_key()
            claims = jwt.decode(
                assertion, key, _ALGORITHMS, audience=audiences, options={"require": ["exp", "aud", "iss", "sub"]}
            )
        except jwt.ExpiredSignatureError as error:
            message = "Client assertion is not within its valid time range."
            raise SignInError(401, "invalid_client", 700024, message) from error
        except jwt.PyJWTError as error:
            message = f"Client assertion failed signature or claims validation: {error}."
            raise SignInError(401, "invalid_client", 700027, message) from error
        if not claims["iss"] == claims["sub"] == self.credentials.client_id:
            message = "The issuer and subject of the client assertion must be the client id."
            raise SignInError(401, "invalid_client", 700021, message)


def _unverified(assertion: str) -> dict[str, Any]:
    try:
        return dict(jwt.decode(assertion, options={"verify_signature": False}))
    except jwt.PyJWTError:
        return {}


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def challenge_of(verifier: str, method: str) -> str:
    """Return the PKCE challenge that belongs to a verifier."""
    return verifier if method == "plain" else _base64(hashlib.sha256(verifier.encode()).digest())


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
