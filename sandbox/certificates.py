"""The certificates and keys of the sandbox, made at the first start: its own authority and server, client, signing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sandbox.details import Certificates, write_private


def load_certificates(folder: Path) -> Certificates:
    """Return the certificates kept in the data folder, making them when any is missing."""
    names = ("ca.pem", "server.pem", "server.key", "client.pem", "signing.key")
    found = Certificates(*(folder / name for name in names))
    if not (found.authority.exists() and found.chain.exists() and found.key.exists()):
        authority = trustme.CA()
        server = authority.issue_cert("localhost", "127.0.0.1", "::1")
        write_private(found.key, server.private_key_pem.bytes())
        write_private(found.chain, b"".join(blob.bytes() for blob in server.cert_chain_pems))
        write_private(found.authority, authority.cert_pem.bytes())
    if not found.client.exists():
        write_private(found.client, _self_signed("crmbridge"))
    if not found.signing.exists():
        write_private(found.signing, _pem(_new_key()))
    return found


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _self_signed(name: str) -> bytes:
    """Return a new key and a certificate for it, as an administrator would upload it to Entra ID."""
    key, now = _new_key(), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    lasting = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=730))
    return _pem(key) + lasting.sign(key, SHA256()).public_bytes(Encoding.PEM)
