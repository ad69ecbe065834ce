"""`$batch`: many requests in one, with changesets that are one transaction each (dataverse-web-api.md 6)."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from sandbox import errors
from sandbox.addresses import without_root
from sandbox.errors import DataverseError, bad_request
from sandbox.protocol import Answer, Request
from sandbox.service import Call

MAX_OPERATIONS = 1000
Dispatch = Callable[[Call], Answer]
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_INHERITED = (
    "prefer",
    "mscrmcallerid",
    "callerobjectid",
    "consistency",
    "mscrm.suppressduplicatedetection",
    "mscrm.bypasscustompluginexecution",
)


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a multipart body: its headers and its content."""

    headers: dict[str, str]
    content: bytes

    @property
    def boundary(self) -> str | None:
        """The boundary of a changeset, or None for a single operation."""
        kind = self.headers.get("content-type", "")
        return boundary_of(kind) if kind.lower().startswith("multipart/mixed") else None

    @property
    def content_id(self) -> str | None:
        """The Content-ID header."""
        return self.headers.get("content-id")


class ChangesetError(Exception):
    """An operation of a changeset failed; its answer stands for the whole changeset (6.3)."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def boundary_of(content_type: str) -> str:
    """Return the boundary of a multipart content type. Raises DataverseError (400)."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise bad_request("The Content-Type must be multipart/mixed with a boundary.")
    return match[1].strip()


