"""The certificates of the sandbox: an authority of its own and a server certificate, made at the first start."""

from dataclasses import dataclass
from pathlib import Path

import trustme

from sandbox.details import write_private


@dataclass(frozen=True)
class Certificates:
    """Where the files are: the authority that clients trust, and the server's certificate chain and key."""

    authority: Path
    chain: Path
    key: Path


def load_certificates(folder: Path) -> Certificates:
    """Return the certificates kept in the data folder, making them when any is missing."""
    found = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    if not (found.authority.exists() and found.chain.exists() and found.key.exists()):
        authority = trustme.CA()
        server = authority.issue_cert("localhost", "127.0.0.1", "::1")
        write_private(found.key, server.private_key_pem.bytes())
        write_private(found.chain, b"".join(blob.bytes() for blob in server.cert_chain_pems))
        write_private(found.authority, authority.cert_pem.bytes())
    return found
