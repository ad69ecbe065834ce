"""A small https server for what the sandbox cannot be: expired, no Dataverse at all, throttling to order."""

import json
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import trustme

TENANT = "11111111-2222-3333-4444-555555555555"
TOKEN = "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl"


@dataclass(frozen=True)
class Asked:
    """A request that the server got."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Said:
    """What the server answers; a status of 0 cuts the connection without an answer.

    `pause` is the number of seconds between two bytes of the body; `garbled` breaks the encryption instead.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    garbled: bool = False


def json_said(value: Any, status: int = 200, **headers: str) -> Said:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Said(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def refused(status: int, code: str, message: str = "No.", **headers: str) -> Said:
    return json_said({"error": {"code": code, "message": message}}, status, **headers)


class Server(ThreadingHTTPServer):
    """Answers the login by itself and everything else with `answer`; remembers what it was asked."""

    daemon_threads = True
    answer: Callable[[Asked], Said]

    def __init__(self, answer: Callable[[Asked], Said]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[Asked] = []
        self.tokens_given = 0
        self.token_forms: list[dict[str, str]] = []
        self.id_token = ""
        self.login: Said | None = None
        self.discovery: Said | None = None

    @property
    def address(self) -> str:
        return f"https://localhost:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that refuse our certificate are the point of some tests."""

    def said(self, asked: Asked) -> Said:
        if asked.path.endswith("/.well-known/openid-configuration"):
            base = f"{self.address}/{TENANT}"
            return self.discovery or json_said(
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                }
            )
        if asked.path.endswith("/oauth2/v2.0/token"):
            self.tokens_given += 1
            self.token_forms.append(dict(parse_qsl(asked.body.decode())))
            answer = {"token_type": "Bearer", "expires_in": 3599, "access_token": f"{TOKEN}{self.tokens_given}"}
            return self.login or json_said(answer | ({"id_token": self.id_token} if self.id_token else {}))
        self.asked.append(asked)
        return self.answer(asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        said = self.server.said(Asked(self.command, self.path, dict(self.headers), self.rfile.read(length)))
        if said.garbled:
            os.write(self.connection.fileno(), b"this is no record of TLS")
        if said.garbled or said.status == 0:
            self.close_connection = True
            return
        self.send_response(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        self._write(said)

    def _write(self, said: Said) -> None:
        if not said.pause:
            self.wfile.write(said.body)
            return
        for byte in said.body:
            self.wfile.write(bytes([byte]))
            time.sleep(said.pause)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 -- the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def certificate(folder: Path, *, expired: bool = False) -> tuple[ssl.SSLContext, Path]:
    """A server context for `localhost`, and the file of the authority that issued it."""
    authority = trustme.CA()
    until = datetime.now(UTC) - timedelta(days=1) if expired else None
    issued = authority.issue_cert("localhost", not_after=until)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return context, file


@contextmanager
def running(context: ssl.SSLContext, answer: Callable[[Asked], Said]) -> Iterator[Server]:
    """A server that answers with `answer` while the block runs."""
    server = Server(answer)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
