"""A CRM, or who poses as one, cannot talk the client into anything (libraries.md 4)."""

import gzip
from socket import create_connection

import pytest
from pytest_django import Settings

from connection.dataverse import session as guarded
from connection.dataverse.errors import AddressRefused, NotDataverse
from connection.dataverse.http import Http
from connection.dataverse.session import GuardedSession, is_public
from connection.dataverse.traffic import Traffic
from tests.connection.conftest import Pauses, Serve, client_to
from tests.connection.test_http import FINE, Tokens
from tests.connection.tls_server import Said, json_said


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_addresses_of_inner_networks_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["20.190.128.1", "2603:1026::1", "::ffff:20.190.128.1", "64:ff9b::14be:8001"])
def test_addresses_of_the_internet_are_known(address: str) -> None:
    assert is_public(address)


def test_an_answer_without_end_is_cut_off(serve: Serve, pauses: Pauses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "MOST_BYTES", 1024 * 1024)
    bomb = gzip.compress(b" " * 5 * 1024 * 1024)
    with serve(lambda asked: Said(200, bomb, {"Content-Encoding": "gzip"})) as server:
        with pytest.raises(NotDataverse, match="not Dynamics CRM") as caught:
            Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).get("accounts")
        assert "more than" in caught.value.technical
        with pytest.raises(NotDataverse):
            GuardedSession().get(f"{server.address}/login")


def test_an_answer_that_trickles_is_cut_off(serve: Serve, pauses: Pauses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "MOST_SECONDS", -1.0)
    with serve(lambda asked: FINE) as server, pytest.raises(NotDataverse, match="not Dynamics CRM") as caught:
        Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).get("accounts")
    assert "seconds" in caught.value.technical


def test_a_login_server_without_end_is_cut_off(serve: Serve, pauses: Pauses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "MOST_BYTES", 1024)
    with serve(lambda asked: FINE) as server:
        server.discovery = Said(200, b" " * 5000)
        with pytest.raises(NotDataverse):
            client_to(server, pauses).sign_in()


def test_every_request_has_time_outs_and_no_plain_http() -> None:
    session = GuardedSession()
    assert all(0 < seconds <= 120 for seconds in session.timeout)
    assert list(session.adapters) == ["https://"]
    assert session.trust_env is False


def test_a_redirect_is_not_followed_even_when_asked(serve: Serve) -> None:
    with serve(lambda asked: Said(302, headers={"Location": "https://elsewhere.example/"})) as server:
        assert GuardedSession().get(f"{server.address}/x", allow_redirects=True).status_code == 302
        assert len(server.asked) == 1


def test_a_delta_link_to_another_origin_is_not_followed(serve: Serve, pauses: Pauses) -> None:
    with serve(lambda asked: json_said({"value": []})) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=pauses))
        for link in (f"{server.address}.evil.example/", f"https://x@{server.address[8:]}0/", "http://localhost/"):
            with pytest.raises(AddressRefused):
                http.get(link)
        assert server.asked == []


def test_an_inner_login_server_is_refused_too(serve: Serve, pauses: Pauses, settings: Settings) -> None:
    with serve(lambda asked: FINE) as server:
        client = client_to(server, pauses)
        settings.EXTRA_CRM_HOSTS = []
        with pytest.raises(AddressRefused):
            client.sign_in()
        assert server.tokens_given == 0
        with create_connection(("127.0.0.1", server.server_port)):
            pass
