"""A CRM, or who poses as one, cannot talk the client into anything (libraries.md 4)."""

import gzip
import time
from socket import create_connection

import pytest
from pytest_django import Settings

from connection.dataverse import session as guarded
from connection.dataverse.batch import Part, encode
from connection.dataverse.errors import AddressRefused, AnswerTooLong, NotDataverse
from connection.dataverse.http import Http
from connection.dataverse.session import GuardedSession, is_public
from connection.dataverse.traffic import Traffic
from connection.errors import Bug
from tests.connection.conftest import Pauses, Serve, client_to
from tests.connection.test_http import FINE, Tokens
from tests.connection.tls_server import TENANT, Said, json_said


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
    monkeypatch.setattr(guarded, "MOST_SECONDS", 0.3)
    began = time.monotonic()
    with serve(lambda asked: Said(200, b" " * 600, pause=0.1)) as server:
        with pytest.raises(AnswerTooLong, match="not Dynamics CRM") as caught:
            Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).get("accounts")
        # Far less than the minute that all of it takes, however busy the machine.
        assert time.monotonic() - began < 30
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
        host = server.address.removeprefix("https://")
        for link in (
            f"{server.address}.evil.example/",
            f"https://x@{host}0/",
            "http://localhost/",
            f"https://evil.example\\@{host}/",
            f"https://evil.example\t@{host}/",
            f"https://user:word@{host}/",
            f"{server.address}\\@evil.example/",
            f"https://[::1]:{server.server_port}/",
            f"https://2130706433:{server.server_port}/",
            f"https://127.1:{server.server_port}/",
            "https://[::1/",
            f"HTTPS:///{host}/",
        ):
            with pytest.raises(AddressRefused):
                http.get(link)
        assert server.asked == []


def test_a_login_server_cannot_send_the_secret_elsewhere(serve: Serve, pauses: Pauses) -> None:
    with serve(lambda asked: FINE) as thief, serve(lambda asked: FINE) as server:
        token = f"{thief.address}/{TENANT}/oauth2/v2.0/token"
        base = f"{server.address}/{TENANT}"
        server.discovery = json_said(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": token,
            }
        )
        with pytest.raises(AddressRefused):
            client_to(server, pauses).sign_in()
        assert (thief.tokens_given, server.tokens_given) == (0, 0)


def test_a_value_cannot_begin_a_request_of_its_own_in_a_batch() -> None:
    with pytest.raises(Bug, match="inside crmbridge"):
        encode([Part("PATCH", "accounts(1)", b"{}", {"If-Match": '"1"\r\n\r\n--x'})], "/api/")
    with pytest.raises(Bug):
        encode([Part("GET", "accounts\nDELETE /api/accounts(1) HTTP/1.1")], "/api/")


def test_an_inner_login_server_is_refused_too(serve: Serve, pauses: Pauses, settings: Settings) -> None:
    with serve(lambda asked: FINE) as server:
        client = client_to(server, pauses)
        settings.EXTRA_CRM_HOSTS = []
        with pytest.raises(AddressRefused):
            client.sign_in()
        assert server.tokens_given == 0
        with create_connection(("127.0.0.1", server.server_port)):
            pass
