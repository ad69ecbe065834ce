"""Signing in with a certificate instead of a secret (dataverse-web-api.md 2.1)."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection as database

from connection.clients import new_client
from connection.dataverse.certificate import Certificate, CertificateUnusable
from connection.forms import ConnectionForm
from connection.masking import mask
from connection.models import CRMConnection
from tests.connection.conftest import Pauses, Serve, connection_to
from tests.connection.tls_server import TENANT, json_said


def key_and_certificate(*, days: int = 30, password: bytes = b"", other_key: bool = False, curve: bool = False) -> str:
    key = ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, 2048)
    signer = rsa.generate_private_key(65537, 2048) if other_key else key
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "crmbridge")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=99))
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .sign(signer, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return (private + certificate.public_bytes(serialization.Encoding.PEM)).decode()


@pytest.fixture(scope="module")
def pem() -> str:
    return key_and_certificate()


UNUSABLE: dict[str, tuple[Callable[[], str], str]] = {
    "nonsense": (lambda: "nonsense", "not a certificate"),
    "no key": (lambda: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "not a certificate"),
    "endless": (lambda: "x" * 100_000, "not a certificate"),
    "password": (lambda: key_and_certificate(password=b"secret"), "protected by a password"),
    "other key": (lambda: key_and_certificate(other_key=True), "does not belong"),
    "expired": (lambda: key_and_certificate(days=-1), "has expired"),
    "curve": (lambda: key_and_certificate(curve=True), "only RSA"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_sign_in_is_refused_with_its_reason(case: str) -> None:
    make, text = UNUSABLE[case]
    with pytest.raises(CertificateUnusable, match=text):
        CRMConnection().set_certificate(make())


def test_a_certificate_shows_its_name_and_never_its_key(pem: str) -> None:
    certificate = Certificate.parse(pem)
    assert len(certificate.thumbprint) == 40
    assert repr(certificate) == f"Certificate({certificate.thumbprint})"
    body = certificate.private_key.splitlines()[1]
    assert body not in mask(f"sent {certificate.pem}")
    assert body not in mask(repr({"private_key": certificate.private_key}))


@pytest.mark.django_db
def test_the_application_signs_in_with_its_certificate(serve: Serve, pauses: Pauses, pem: str) -> None:
    with serve(lambda asked: json_said({"value": []})) as server:
        connection = connection_to(server.address)
        connection.set_certificate(pem)
        connection.save()
        new_client(CRMConnection.objects.get(), clock=pauses).sign_in()
    (form,) = server.token_forms
    assert "client_secret" not in form
    header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in form["client_assertion"].split("."))
    assert json.loads(header)["alg"] in ("PS256", "RS256")
    assert json.loads(claims)["iss"] == "app"
    assert json.loads(claims)["aud"] == f"{server.address}/{TENANT}/oauth2/v2.0/token"


@pytest.mark.django_db
def test_the_certificate_is_encrypted_at_rest_and_the_last_credential_counts(pem: str) -> None:
    connection = connection_to("https://acme.crm4.dynamics.com")
    connection.set_certificate(pem)
    connection.save()
    assert not connection.client_secret
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM connection_crmconnection")
        assert "PRIVATE KEY" not in str(cursor.fetchall())
    connection.set_secret("a secret again")
    assert not connection.certificate
    assert (connection.certificate_thumbprint, connection.certificate_expires_at) == ("", None)


def form_of(connection: CRMConnection | None = None, *, pem: str = "", secret: str = "") -> ConnectionForm:
    data = {
        "name": "CRM",
        "address": "acme.crm4.dynamics.com",
        "tenant_id": TENANT,
        "client_id": "app",
        "new_secret": secret,
    }
    files = {"new_certificate": SimpleUploadedFile("app.pem", pem.encode())} if pem else {}
    return ConnectionForm(data, files, instance=connection)


@pytest.mark.django_db
def test_the_form_takes_a_certificate_and_shows_only_its_name(pem: str) -> None:
    form = form_of(pem=pem)
    assert form.is_valid(), form.errors
    saved = form.save()
    assert Certificate.parse(saved.certificate.reveal()).thumbprint == saved.certificate_thumbprint
    shown = str(ConnectionForm(instance=saved))
    assert saved.certificate_thumbprint in shown
    assert "PRIVATE KEY" not in shown
    again = form_of(saved)
    assert again.is_valid()
    assert again.save().certificate


@pytest.mark.django_db
def test_the_form_wants_exactly_one_credential(pem: str) -> None:
    assert "new_secret" in form_of().errors
    assert "new_certificate" in form_of(pem=pem, secret="both of them").errors
    assert "new_certificate" in form_of(pem="nonsense").errors


@pytest.mark.django_db
def test_connect_takes_a_certificate(serve: Serve, tmp_path: Path, pem: str) -> None:
    file = tmp_path / "app.pem"
    file.write_text(pem)
    with serve(lambda asked: json_said({})) as server:
        known = {"address": server.address, "authority": server.address, "tenant": TENANT, "client_id": "app"}
        with pytest.raises(CommandError):
            call_command("connect", certificate=file, stdout=StringIO(), **known)
        assert "client_assertion" in server.token_forms[0]
        with pytest.raises(CommandError, match="cannot be used"):
            call_command("connect", certificate=tmp_path / "none.pem", stdout=StringIO(), **known)
