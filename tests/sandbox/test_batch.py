"""`$batch` (dataverse-web-api.md 6, 16.1, 16.2)."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.sandbox.conftest import create, error_of, names, new_guid, read
from tests.sandbox_process import SandboxProcess, SandboxSession


@dataclass
class Operation:
    """One request of a batch."""

    line: str
    body: Any = None
    headers: str = ""
    content_id: str = ""

    def part(self, newline: str) -> str:
        ident = [f"Content-ID: {self.content_id}"] if self.content_id else []
        lines = [
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            *ident,
            "",
            f"{self.line} HTTP/1.1",
        ]
        lines += [self.headers] if self.headers else []
        lines += (
            ["Content-Type: application/json; type=entry", "", json.dumps(self.body)]
            if self.body is not None
            else ["", ""]
        )
        return newline.join(lines)


@dataclass
class Result:
    """One answer of a batch."""

    status: int
    headers: dict[str, str]
    json: Any
    content_id: str | None


def send(
    api: SandboxSession,
    parts: list[Operation | list[Operation]],
    *,
    newline: str = "\r\n",
    prefer: str = "",
    lead: str = "",
) -> tuple[int, list[Result]]:
    """Send single operations and changesets; return the outer status and all answers in order."""
    pieces = [lead]
    for part in parts:
        if isinstance(part, Operation):
            pieces.append(f"--b{newline}{part.part(newline)}{newline}")
        else:
            inner = "".join(f"--c{newline}{operation.part(newline)}{newline}" for operation in part)
            head = f'--b{newline}Content-Type: multipart/mixed; boundary="c"{newline}{newline}'
            pieces.append(f"{head}{inner}--c--{newline}")
    body = "".join(pieces) + f"--b--{newline}"
    headers = {"Content-Type": 'multipart/mixed; boundary="b"'} | ({"Prefer": prefer} if prefer else {})
    answer = api("POST", "$batch", data=body.encode(), headers=headers)
    assert answer.headers["Content-Type"].startswith("multipart/mixed; boundary=batchresponse_"), answer.text
    return answer.status_code, results(answer.text)


def results(text: str) -> list[Result]:
    """Split an answer the way DynamicsWebApi does: by boundaries with the documented prefixes."""
    assert text.startswith("--batchresponse_")
    found = []
    for piece in re.split(r"--(?:batchresponse|changesetresponse)_[\w-]+(?:--)?\r\n", text):
        match = re.search(r"HTTP/1\.1 (\d+) [^\r]+\r\n(.*?)\r\n\r\n(.*)", piece, re.DOTALL)
        if match:
            headers = dict(line.split(": ", 1) for line in match[2].split("\r\n"))
            ident = re.search(r"Content-ID: (\w+)", piece)
            content = match[3].strip()
            found.append(Result(int(match[1]), headers, json.loads(content) if content else None, ident and ident[1]))
    return found


@pytest.mark.parametrize("newline", ["\r\n", "\n"], ids=["CRLF", "LF"])
@pytest.mark.parametrize("lead", ["", "\r\n"], ids=["plain", "leading empty line"])
def test_operations_run_in_order(api: SandboxSession, newline: str, lead: str) -> None:
    identity = new_guid()
    status, answers = send(
        api,
        [
            Operation(f"PATCH {api.root}accounts({identity})", {"name": "a b"}),
            Operation(f"GET {api.root}accounts?$select=name&$filter=name eq 'a b'"),
            Operation("GET /api/data/v9.2/accounts?$select=name&$top=1"),
            Operation("GET accounts?$select=name"),
            Operation(f"DELETE /api/data/v9.2/accounts({identity})", headers="If-Match: *"),
        ],
        newline=newline,
        lead=lead,
    )
    assert status == 200
    assert [answer.status for answer in answers] == [204, 200, 200, 200, 204]
    assert all(answer.json["value"][0]["name"] == "a b" for answer in answers[1:4])
    assert answers[0].headers["OData-EntityId"] == answers[0].headers["Location"]
    assert "odata.streaming=true" in answers[1].headers["Content-Type"]


def test_changeset_refers_to_rows_it_created(api: SandboxSession) -> None:
    contact = {"lastname": "Berg", "parentcustomerid_account@odata.bind": "$1"}
    changeset = [
        Operation("POST /api/data/v9.2/accounts", {"name": "Nordvik"}, content_id="1"),
        Operation("POST /api/data/v9.2/contacts", contact, content_id="2"),
        Operation("PATCH $1", {"telephone1": "5"}, "If-Match: *", content_id="3"),
        Operation("PUT $1/fax", {"value": "6"}, content_id="4"),
        Operation("PUT $1/primarycontactid/$ref", {"@odata.id": "$2"}, content_id="5"),
    ]  # fmt: skip
    status, answers = send(api, [changeset])
    assert status == 200
    assert [(answer.status, answer.content_id) for answer in answers] == [(204, str(n)) for n in range(1, 6)]
    row = read(api, "accounts?$select=name,telephone1,fax&$expand=primarycontactid($select=lastname)")["value"][0]
    assert (row["telephone1"], row["fax"], row["primarycontactid"]["lastname"]) == ("5", "6", "Berg")
    assert names(api, f"accounts({row['accountid']})/contact_customer_accounts", "lastname") == ["Berg"]


def test_failing_changeset_is_taken_back_and_answered_once(api: SandboxSession, sandbox: SandboxProcess) -> None:
    changeset = [
        Operation("POST /api/data/v9.2/accounts", {"name": "A"}, content_id="1"),
        Operation("POST /api/data/v9.2/accounts", {"name": "x" * 161}, content_id="2"),
        Operation("POST /api/data/v9.2/accounts", {"name": "C"}, content_id="3"),
    ]
    status, answers = send(api, [changeset])
    assert (status, len(answers), answers[0].json["error"]["code"]) == (400, 1, "0x80044331")
    assert names(api, "accounts") == []
    assert sandbox.calls()["writes"] == 0


BAD = Operation("POST /api/data/v9.2/accounts", {"nonsense": 1})


def test_failure_ends_the_batch_unless_asked_to_go_on(api: SandboxSession) -> None:
    parts: list[Operation | list[Operation]] = [
        Operation("POST /api/data/v9.2/accounts", {"name": "A"}),
        BAD,
        [Operation(BAD.line, BAD.body, content_id="1"), Operation("POST accounts", {"name": "B"}, content_id="2")],
        Operation("POST /api/data/v9.2/accounts", {"name": "C"}),
    ]
    status, answers = send(api, parts)
    assert (status, [answer.status for answer in answers]) == (400, [204, 400])
    status, answers = send(api, parts, prefer="odata.continue-on-error")
    assert (status, [answer.status for answer in answers]) == (200, [204, 400, 400, 204])
    assert sorted(names(api, "accounts")) == ["A", "A", "C"]


def test_part_of_its_own_version_fails_alone(api: SandboxSession) -> None:
    ids = [create(api, "accounts", name=name) for name in "AB"]
    etag = api("GET", f"accounts({ids[0]})").headers["ETag"]
    api("PATCH", f"accounts({ids[0]})", {"name": "A2"})
    present = api("GET", f"accounts({ids[1]})").headers["ETag"]
    operations: list[Operation | list[Operation]] = [
        Operation(f"PATCH accounts({ids[0]})", {"fax": "1"}, f"If-Match: {etag}"),
        Operation(
            f"PATCH accounts({ids[1]})?$select=name",
            {"fax": "1"},
            f"Prefer: return=representation\r\nIf-Match: {present}",
        ),
    ]
    status, answers = send(api, operations, prefer="odata.continue-on-error")
    assert (status, [answer.status for answer in answers]) == (200, [412, 200])
    assert answers[0].json["error"]["code"] == "0x80060882"
    assert answers[1].headers["ETag"] == answers[1].json["@odata.etag"] != present


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Operation("POST accounts", {"name": "A"}), "Content-ID header not present"),
        (Operation("GET accounts", content_id="1"), "not allowed in a changeset"),
        (Operation("PATCH $9", {"name": "A"}, content_id="1"), "Content-ID Reference: '$9' does not exist"),
        (Operation("POST contacts", {"parentcustomerid_account@odata.bind": "$9"}, content_id="1"), "'$9'"),
    ],
)  # fmt: skip
def test_what_a_changeset_refuses(api: SandboxSession, operation: Operation, message: str) -> None:
    status, answers = send(api, [[operation]])
    assert (status, len(answers), answers[0].status) == (400, 1, 400)
    assert message in answers[0].json["error"]["message"]


def test_batch_inside_a_batch(api: SandboxSession) -> None:
    assert send(api, [Operation("POST $batch", {})])[1][0].status == 400


def test_thousand_operations_and_not_one_more(api: SandboxSession) -> None:
    operations: list[Operation | list[Operation]] = [Operation("POST accounts", {"name": "A"})] * 1000
    status, answers = send(api, operations)
    assert (status, len(answers)) == (200, 1000)
    many = "".join(f"--b\r\n{BAD.part(chr(10))}\r\n" for _ in range(1001)) + "--b--"
    refused = api("POST", "$batch", data=many.encode(), headers={"Content-Type": "multipart/mixed;boundary=b"})
    assert error_of(refused)[0] == 400


def test_unreadable_envelope_is_a_plain_error(api: SandboxSession) -> None:
    assert error_of(api("POST", "$batch", {"a": 1}))[0] == 400
    assert (
        error_of(api("POST", "$batch", data=b"nonsense", headers={"Content-Type": "multipart/mixed;boundary=b"}))[0]
        == 400
    )
    assert error_of(api("GET", "$batch"))[0] == 405


def test_long_query_may_travel_in_a_batch(api: SandboxSession) -> None:
    condition = " or ".join(f"name eq '{number:06}'" for number in range(2000))
    assert send(api, [Operation(f"GET accounts?$filter={condition}")])[1][0].status == 200
