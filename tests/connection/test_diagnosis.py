"""Which error an answer of the CRM becomes: the table of dataverse-web-api.md 9.2."""

import socket
from datetime import timedelta
from email.utils import format_datetime

import pytest
import requests
from django.utils import timezone, translation

from connection.dataverse import errors
from connection.dataverse.diagnosis import from_answer, from_exception, retry_after
from connection.dataverse.session import GuardedSession
from connection.errors import CRMBridgeError, Recovery
from tests.connection.tls_server import refused

TABLE = [
    (404, "0x80040217", errors.RowMissing),
    (404, "0x80060891", errors.RowMissing),
    (412, "0x80040237", errors.DuplicateKey),
    (412, "0x80060892", errors.DuplicateKey),
    (400, "0x8006089D", errors.RowRefused),
    (400, "0x80060890", errors.MappingFault),
    (412, "0x80060882", errors.VersionMismatch),
    (400, "0x8006088D", errors.MappingFault),
    (400, "0x80060888", errors.MappingFault),
    (400, "0x80048d19", errors.MappingFault),
    (403, "0x80040220", errors.PrivilegeMissing),
    (403, "0x80040231", errors.RowRefused),
    (403, "0x80048306", errors.RowRefused),
    (403, "0x80048405", errors.PrivilegeMissing),
    (403, "0x80042f09", errors.NoRoles),
    (403, "0x80040225", errors.UserDisabled),
    (403, "0x80072560", errors.NotAMember),
    (429, "0x80072322", errors.Throttled),
    (429, "0x80072321", errors.Throttled),
    (429, "0x80072326", errors.Throttled),
    (429, "0x8005F103", errors.Throttled),
    (503, "0x8004A001", errors.ServiceUnavailable),
    (500, "0x80044151", errors.ServerFault),
    (500, "0x80040216", errors.ServerFault),
    (400, "0x80040265", errors.RowRefused),
    (400, "0x80044331", errors.RowRefused),
    (400, "0x8004432F", errors.RowRefused),
    (400, "0x8004431A", errors.RowRefused),
    (400, "0x80048408", errors.RowRefused),
    (400, "0x80040203", errors.RowRefused),
    (405, "0x80040227", errors.RowRefused),
    (500, "0x80040333", errors.RowRefused),
    (412, "0x80040333", errors.RowRefused),
    (400, "0x80041103", errors.MappingFault),
    (400, "0x80044352", errors.DeltaExpired),
    (400, "0x80072491", errors.ChangeTrackingOff),
    (400, "0x8FFFFFFF", errors.RowRefused),
    (413, "0x0", errors.PayloadTooLarge),
    (429, "", errors.Throttled),
    (500, "0x8FFFFFFF", errors.ServerFault),
    (503, "", errors.ServiceUnavailable),
]


@pytest.mark.parametrize(("status", "code", "kind"), TABLE)
def test_the_code_decides(status: int, code: str, kind: type[CRMBridgeError]) -> None:
    error = from_answer(status, {}, refused(status, code).body)
    assert type(error) is kind
    assert error.code == code.lower()


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_refusal_that_is_no_dataverse_error_is_not_dataverse(status: int) -> None:
    assert isinstance(from_answer(status, {}, b"<html>Not here</html>"), errors.NotDataverse)


@pytest.mark.parametrize("status", [400, 410])
def test_i4_an_expired_delta_token_is_recognised_by_its_words(status: int) -> None:
    body = refused(status, "", "The delta token is no longer valid.").body
    assert isinstance(from_answer(status, {}, body), errors.DeltaExpired)


def test_a_text_that_is_too_long_is_said_with_column_and_limit() -> None:
    message = (
        "A validation error occurred.  The length of the 'name' attribute of the 'account' entity exceeded the "
        "maximum allowed length of '160'."
    )
    error = from_answer(400, {}, refused(400, "0x80044331", message).body)
    assert str(error.text) == "The text in “name” is too long: Dynamics CRM accepts at most 160 characters."
    assert error.kind is Recovery.FIX_RECORD


def test_an_unknown_column_is_named() -> None:
    message = "Could not find a property named 'fob' on type 'Microsoft.Dynamics.CRM.account'."
    assert "fob" in str(from_answer(400, {}, refused(400, "0x80060888", message).body))


def test_a_missing_privilege_is_named() -> None:
    message = "Principal user (Id=1, type=8), is missing prvReadAccount privilege (Id=2) on OTC=1 for entity 'account'."
    assert "prvReadAccount" in str(from_answer(403, {}, refused(403, "0x80040220", message).body))


def test_the_crms_own_reason_is_passed_on() -> None:
    error = from_answer(400, {}, refused(400, "0x80040265", "Credit limit exceeded").body)
    assert str(error.text) == "Dynamics CRM does not accept the record: Credit limit exceeded"


def test_braces_in_the_crms_reason_do_no_harm() -> None:
    assert "{0} {name}" in str(from_answer(400, {}, refused(400, "0x80040265", "Bad {0} {name}").body))


def test_the_technical_detail_carries_what_support_asks_for() -> None:
    error = from_answer(500, {"REQ_ID": "r-17"}, refused(500, "0x80040216", "Oops").body)
    assert "HTTP 500" in error.technical
    assert "r-17" in error.technical


def test_every_error_says_what_happened_and_what_to_do() -> None:
    for _status, _code, kind in TABLE:
        error = kind()
        assert str(error.text)
        assert str(error.fix)


def test_words_are_chosen_when_they_are_shown() -> None:
    error = errors.Throttled()
    with translation.override("en"):
        assert str(error.text).startswith("Dynamics CRM is receiving too many requests")


def test_retry_after_comes_as_seconds_or_as_a_date() -> None:
    assert retry_after({"Retry-After": "24"}) == 24
    moment = format_datetime(timezone.now() + timedelta(seconds=60))
    assert 55 < (retry_after({"Retry-After": moment}) or 0) <= 60
    assert retry_after({}) is None
    assert retry_after({"Retry-After": "soon"}) is None


def test_i1_a_time_out_is_unknown_for_a_write_and_passes_for_a_read() -> None:
    assert isinstance(from_exception(requests.ReadTimeout(), repeatable=False), errors.OutcomeUnknown)
    assert isinstance(from_exception(requests.ReadTimeout(), repeatable=True), errors.ServiceUnavailable)


def test_what_was_never_sent_is_no_unknown_outcome() -> None:
    assert isinstance(from_exception(requests.ConnectTimeout(), repeatable=False), errors.Unreachable)


def test_an_unknown_name_is_told_from_a_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(requests.ConnectionError) as caught:
        GuardedSession().get("https://misspelt.crm4.dynamics.com/")
    error = from_exception(caught.value, repeatable=False)
    assert isinstance(error, errors.Unreachable)
    assert "misspelt" in str(error.text)
