"""A person signs in for one task; nothing of it stays (dataverse-web-api.md 2.1)."""

import base64
import json
import logging
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connection.dataverse.errors import SignInRefused
from connection.masking import _registered
from connection.models import CRMConnection
from connection.person import Begun, SignInEnded, begin, finish
from tests.connection.conftest import Pauses, Serve, connection_to
from tests.connection.tls_server import TENANT, TOKEN, Asked, Said, Server, json_said

RETURN = "https://bridge.example/connection/signed-in/"
ME = {name: "00000000-0000-0000-0000-00000000000" + str(at) for at, name in enumerate(("UserId", "BusinessUnitId"))}


def who_am_i(asked: Asked) -> Said:
    return json_said(ME | {"OrganizationId": ME["UserId"]})


def asked_of(begun: Begun) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(begun.address).query).items()}


def begun_at(server: Server, connection: CRMConnection | None = None) -> tuple[CRMConnection, Begun]:
    connection = connection or connection_to(server.address)
    begun = begin(connection, RETURN)
    server.id_token = id_token(server, asked_of(begun)["nonce"])
    return connection, begun


def id_token(server: Server, nonce: str) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {"iss": f"{server.address}/{TENANT}/v2.0", "aud": "app", "sub": "ada", "nonce": nonce}
    parts = [{"alg": "none"}, claims | {"iat": now, "exp": now + 600}]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), ""])


def test_a_person_signs_in_with_pkce_and_acts_as_herself(
    serve: Serve, pauses: Pauses, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serve(who_am_i) as server:
        connection, begun = begun_at(server)
        asked = asked_of(begun)
        assert begun.address.startswith(f"{server.address}/{TENANT}/oauth2/v2.0/authorize?")
        assert (asked["redirect_uri"], asked["code_challenge_method"]) == (RETURN, "S256")
        assert f"{server.address}/user_impersonation" in asked["scope"].split()
        assert "offline_access" not in asked["scope"]
        with finish(connection, begun.sealed, {"code": "c0de", "state": asked["state"]}, clock=pauses) as client:
            assert str(client.who_am_i().user_id) == ME["UserId"]
        with pytest.raises(SignInEnded):
            client.who_am_i()
    (form,) = server.token_forms
    assert (form["grant_type"], form["code"]) == ("authorization_code", "c0de")
    assert form["code_verifier"] not in begun.sealed
    token = f"{TOKEN}1"
    assert server.asked[0].headers["Authorization"] == f"Bearer {token}"
    assert token not in caplog.text + repr(client.__dict__) + repr(_registered)


def test_the_token_is_forgotten_when_the_task_fails(serve: Serve, pauses: Pauses) -> None:
    with serve(who_am_i) as server:
        connection, begun = begun_at(server)
        answer = {"code": "c", "state": asked_of(begun)["state"]}
        with pytest.raises(ZeroDivisionError), finish(connection, begun.sealed, answer, clock=pauses) as client:
            _ = 1 / 0
        with pytest.raises(SignInEnded):
            client.who_am_i()


def test_a_token_that_the_crm_refuses_is_not_renewed(serve: Serve, pauses: Pauses) -> None:
    with serve(lambda asked: Said(401)) as server:
        connection, begun = begun_at(server)
        answer = {"code": "c", "state": asked_of(begun)["state"]}
        with finish(connection, begun.sealed, answer, clock=pauses) as client, pytest.raises(SignInEnded):
            client.who_am_i()
        assert server.tokens_given == 1


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"error": "access_denied", "error_description": "AADSTS65004"}, "cancelled"),
        ({"code": "c", "state": "another"}, "does not belong"),
        ({}, "does not belong"),
    ],
)
def test_a_refusal_is_said_plainly(serve: Serve, answer: dict[str, str], text: str) -> None:
    with serve(who_am_i) as server:
        connection, begun = begun_at(server)
        with pytest.raises(SignInRefused, match=text), finish(connection, begun.sealed, answer):
            pass
        assert server.tokens_given == 0


def test_a_code_that_the_login_server_refuses(serve: Serve) -> None:
    with serve(who_am_i) as server:
        connection, begun = begun_at(server)
        server.login = json_said({"error": "invalid_grant", "error_description": "AADSTS70008: expired"}, 400)
        answer = {"code": "c", "state": asked_of(begun)["state"]}
        with pytest.raises(SignInRefused) as caught, finish(connection, begun.sealed, answer):
            pass
        assert caught.value.code == "AADSTS70008"


def test_a_sign_in_belongs_to_its_connection_and_its_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(who_am_i) as server:
        connection, begun = begun_at(server)
        answer = {"code": "c", "state": asked_of(begun)["state"]}
        for sealed in ("", "nonsense"):
            with pytest.raises(SignInEnded), finish(connection, sealed, answer):
                pass
        other = connection_to("https://other.crm4.dynamics.com", authority=server.address)
        with pytest.raises(SignInEnded), finish(other, begun.sealed, answer):
            pass
        real = time.time
        monkeypatch.setattr("time.time", lambda: real() + 16 * 60)
        with pytest.raises(SignInEnded), finish(connection, begun.sealed, answer):
            pass
