"""One client a process for the settings of a connection: sessions, tokens and definitions are shared."""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings

from connection.dataverse.address import crm_address
from connection.dataverse.auth import SignIn
from connection.dataverse.client import DataverseClient
from connection.dataverse.http import Http
from connection.dataverse.metadata import MemoryStore
from connection.dataverse.session import ca_bundle
from connection.definitions import DatabaseStore

if TYPE_CHECKING:
    from connection.models import CRMConnection

_clients: dict[tuple[object, ...], DataverseClient] = {}


def client_for(connection: "CRMConnection") -> DataverseClient:
    """The client for the present settings of `connection`. Raises AddressRefused and UnreadableSecret.

    A process forked from this one makes its own, because sockets cannot be shared.
    """
    key = _key(connection)
    if key not in _clients:
        _clients.clear()
        _clients[key] = new_client(connection)
    return _clients[key]


def new_client(connection: "CRMConnection", *, sleep: Callable[[float], None] = time.sleep) -> DataverseClient:
    """A client of its own for `connection`."""
    address = crm_address(connection.address)
    sign_in = SignIn(
        address,
        tenant=connection.tenant_id,
        client_id=connection.client_id,
        client_secret=connection.client_secret.reveal(),
        authority=connection.authority,
    )
    store = DatabaseStore(connection.tables) if connection.pk else MemoryStore()
    return DataverseClient(Http(address, sign_in, sleep=sleep), store=store)


def _key(connection: "CRMConnection") -> tuple[object, ...]:
    return (
        os.getpid(),
        connection.pk,
        connection.address,
        connection.authority,
        connection.tenant_id,
        connection.client_id,
        connection.client_secret.encrypted,
        ca_bundle(),
        *settings.EXTRA_CRM_HOSTS,
    )
