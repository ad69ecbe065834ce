"""One client a process for the settings of a connection: sessions, tokens and definitions are shared."""

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

if TYPE_CHECKING:
    from connection.models import CRMConnection

_clients: dict[tuple[object, ...], DataverseClient] = {}


def client_for(connection: "CRMConnection") -> DataverseClient:
    """The client for the present settings of `connection`. Raises what `sign_in_of` raises.

    A process forked from this one makes its own, because sockets cannot be shared.
    """
    key = _key(connection)
    if key not in _clients:
        _clients.clear()
        _clients[key] = new_client(connection)
    return _clients[key]


def new_client(connection: "CRMConnection", *, clock: Clock | None = None) -> DataverseClient:
    """A client of its own for `connection`. Raises what `sign_in_of` raises."""
    store = DatabaseStore(connection.tables) if connection.pk else MemoryStore()
    traffic = Traffic(budget_of(connection), clock)
    return DataverseClient(Http(crm_address(connection.address), sign_in_of(connection), traffic=traffic), store=store)


def sign_in_of(connection: "CRMConnection") -> SignIn:
    """The sign-in that `connection` describes. Raises AddressRefused, UnreadableSecret and CertificateUnusable."""
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