def _headers(block: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in block.decode().splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _split_headers(text: bytes) -> tuple[bytes, bytes]:
    """Return what precedes and what follows the first empty line."""
    match = _BLANK_LINE.search(text)
    return (text[: match.start()], text[match.end() :]) if match else (text, b"")


def parts(body: bytes, boundary: str) -> list[Part]:
    """Split a multipart body, with CRLF or LF. Raises DataverseError (400) when the boundary never comes."""
    mark = re.escape(b"--" + boundary.encode())
    pieces = re.split(rb"(?:^|\r?\n)" + mark + rb"(--)?[ \t]*(?=\r?\n|$)", b"\n" + body)
    if len(pieces) < 3:
        raise bad_request("The batch body does not contain its boundary.")
    contents = [piece.lstrip(b"\r\n") for piece in pieces[2::2]]
    found = []
    for content, ending in zip(contents, pieces[1::2], strict=True):
        if not ending and content.strip():
            head, rest = _split_headers(content)
            found.append(Part(_headers(head), rest))
    return found


def _inner_request(call: Call, part: Part, references: Mapping[str, str]) -> Request:
    """Read the request inside a part; its URL may hold spaces (16.1). Raises DataverseError (400)."""
    head, body = _split_headers(part.content.lstrip(b"\r\n"))
    line, _, rest = head.partition(b"\n")
    method, _, target = line.decode().strip().partition(" ")
    url = re.sub(r" HTTP/\d(\.\d)?$", "", target).strip()
    if not method or not url:
        raise bad_request("A batch part does not hold a request.")
    path, _, query = without_root(_dereferenced(url, references)).partition("?")
    outer = {name: call.request.headers[name] for name in _INHERITED if name in call.request.headers}
    headers = outer | _headers(rest)
    return Request(method.upper(), path.strip("/"), query, headers, body.strip(b"\r\n"), call.request.root, references)


def _dereferenced(url: str, references: Mapping[str, str]) -> str:
    """Replace a leading `$<content-id>` by the address of the row created under it (6.1)."""
    match = re.match(r"/?\$(\w+)(?=/|\?|$)", url)
    if match is None or match[1] in ("batch", "metadata"):
        return url
    if match[1] not in references:
        raise bad_request(f"Content-ID Reference: '${match[1]}' does not exist in the batch context.")
    return references[match[1]] + url[match.end() :]


def _http(answer: Answer, content_id: str | None = None) -> bytes:
    """Return an answer as a part of the response."""
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    head += [f"Content-ID: {content_id}"] if content_id else []
    status = HTTPStatus(answer.status)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", "OData-Version: 4.0"]
    for name, value in answer.headers.items():
        streamed = "; odata.streaming=true" if name == "Content-Type" and "json" in value else ""
        lines.append(f"{name}: {value}{streamed}")
    return "\r\n".join([*head, "", *lines, "", ""]).encode() + answer.body


def _multipart(pieces: list[bytes], boundary: str) -> bytes:
    mark = f"--{boundary}\r\n".encode()
    return b"".join(mark + piece + b"\r\n" for piece in pieces) + f"--{boundary}--\r\n".encode()


class Batch:
    """Runs the parts of one batch in order through the dispatcher that it was given."""

    def __init__(self, call: Call, dispatch: Dispatch) -> None:
        self.call = call
        self.dispatch = dispatch
        self.pieces: list[bytes] = []
        self.seconds = 0.0
        self.failed = False

    def answer(self) -> Answer:
        """Return the multipart answer: 200, or 400 when an operation failed and that ended the batch (6.3)."""
        request = self.call.request
        if request.method != "POST":
            raise errors.not_allowed(request.method)
        found = parts(request.body, boundary_of(request.headers.get("content-type", "")))
        self._check_size(found)
        for part in found:
            self._run(part)
            if self.failed and not request.preferences.continue_on_error:
                break
        stopped = self.failed and not request.preferences.continue_on_error
        boundary = f"batchresponse_{uuid.uuid4()}"
        kind = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
        return Answer(400 if stopped else 200, _multipart(self.pieces, boundary), kind, 1, self.seconds)

    def _check_size(self, found: list[Part]) -> None:
        count = sum(len(parts(part.content, part.boundary)) if part.boundary else 1 for part in found)
        if count > MAX_OPERATIONS:
            raise bad_request(f"The batch holds {count} operations; at most {MAX_OPERATIONS} are allowed.")

    def _run(self, part: Part) -> None:
        if part.boundary:
            self._changeset(part, part.boundary)
            return
        answer = self._operation(part, {})
        self.failed = self.failed or answer.status >= 400
        self.pieces.append(_http(answer, part.content_id))

    def _operation(self, part: Part, references: Mapping[str, str], *, in_changeset: bool = False) -> Answer:
        try:
            request = _inner_request(self.call, part, references)
            if in_changeset and request.method == "GET":
                raise bad_request("A GET operation is not allowed in a changeset.")
            if request.path.split("?")[0] == "$batch":
                raise bad_request("A batch inside a batch is not allowed.")
            self.call.service.counters.add("operations")
            answer = self.dispatch(Call(self.call.service, request, self.call.user, batched=True))
            self.seconds += answer.seconds
            return answer
        except DataverseError as error:
            return Answer.error(error)

    def _changeset(self, part: Part, boundary: str) -> None:
        """Run a changeset in one transaction; a failure takes all of it back and is its only answer."""
        try:
            with self.call.store.writing():
                pieces = self._changeset_pieces(parts(part.content, boundary))
        except ChangesetError as failure:
            self.failed = True
            self.pieces.append(_http(failure.answer))
            return
        inner = f"changesetresponse_{uuid.uuid4()}"
        head = f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode()
        self.pieces.append(head + _multipart(pieces, inner))

    def _changeset_pieces(self, operations: list[Part]) -> list[bytes]:
        references: dict[str, str] = {}
        pieces = []
        for operation in operations:
            name = operation.content_id
            if name is None:
                raise ChangesetError(Answer.error(bad_request("Content-ID header not present")))
            answer = self._operation(operation, dict(references), in_changeset=True)
            if answer.status >= 400:
                raise ChangesetError(answer)
            address = answer.headers.get("OData-EntityId") or answer.headers.get("Location")
            if address:
                references[name] = address
            pieces.append(_http(answer, name))
        return pieces
