"""A `requests` session that cannot be talked into anything (libraries.md 4): https only, no redirects, always
time-outs, no cookies, nothing from the environment but the CA bundle, and no connection to inner networks."""

import ipaddress
import os
import time
from collections.abc import Callable, Iterator
from http.cookiejar import DefaultCookiePolicy
from socket import socket
from typing import Any
from urllib.parse import urlsplit

import requests
from django.utils.translation import gettext_lazy as _
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from connection.dataverse.address import is_extra
from connection.dataverse.degree import MOST
from connection.dataverse.errors import AddressRefused, AnswerTooLong

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 120.0
# No honest answer is longer, or takes longer to arrive once it has begun.
MOST_BYTES = 200 * 1024 * 1024
MOST_SECONDS = 300.0

_PIECE = 1024 * 1024

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class GuardedSession(requests.Session):
    """A session for one connection; see the module for what it refuses."""

    def __init__(
        self,
        *,
        timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
        admits: Callable[[str], bool] | None = None,
    ) -> None:
        super().__init__()
        self.admits = admits
        # A .netrc or proxy variable would replace our Authorization header or see our traffic.
        self.trust_env = False
        self.verify = ca_bundle() or True
        self.timeout = timeout
        # The affinity cookie would pin all requests to one web server of the CRM (dataverse-web-api.md 1.4).
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.adapters.clear()
        self.mount("https://", _GuardedAdapter(pool_maxsize=MOST + 4))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """As in requests, with time-outs and without redirects. Raises AddressRefused where `admits` says no."""
        if self.admits and not self.admits(str(url)):
            raise AddressRefused(technical=f"a link of the login server leads to {str(url)[:100]!r}")
        kwargs.setdefault("timeout", self.timeout)
        kwargs["allow_redirects"] = False
        streamed, kwargs["stream"] = kwargs.get("stream"), True
        response = super().request(method, url, *args, **kwargs)
        if not streamed:
            # What `response.content` would read without a limit.
            response._content = read_capped(response)
        return response


def read_capped(response: requests.Response) -> bytes:
    """The body, unpacked. Raises AnswerTooLong, and urllib3's errors where it breaks off."""
    pieces, size, deadline = [], 0, time.monotonic() + MOST_SECONDS
    for piece in _arriving(response):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise AnswerTooLong(technical=f"an answer of more than {MOST_BYTES} bytes")
        if time.monotonic() > deadline:
            raise AnswerTooLong(technical=f"an answer that takes more than {MOST_SECONDS:.0f} seconds")
    return b"".join(pieces)


def _arriving(response: requests.Response) -> Iterator[bytes]:
    """The pieces of the body as they come in: whoever waits for a full piece does not notice how slowly it fills."""
    if response._content_consumed:  # type: ignore[attr-defined]  # requests has no public name for it
        yield response.content
        return
    while piece := response.raw.read1(_PIECE, decode_content=True):
        yield piece


def ca_bundle() -> str:
    """The file with the certificate authorities of the operator's own network, or "" for the usual ones."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or ""


def is_public(peer: str) -> bool:
    """Whether the IP address is one of the internet, also where it wraps an older one (RFC 6052 NAT64, 6to4)."""
    address = ipaddress.ip_address(peer)
    inner = _wrapped(address) if isinstance(address, ipaddress.IPv6Address) else None
    return address.is_global and not address.is_multicast and (inner is None or inner.is_global)


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


class _GuardedConnection(HTTPSConnection):
    """Looks at the address that the name led to after connecting, so that a changing DNS answer gains nothing."""

    def connect(self) -> None:
        """Connect and shake hands. Raises NewConnectionError where that fails: nothing was sent then (I1)."""
        try:
            super().connect()
        except OSError as failure:
            raise NewConnectionError(self, f"no TLS with {self.host}: {failure}") from failure

    def _new_conn(self) -> socket:
        connected = super()._new_conn()
        peer = str(connected.getpeername()[0])
        if not is_public(peer) and not is_extra(urlsplit(f"https://{self.host}:{self.port}")):
            connected.close()
            raise AddressRefused(_("The address leads into an inner network."), technical=f"{self.host} is {peer}")
        return connected


class _GuardedPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedConnection


class _GuardedAdapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _GuardedPool}
