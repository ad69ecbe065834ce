"""Encodes and decodes `$batch` bodies (dataverse-web-api.md 6). Pure.

Every part stands alone (no changesets): parts are run in order and one that fails does not stop the next, which the
request asks for with `Prefer: odata.continue-on-error`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from requests.structures import CaseInsensitiveDict

from connection.dataverse.answer import Answer
from connection.dataverse.errors import NotDataverse
from connection.errors import Bug

MOST_PARTS = 1000
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})")


@dataclass(frozen=True, slots=True)
class Part:
    """One request inside a batch; `url` is relative to the service root or absolute."""

    method: str
    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def encode(parts: Sequence[Part], root: str) -> tuple[str, bytes]:
    """The content type and body of a batch; relative URLs are put under `root`, the path of the service.

    Raises Bug where a line break in an address or header would begin a request of its own.
    """
    boundary = f"batch_{uuid4()}"
    lines = [line for part in parts for line in _part_lines(part, boundary, root)]
    body = b"\r\n".join([*lines, f"--{boundary}--".encode(), b""])
    return f'multipart/mixed; boundary="{boundary}"', body


def _part_lines(part: Part, boundary: str, root: str) -> list[bytes]:
    url = part.url if part.url.startswith("https://") else f"{root}{part.url}"
    content_type = {"Content-Type": "application/json; type=entry"} if part.body else {"Accept": "application/json"}
    headers = [f"{name}: {value}" for name, value in {**content_type, **part.headers}.items()]
    if any("\n" in line or "\r" in line for line in (part.method, url, *headers)):
        raise Bug(technical=f"a line break in the head of {part.method} {url!r}")
    head = [
        f"--{boundary}",
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        "",
        f"{part.method} {url} HTTP/1.1",
        *headers,
        "",
    ]
    return [*(line.encode() for line in head), part.body]


def decode(content_type: str, content: bytes, seconds: float = 0.0) -> list[Answer]:
    """The answers in their order, which took `seconds` together. Raises NotDataverse for another body."""
    match = _BOUNDARY.search(content_type)
    if match is None or "multipart/mixed" not in content_type:
        raise NotDataverse(technical=content[:200].decode("utf-8", "replace"))
    pieces = content.replace(b"\r\n", b"\n").split(b"--" + match[1].encode())
    return [_answer(piece, seconds) for piece in pieces[1:] if not piece.startswith(b"--")]


def _answer(piece: bytes, seconds: float) -> Answer:
    _, _, answer = piece.partition(b"\n\n")
    head, _, content = answer.lstrip(b"\n").partition(b"\n\n")
    status, _, headers = head.partition(b"\n")
    match = _STATUS.match(status)
    if match is None:
        raise NotDataverse(technical=piece[:200].decode("utf-8", "replace"))
    pairs = (line.partition(":") for line in headers.decode("utf-8", "replace").split("\n"))
    named = CaseInsensitiveDict({name.strip(): value.strip() for name, _, value in pairs})
    return Answer(int(match[1]), named, content.strip(), seconds)
