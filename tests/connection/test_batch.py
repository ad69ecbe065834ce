"""`$batch` bodies (dataverse-web-api.md 6)."""

import json
from collections.abc import Sequence

import pytest

from connection.dataverse import batch
from connection.dataverse.batch import Part
from connection.dataverse.errors import NotDataverse


def answer_of(parts: Sequence[bytes], *, line_end: bytes = b"\r\n") -> tuple[str, bytes]:
    head = b"--batchresponse_1\nContent-Type: application/http\nContent-Transfer-Encoding: binary\n\n"
    body = b"".join(head + part + b"\n" for part in parts) + b"--batchresponse_1--\n"
    return "multipart/mixed; boundary=batchresponse_1", body.replace(b"\n", line_end)


def test_a_part_is_a_request_line_headers_and_a_body() -> None:
    content_type, body = batch.encode([Part("PATCH", "accounts(1)", b'{"name":"A"}', {"If-Match": "*"})], "/api/")
    boundary = content_type.partition('boundary="')[2].rstrip('"')
    assert body.decode().split("\r\n") == [
        f"--{boundary}",
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        "",
        "PATCH /api/accounts(1) HTTP/1.1",
        "Content-Type: application/json; type=entry",
        "If-Match: *",
        "",
        '{"name":"A"}',
        f"--{boundary}--",
        "",
    ]


def test_an_absolute_address_stays() -> None:
    _, body = batch.encode([Part("GET", "https://acme.crm4.dynamics.com/api/data/v9.2/accounts")], "/api/")
    assert b"GET https://acme.crm4.dynamics.com/api/data/v9.2/accounts HTTP/1.1\r\n" in body


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_answers_keep_their_order(line_end: bytes) -> None:
    created = b'HTTP/1.1 204 No Content\nOData-Version: 4.0\nETag: W/"7"\n\n'
    read = b'HTTP/1.1 200 OK\nContent-Type: application/json\n\n{"value":[{"name":"\xc3\x86rlig --batch"}]}'
    failed = b'HTTP/1.1 404 Not Found\n\n{"error":{"code":"0x80040217","message":"gone"}}'
    first, second, third = batch.decode(*answer_of([created, read, failed], line_end=line_end))
    assert (first.status, first.headers["etag"], first.content) == (204, 'W/"7"', b"")
    assert json.loads(second.content)["value"][0]["name"] == "Ærlig --batch"
    assert third.error is not None


@pytest.mark.parametrize(
    ("content_type", "content"), [("text/html", b"<html>"), ("multipart/mixed; boundary=x", b"--x\n\nhuh")]
)
def test_anything_else_is_not_dataverse(content_type: str, content: bytes) -> None:
    with pytest.raises(NotDataverse):
        batch.decode(content_type, content)
