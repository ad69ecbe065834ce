"""How requests are sent: retries, throttling, tokens, trust."""

import logging
from dataclasses import replace
from itertools import pairwise
from socket import create_server
from threading import Thread
from uuid import uuid4

import pytest
from pytest_django import Settings

from connection.dataverse import bulk
from connection.dataverse import session as guarded
from connection.dataverse.batch import Part
from connection.dataverse.errors import (
    AddressRefused,
    NotDataverse,
    OutcomeUnknown,
    ServiceUnavailable,
    SignInRefused,
    Throttled,
    Unreachable,
)
from connection.dataverse.http import ATTEND_EVERY, Http
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.sizing import BatchSize
from connection.dataverse.traffic import Traffic
from tests.connection.conftest import SECRET, Pauses, Serve, client_to
from tests.connection.tls_server import TOKEN, Asked, Said, json_said, refused


class Tokens:
    """Tokens from nowhere."""

    def __init__(self) -> None:
        self.renewed = 0

    def token(self) -> str:
        return f"{TOKEN}{self.renewed}"

    def renew(self) -> None:
        self.renewed += 1


ACCOUNT = TableDefinition("account", "accounts", "accountid", "name", True, "Accounts", True, {})
BUSY = refused(429, "0x80072322", Retry_After="7")
FINE = json_said({"value": []})


def test_a_throttled_read_waits_as_long_as_asked(serve: Serve, pauses: Pauses) -> None:
    answers = iter([BUSY, BUSY, FINE])
    with serve(lambda asked: next(answers)) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=pauses))
        assert http.get("accounts").json() == {"value": []}
    assert [int(pause) for pause in pauses] == [7, 7]
    assert http.requests_sent == 3


def test_a_throttled_write_was_not_carried_out_and_is_sent_again(serve: Serve, pauses: Pauses) -> None:
    answers = iter([BUSY, Said(204)])
    with serve(lambda asked: next(answers)) as server:
        assert Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).post("accounts", {}).status == 204


def test_throttling_gives_up_after_a_few_times(serve: Serve, pauses: Pauses) -> None:
    with serve(lambda asked: BUSY) as server, pytest.raises(Throttled) as caught:
        Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).get("accounts")
    assert caught.value.retry_after == 7
    assert len(pauses) == 4


def test_a_long_pause_is_left_to_the_scheduler(serve: Serve, pauses: Pauses) -> None:
    with (
        serve(lambda asked: refused(429, "0x80072321", Retry_After="900")) as server,
        pytest.raises(Throttled) as caught,
    ):
        Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).get("accounts")
    assert caught.value.retry_after == 900
    assert pauses == []


def test_a_read_survives_a_lost_answer(serve: Serve, pauses: Pauses) -> None:
    answers = iter([Said(0), Said(503), FINE])
    with serve(lambda asked: next(answers)) as server:
        assert Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).get("accounts").status == 200


# After each of these, what was asked for may have been done.
LOST = {
    "cut": Said(0),
    "gateway's page": Said(504, b"<html>gateway</html>"),
    "gateway's nothing": Said(502),
    "gateway's JSON": refused(504, "GatewayTimeout", "The gateway did not receive a response in time."),
    "proxy's time-out": Said(408),
    "proxy's time-out in JSON": refused(408, "RequestTimeout"),
    "fault without a code": refused(500, "", "Oops"),
    "broken encryption": Said(garbled=True),
    "page of a proxy that wants a sign-in": Said(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
    "nothing at all": Said(200),
    "broken packing": Said(200, b"{}", {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_i1_no_row_of_a_lost_bulk_call_is_sent_again(serve: Serve, pauses: Pauses, lost: Said) -> None:
    rows = [{"accountid": str(uuid4()), "name": "A"} for _ in range(100)]
    for table in (ACCOUNT, replace(ACCOUNT, bulk_create=False)):
        with serve(lambda asked: lost) as server:
            http = Http(server.address, Tokens(), traffic=Traffic(clock=pauses))
            outcomes = bulk.create_many(http, table, rows, size=BatchSize())
            assert [type(outcome.error) for outcome in outcomes] == [OutcomeUnknown] * 100
            assert len(server.asked) == 1


def test_i1_an_endless_answer_to_a_write_leaves_its_outcome_unknown(
    serve: Serve, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "MOST_BYTES", 1000)
    with serve(lambda asked: json_said({"Ids": ["x" * 2000]})) as server, pytest.raises(OutcomeUnknown):
        Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).post("accounts", {})


def test_nothing_was_sent_where_no_encryption_came_about(pauses: Pauses, settings: Settings) -> None:
    settings.EXTRA_CRM_HOSTS = ["localhost"]
    with create_server(("127.0.0.1", 0)) as plain:
        Thread(target=lambda: plain.accept()[0].sendall(b"HTTP/1.1 400 This is http\r\n\r\n" * 9), daemon=True).start()
        http = Http(f"https://localhost:{plain.getsockname()[1]}", Tokens(), traffic=Traffic(clock=pauses))
        with pytest.raises(Unreachable, match="https"):
            http.post("accounts", {})


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_i1_a_write_whose_answer_is_lost_is_not_sent_again(serve: Serve, pauses: Pauses, lost: Said) -> None:
    with serve(lambda asked: lost) as server:
        with pytest.raises(OutcomeUnknown):
            Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).post("accounts", {"accountid": str(uuid4())})
        assert len(server.asked) == 1


def test_a_write_that_a_busy_crm_declined_is_no_unknown_outcome(serve: Serve, pauses: Pauses) -> None:
    with serve(lambda asked: refused(503, "0x8004A001")) as server, pytest.raises(ServiceUnavailable):
        Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).post("accounts", {})


def test_a_token_that_is_not_accepted_is_renewed_once(serve: Serve, pauses: Pauses) -> None:
    def answer(asked: Asked) -> Said:
        return FINE if asked.headers["Authorization"].endswith("1") else Said(401)

    tokens = Tokens()
    with serve(answer) as server:
        assert Http(server.address, tokens, traffic=Traffic(clock=pauses)).get("accounts").status == 200
    assert tokens.renewed == 1


def test_a_renewed_token_that_is_not_accepted_ends_it(serve: Serve, pauses: Pauses) -> None:
    with serve(lambda asked: Said(401)) as server:
        with pytest.raises(SignInRefused):
            Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).get("accounts")
        assert len(server.asked) == 2


