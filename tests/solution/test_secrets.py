"""Nothing of a sign-in stays, and no secret shows anywhere (S26, S30, S31, S42)."""

import gc
import logging
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection as database
from pytest_django import Settings

from connection import masking
from connection.dataverse import auth
from connection.models import CRMConnection
from connection.person import PersonToken
from tests.connection.test_certificate import key_and_certificate
from tests.sandbox_process import SandboxProcess
from tests.solution.conftest import ADMINISTRATOR, Browser

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

PLANTED = "pl4nted~Secret-Of-Nobody-Else"


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every access token that this process gets, the application's and people's."""
    seen: list[str] = []
    real: Callable[[Any], str] = auth._token_in

    def noted(answer: Any) -> str:
        seen.append(real(answer))
        return seen[-1]

    monkeypatch.setattr(auth, "_token_in", noted)
    return seen


def everything_stored() -> Iterator[str]:
    """All that the database and the cache hold, sessions opened."""
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {database.ops.quote_name(table)}")
            yield str(cursor.fetchall())
    yield from (str(session.get_decoded()) for session in Session.objects.all())
    dump = StringIO()
    call_command("dumpdata", stdout=dump)
    yield dump.getvalue()
    store = getattr(cache, "_cache", None)
    if isinstance(store, dict):
        yield str(list(store.values()))
    else:
        client = store.get_client()  # type: ignore[union-attr]  # Redis, whose client the stubs do not know
        yield str([client.dump(key) for key in client.scan_iter()])


def test_s30_s31_no_token_code_or_password_is_left_anywhere(
    visitor: Browser,
    connection: CRMConnection,
    sandbox: SandboxProcess,
    tokens: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    brought = visitor.at_login(visitor.begin("import"), ADMINISTRATOR)
    assert brought["code"] not in "".join(everything_stored())
    visitor.come_back(brought)
    assert visitor.imported()["state"] == "succeeded"
    connection.refresh_from_db()
    visitor.errand("roles")
    connection.refresh_from_db()
    visitor.begin("roles")  # one that is begun and never finished
    visitor.client.post("/connection/enable/")
    connection.refresh_from_db()
    assert connection.is_enabled
    pages = [visitor.client.get(page).content.decode() for page in ("/connection/", "/connection/solution/")]
    pages += [visitor.client.get(f"/api/v1/{name}/").content.decode() for name in ("connection", "solution-imports")]

    assert len(set(tokens)) >= 3  # two of the administrator, one of the application
    # The end of a token is its signature: neither it nor the whole may turn up.
    secrets = {
        *tokens,
        *(token[-40:] for token in tokens),
        brought["code"],
        sandbox.people()[ADMINISTRATOR],
        connection.client_secret.reveal(),
    }
    for place, text in {"stored": "".join(everything_stored()), "log": caplog.text, "pages": "".join(pages)}.items():
        assert [secret for secret in secrets if secret in text] == [], place
    people = {token for token in tokens if token in masking._registered}
    assert people == set()
    gc.collect()
    assert [each for each in gc.get_objects() if type(each) is PersonToken and each._token] == []


def test_s42_secret_and_certificate_go_in_and_never_come_out(
    visitor: Browser, connection: CRMConnection, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    caplog.set_level(logging.DEBUG)
    admin = f"/admin/connection/crmconnection/{connection.pk}/change/"
    fields = {name: getattr(connection, name) for name in ("name", "address", "authority", "tenant_id", "client_id")}
    answer = visitor.client.post(admin, {**fields, "new_secret": PLANTED})
    assert answer.status_code == 302, answer.content
    connection.refresh_from_db()
    assert connection.client_secret.reveal() == PLANTED

    def shown() -> str:
        pages = (
            admin,
            "/connection/",
            "/api/v1/connection/",
            f"/api/v1/connection/{connection.pk}/",
            admin + "../history/",
        )
        return "".join(visitor.client.get(page, follow=True).content.decode() for page in pages)

    assert PLANTED not in shown() + "".join(everything_stored()) + caplog.text
    assert connection.client_secret.encrypted not in shown()
    settings.FERNET_KEYS = [Fernet.generate_key().decode(), *settings.FERNET_KEYS]
    before = connection.client_secret.encrypted
    call_command("rotate_secrets", verbosity=0)
    settings.FERNET_KEYS = settings.FERNET_KEYS[:1]
    connection.refresh_from_db()
    assert connection.client_secret.encrypted != before
    assert connection.client_secret.reveal() == PLANTED

    pem = key_and_certificate()
    uploaded = SimpleUploadedFile("certificate.pem", pem.encode())
    answer = visitor.client.post(admin, {**fields, "new_certificate": uploaded})
    assert answer.status_code == 302, answer.content
    connection.refresh_from_db()
    assert connection.certificate.reveal().strip() == pem.strip()
    assert not connection.client_secret
    key = pem.partition("PRIVATE KEY-----")[2].partition("-----END")[0].strip().splitlines()[1]
    assert key not in shown() + "".join(everything_stored()) + caplog.text
    assert connection.certificate_thumbprint in shown()
