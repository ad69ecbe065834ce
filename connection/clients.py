"""One client a process for the settings of a connection: sessions, tokens and definitions are shared.

Where somebody waits (`connection.lane`), it is that client's reserved lane.
"""

import os
from typing import TYPE_CHECKING

from django.conf import settings

from connection.budgets import budget_of
from connection.dataverse.address import crm_address
from connection.dataverse.auth import SignIn
from connection.dataverse.certificate import Certificate
from connection.dataverse.client import DataverseClient
from connection.dataverse.http import Http
from connection.dataverse.remembering import MemoryStore
from connection.dataverse.session import ca_bundle
from connection.dataverse.traffic import Clock, Traffic
from connection.definitions import DatabaseStore
from connection.installation import refuse_copy
from connection.lane import is_awaited

if TYPE_CHECKING:
    from connection.models import CRMConnection

_clients: dict[tuple[object, ...], DataverseClient] = {}


def client_for(connection: "CRMConnection") -> DataverseClient:
    """The client for the present settings of `connection`. Raises what `sign_in_of` raises.

    A process forked from this one makes its own, because sockets cannot be shared.
    """
    refuse_copy(connection)
    key = _key(connection)
    if key not in _clients:
        _clients.clear()
        _clients[key] = _bulk_client(connection, None)
    return _in_lane(_clients[key])


def new_client(connection: "CRMConnection", *, clock: Clock | None = None) -> DataverseClient:
    """A client of its own for `connection`. Raises what `sign_in_of` raises."""
    return _in_lane(_bulk_client(connection, clock))


def _in_lane(client: DataverseClient) -> DataverseClient:
    return client.interactive() if is_awaited() else client


def _bulk_client(connection: "CRMConnection", clock: Clock | None) -> DataverseClient:
    store = DatabaseStore(connection.tables) if connection.pk else MemoryStore()
    traffic = Traffic(budget_of(connection), clock)
    return DataverseClient(Http(crm_address(connection.address), sign_in_of(connection), traffic=traffic), store=store)


def sign_in_of(connection: "CRMConnection") -> SignIn:
    """The sign-in that `connection` describes.

    Raises CopiedDatabase, AddressRefused, UnreadableSecret and CertificateUnusable.
    """
    refuse_copy(connection)
    certificate = connection.certificate.reveal()
    return SignIn(
        crm_address(connection.address),
        tenant=connection.tenant_id,
        client_id=connection.client_id,
        client_secret=connection.client_secret.reveal(),
        certificate=Certificate.parse(certificate) if certificate else None,
        authority=connection.authority,
    )


def _key(connection: "CRMConnection") -> tuple[object, ...]:
    return (
        os.getpid(),
        connection.pk,
        connection.address,
        connection.authority,
        connection.tenant_id,
        connection.client_id,
        connection.client_secret.encrypted,
        connection.certificate.encrypted,
        ca_bundle(),
        *settings.EXTRA_CRM_HOSTS,
    )
