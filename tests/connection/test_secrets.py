"""Secrets are encrypted at rest and show themselves to nobody."""

import logging
import pickle
import sys
import time
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as django_settings
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.utils.module_loading import import_string
from django.views.debug import ExceptionReporter
from pytest_django import Settings

from connection.clients import new_client
from connection.errors import CRMBridgeError, Recovery
from connection.fields import Secret, UnreadableSecret
from connection.masking import STARS, SecretFilter, mask, register_secret
from connection.models import CRMConnection
from connection.person import PersonToken
from tests.connection.conftest import SECRET, connection_to

pytestmark = pytest.mark.django_db


def stored() -> CRMConnection:
    connection_to("https://acme.crm4.dynamics.com").save()
    return CRMConnection.objects.get()


def test_the_secret_comes_back_as_it_went_in() -> None:
    assert stored().client_secret.reveal() == SECRET


def test_a_secret_that_is_moved_to_another_database_can_be_read_there() -> None:
    """By `dumpdata` and `loaddata`, as docs/operations.md tells it."""
    dump = serializers.serialize("json", [stored()])
    assert SECRET not in dump
    CRMConnection.objects.all().delete()
    for loaded in serializers.deserialize("json", dump):
        loaded.save()
    assert CRMConnection.objects.get().client_secret.reveal() == SECRET


def test_the_database_holds_only_the_encrypted_secret() -> None:
    stored()
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM connection_crmconnection")
        assert SECRET not in str(cursor.fetchall())


def test_the_secret_is_in_no_representation() -> None:
    found = stored()
    found.client_secret = SECRET
    shown = [repr(found), str(found), repr(found.__dict__), repr(found.client_secret), str(found.client_secret)]
    assert SECRET not in " ".join([*shown, serializers.serialize("json", [found])])


def test_a_wrong_key_is_a_loud_error_and_no_ciphertext(settings: Settings) -> None:
    found = stored()
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(UnreadableSecret) as caught:
        found.client_secret.reveal()
    assert caught.value.kind is Recovery.FIX_SETUP
    assert "CRMBRIDGE_FERNET_KEYS" in str(caught.value)


def test_an_earlier_key_still_opens(settings: Settings) -> None:
    found = stored()
    settings.FERNET_KEYS = [Fernet.generate_key().decode(), *settings.FERNET_KEYS]
    assert found.client_secret.reveal() == SECRET


def test_no_secret_is_no_secret() -> None:
    assert not Secret.of("")
    assert Secret.of("").reveal() == ""


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.def.ghi",
        "client_id=app&client_secret=hidden&grant_type=x",
        '{"access_token": "hidden"}',
        "token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "postgres://user:hidden@host/db",
    ],
)
def test_secrets_are_masked_by_their_shape(text: str) -> None:
    masked = mask(text)
    assert STARS in masked
    assert not any(secret in masked for secret in ("abc.def.ghi", "hidden", "eyJhbGci"))


def test_errors_and_logs_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    register_secret("only-this-installation-knows")
    error = CRMBridgeError(technical="sent only-this-installation-knows")
    assert "only-this" not in error.technical
    record = logging.LogRecord("x", logging.INFO, "f", 1, "got %s", ("only-this-installation-knows",), None)
    assert SecretFilter().filter(record)
    assert record.getMessage() == f"got {STARS}"


def test_all_secrets_are_rotated_to_the_first_key(settings: Settings) -> None:
    found = stored()
    first, second = Fernet.generate_key().decode(), settings.FERNET_KEYS[0]
    settings.FERNET_KEYS = [first, second]
    out = StringIO()
    call_command("rotate_secrets", stdout=out)
    assert "1" in out.getvalue()
    settings.FERNET_KEYS = [first]
    assert CRMConnection.objects.get(pk=found.pk).client_secret.reveal() == SECRET


def test_nothing_is_rotated_where_a_secret_cannot_be_opened(settings: Settings) -> None:
    found = stored()
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="CRMBRIDGE_FERNET_KEYS"):
        call_command("rotate_secrets")
    assert CRMConnection.objects.get().client_secret.encrypted == found.client_secret.encrypted


def test_a_sealed_text_opens_only_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed, real = Secret.of("for a moment"), time.time
    assert sealed.reveal(max_age=60) == "for a moment"
    monkeypatch.setattr("time.time", lambda: real() + 61)
    with pytest.raises(UnreadableSecret):
        sealed.reveal(max_age=60)


def test_a_private_key_is_masked_even_where_it_is_cut_off() -> None:
    assert mask("got -----BEGIN RSA PRIVATE KEY-----\nMIIEow") == f"got {STARS}"


class Leaky:
    """A view that fails with a secret in a variable, in the error's own text and in an inner one's."""

    def __call__(self) -> None:
        headers = {"Authorization": "Bearer abc.def.ghi", "form": f"client_secret={SECRET}"}
        try:
            raise ValueError(f"headers {headers}")
        except ValueError as inner:
            raise RuntimeError("Bearer abc.def.ghi") from inner


def settings_reporter() -> type[ExceptionReporter]:
    """The class that Django's error pages and mails use here."""
    reporter: type[ExceptionReporter] = import_string(django_settings.DEFAULT_EXCEPTION_REPORTER)
    return reporter


def test_an_error_report_shows_no_secret() -> None:
    stored().client_secret.reveal()
    try:
        Leaky()()
    except RuntimeError:
        reporter = settings_reporter()(None, *sys.exc_info())
    for report in (reporter.get_traceback_html(), reporter.get_traceback_text()):
        assert "headers" in report
        assert STARS in report
        assert SECRET not in report
        assert "abc.def.ghi" not in report


def test_neither_client_nor_token_can_be_pickled() -> None:
    token = PersonToken("eyJhbGciOi.eyJzdWIiOi.her-own")
    for holder in (token, new_client(connection_to("https://acme.crm4.dynamics.com", authority=""))):
        with pytest.raises(TypeError):
            pickle.dumps(holder)
        assert "her-own" not in repr(holder)
    token.forget()
    assert SECRET.encode() not in pickle.dumps(stored())
