"""What a client needs to reach the sandbox, and where the data folder keeps it."""

import json
import os
import secrets
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Credentials:
    """The tenant and its registered clients; made at the first start and kept.

    The first client is a System Administrator, for tools and tests. The second, `sync_…`, has no role: the dedicated
    account that an integration is set up with.
    """

    tenant: str
    client_id: str
    client_secret: str = field(repr=False)
    sync_client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    sync_client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)

    @property
    def clients(self) -> tuple[str, str]:
        """The ids of the registered clients."""
        return self.client_id, self.sync_client_id

    def secret_of(self, client: str) -> str | None:
        """Return the secret of a registered client."""
        return {self.client_id: self.client_secret, self.sync_client_id: self.sync_client_secret}.get(client.lower())


@dataclass(frozen=True)
class Details:
    """The content of `sandbox.json`."""

    address: str
    authority: str
    tenant: str
    client_id: str
    client_secret: str = field(repr=False)
    sync_client_id: str = ""
    sync_client_secret: str = field(default="", repr=False)
    ca_file: str = ""
    client_certificate: str = ""


@dataclass(frozen=True)
class Certificates:
    """Where the files are: the authority that clients trust, the server's chain and key, the registered client's
    certificate with its key, and the key that signs tokens."""

    authority: Path
    chain: Path
    key: Path
    client: Path
    signing: Path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, at once or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)


def load_credentials(folder: Path) -> Credentials:
    """Return the credentials kept in the data folder, making them when there are none."""
    path = folder / "credentials.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    made = {"tenant": str(uuid.uuid4()), "client_id": str(uuid.uuid4()), "client_secret": secrets.token_urlsafe(30)}
    credentials = Credentials(**made | known)
    if asdict(credentials) != known:
        write_private(path, json.dumps(asdict(credentials)).encode())
    return credentials


def details(credentials: Credentials, port: int, certificates: Certificates) -> Details:
    """Return what clients need when the sandbox answers on this port."""
    address = f"https://localhost:{port}"
    return Details(
        address=address,
        authority=f"{address}/{credentials.tenant}",
        tenant=credentials.tenant,
        client_id=credentials.client_id,
        client_secret=credentials.client_secret,
        sync_client_id=credentials.sync_client_id,
        sync_client_secret=credentials.sync_client_secret,
        ca_file=str(certificates.authority),
        client_certificate=str(certificates.client),
    )


def write_details(folder: Path, content: Details) -> str:
    """Write `sandbox.json` and return its text."""
    text = json.dumps(asdict(content), indent=2)
    write_private(folder / "sandbox.json", text.encode() + b"\n")
    return text
