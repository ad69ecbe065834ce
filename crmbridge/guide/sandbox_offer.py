"""The sandbox of this machine, which the demo offers as the environment to connect to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings

from connection.dataverse.address import crm_address
from connection.dataverse.errors import AddressRefused


@dataclass(frozen=True, slots=True)
class SandboxOffer:
    """How the sandbox is reached, as the account made for synchronizing (S35); the secret stays on the server."""

    address: str
    authority: str
    tenant: str
    client_id: str
    client_secret: str = field(repr=False)

    def as_input(self) -> Mapping[str, str]:
        """What a person would enter for it."""
        return {
            "address": self.address,
            "authority": self.authority,
            "tenant_id": self.tenant,
            "client_id": self.client_id,
            "method": "secret",
            "new_secret": self.client_secret,
        }


def sandbox_offer() -> SandboxOffer | None:
    """The sandbox that wrote `settings.SANDBOX_FILE`, where the operator allows its address; else None."""
    try:
        details = json.loads(settings.SANDBOX_FILE.read_text())
        crm_address(details["address"])
        return SandboxOffer(
            address=details["address"],
            authority=details["authority"],
            tenant=details["tenant"],
            client_id=details["sync_client_id"],
            client_secret=details["sync_client_secret"],
        )
    except (OSError, ValueError, KeyError, AddressRefused):
        return None