def test_a_redirect_is_not_followed(serve: Serve, pauses: Pauses) -> None:
    with serve(lambda asked: Said(302, headers={"Location": "https://elsewhere.example/"})) as server:
        with pytest.raises(NotDataverse):
            Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).get("accounts")
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "link", ["https://elsewhere.example/api/", "http://localhost/api/", "https://localhost:1/api/"]
)
def test_the_token_does_not_follow_a_link_to_another_origin(serve: Serve, pauses: Pauses, link: str) -> None:
    with serve(lambda asked: json_said({"value": [], "@odata.nextLink": link})) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=pauses))
        with pytest.raises(AddressRefused):
            http.get(http.get("accounts").json()["@odata.nextLink"])
        assert len(server.asked) == 1


def test_an_inner_address_is_refused_after_connecting(serve: Serve, pauses: Pauses, settings: Settings) -> None:
    with serve(lambda asked: FINE) as server:
        settings.EXTRA_CRM_HOSTS = []
        with pytest.raises(AddressRefused):
            Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).get("accounts")
        assert server.asked == []


def test_every_request_says_who_asks_and_keeps_no_cookie(serve: Serve, pauses: Pauses) -> None:
    with serve(lambda asked: json_said({}, Set_Cookie="ARRAffinity=one")) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=pauses))
        http.get("accounts")
        http.get("accounts")
    last = server.asked[-1].headers
    assert last["User-Agent"].startswith("crmbridge/")
    assert (last["OData-Version"], last["OData-MaxVersion"], last["Accept"]) == ("4.0", "4.0", "application/json")
    assert "Cookie" not in last


def test_neither_secret_nor_token_is_ever_logged(
    serve: Serve, pauses: Pauses, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = iter([BUSY, Said(401), FINE])
    with serve(lambda asked: next(answers)) as server:
        client = client_to(server, pauses)
        client._http.get("accounts")
    shown = caplog.text + repr(client.__dict__) + repr(client._http.__dict__)
    assert "accounts" in caplog.text
    assert SECRET not in shown
    assert TOKEN not in shown


def test_one_sign_in_serves_all_requests(serve: Serve, pauses: Pauses) -> None:
    with serve(lambda asked: FINE) as server:
        client = client_to(server, pauses)
        for _ in range(3):
            client._http.get("accounts")
        assert server.tokens_given == 1


HALF = Said(200, b'{"value": [{"name": "Ada"', {"Content-Type": "application/json"})


def test_half_an_answer_to_a_read_is_asked_for_again(serve: Serve, pauses: Pauses) -> None:
    answers = iter([HALF, FINE])
    with serve(lambda asked: next(answers)) as server:
        assert Http(server.address, Tokens(), traffic=Traffic(clock=pauses)).get("accounts").json() == {"value": []}


MULTIPART = {"Content-Type": "multipart/mixed; boundary=b"}
ONE_PART = b"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 -\r\n\r\n"


@pytest.mark.parametrize("half", [HALF, Said(200, ONE_PART, MULTIPART), Said(200, ONE_PART + b"--b--", MULTIPART)])
def test_i1_half_an_answer_to_a_write_leaves_its_outcome_unknown(serve: Serve, pauses: Pauses, half: Said) -> None:
    with serve(lambda asked: half) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=pauses))
        with pytest.raises(OutcomeUnknown):
            http.write_batch([Part("PATCH", "accounts(1)", b"{}"), Part("PATCH", "accounts(2)", b"{}")])
        assert len(server.asked) == 1


def test_whoever_waits_looks_after_his_affairs_meanwhile(serve: Serve) -> None:
    busy, clock, moments = refused(429, "0x80072322", Retry_After="45"), Pauses(), [0.0]
    said = iter([busy, FINE, busy, Said(204)])
    with serve(lambda asked: next(said, FINE)) as server:
        http = Http(server.address, Tokens(), traffic=Traffic(clock=clock))
        attended = http.attended(lambda: moments.append(sum(clock)))
        attended.get("accounts")
        bulk.create_many(attended, ACCOUNT, [{"accountid": str(uuid4())}], size=BatchSize())
        attends, waited = len(moments), sum(clock)
        http.get("accounts")
    assert waited > 90
    assert max(round(after - before, 6) for before, after in pairwise([*moments, waited])) <= ATTEND_EVERY
    assert len(moments) == attends
