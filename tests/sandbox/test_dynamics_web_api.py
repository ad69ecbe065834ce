"""What the npm package `dynamics-web-api` 2.5.0 sends and expects, re-enacted call by call (16.2)."""

import json
import re
from typing import Any

import pytest

from tests.sandbox.conftest import read
from tests.sandbox_process import SandboxSession

# How the client finds the id of what it created, and the parts of a batch answer that it insists on.
ID_AT_THE_END = re.compile(r"\(([0-9a-fA-F-]{36})\)$")
HEADERS = {
    "Accept": "application/json",
    "OData-MaxVersion": "4.0",
    "OData-Version": "4.0",
    "Content-Type": "application/json; charset=utf-8",
}


def send(api: SandboxSession, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Send as the client does: non-ASCII characters escaped, options as headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body, ensure_ascii=True).encode()
    return api(method, path, data=data, headers={**HEADERS, **named})


def created(api: SandboxSession, entity_set: str, body: Any) -> str:
    answer = send(api, "POST", entity_set, body)
    found = ID_AT_THE_END.search(answer.headers["OData-EntityId"])
    assert found, answer.headers["OData-EntityId"]
    return found[1]


def test_rows(api: SandboxSession) -> None:
    answer = send(api, "POST", "accounts", {"name": "Tromsø Båt"}, Prefer="return=representation")
    assert (answer.status_code, answer.json()["name"]) == (201, "Tromsø Båt")
    account = answer.json()["accountid"]
    assert send(api, "PATCH", f"accounts({account})", {"fax": "1"}, If_Match="*").status_code == 204
    old = answer.json()["@odata.etag"]
    assert send(api, "PATCH", f"accounts({account})", {"fax": "2"}, If_Match=old).status_code == 412
    upserted = send(api, "PATCH", "accounts(accountnumber='A1')", {"name": "New"})
    assert upserted.status_code == 204
    assert ID_AT_THE_END.search(upserted.headers["OData-EntityId"]) is None
    assert send(api, "DELETE", f"accounts({account})/fax").status_code == 204
    assert send(api, "DELETE", f"accounts({account})", If_Match=old).status_code == 412
    assert send(api, "DELETE", f"accounts({account})").status_code == 204


def test_queries(api: SandboxSession) -> None:
    contact = created(api, "contacts", {"firstname": "Ada", "lastname": "Berg"})
    bind = {"primarycontactid@odata.bind": f"/contacts({contact})"}
    account = created(api, "accounts", {"name": "a b", **bind})
    for name in ("c", "d"):
        created(api, "accounts", {"name": name})
    row = send(api, "GET", f"accounts({account})?$select=name&$expand=primarycontactid($select=fullname)").json()
    assert row["primarycontactid"]["fullname"] == "Ada Berg"
    query = "accounts?$select=name&$filter=name%20eq%20%27a%20b%27&$count=true&$top=2&$orderby=name%20asc"
    found = send(api, "GET", query).json()
    assert (found["@odata.count"], len(found["value"])) == (1, 1)
    first = send(api, "GET", "accounts?$select=name", Prefer="odata.maxpagesize=2").json()
    second = send(api, "GET", first["@odata.nextLink"], Prefer="odata.maxpagesize=2").json()
    assert [len(first["value"]), len(second["value"])] == [2, 1]
    tracked = send(api, "GET", "accounts?$select=name", Prefer="odata.track-changes").json()
    assert send(api, "GET", tracked["@odata.deltaLink"]).json()["value"] == []
    assert send(api, "GET", "accounts/$count").content.decode("utf-8-sig") == "3"
    total = send(api, "GET", "RetrieveTotalRecordCount(EntityNames=@p1)?@p1=[%22account%22]").json()
    assert total["EntityRecordCountCollection"]["Values"] == [3]
    text = "%3Cfetch%3E%3Centity%20name=%22account%22%3E%3Cattribute%20name=%22name%22/%3E%3C/entity%3E%3C/fetch%3E"
    assert len(send(api, "GET", f"accounts?fetchXml={text}").json()["value"]) == 3


def test_relationships_functions_and_bulk(api: SandboxSession) -> None:
    user = send(api, "GET", "WhoAmI()").json()["UserId"]
    role = read(api, "roles?$select=roleid&$filter=name eq 'Salesperson'")["value"][0]["roleid"]
    path = f"systemusers({user})/systemuserroles_association"
    assert send(api, "POST", f"{path}/$ref", {"@odata.id": f"{api.root}roles({role})"}).status_code == 204
    assert send(api, "DELETE", f"{path}({role})/$ref").status_code == 204
    contact, account = created(api, "contacts", {"lastname": "Berg"}), created(api, "accounts", {"name": "A"})
    single = f"accounts({account})/primarycontactid/$ref"
    assert send(api, "PUT", single, {"@odata.id": f"{api.root}contacts({contact})"}).status_code == 204
    assert send(api, "DELETE", single).status_code == 204
    targets = [
        {"@odata.type": "Microsoft.Dynamics.CRM.account", "@odata.id": f"accounts(accountnumber='{n}')", "name": "U"}
        for n in (1, 2)
    ]
    message = "accounts/Microsoft.Dynamics.CRM.UpsertMultiple"
    assert send(api, "POST", message, {"Targets": targets}).status_code == 204


def test_metadata(api: SandboxSession) -> None:
    table = "EntityDefinitions(LogicalName='account')"
    named = send(api, "GET", "EntityDefinitions?$select=EntitySetName,LogicalName").json()["value"]
    assert {"account": "accounts"}.items() <= {row["LogicalName"]: row["EntitySetName"] for row in named}.items()
    definition = send(api, "GET", f"{table}?$select=EntitySetName").json()
    assert definition["EntitySetName"] == "accounts"
    cast = "Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$expand=OptionSet"
    choices = send(api, "GET", f"{table}/{cast}").json()["value"]
    assert any(choice["OptionSet"]["Options"] for choice in choices)
    assert send(api, "GET", "GlobalOptionSetDefinitions").json()["value"] == []
    whole = send(api, "GET", table).json() | {"ChangeTrackingEnabled": True}
    changed = send(api, "PUT", f"EntityDefinitions({whole['MetadataId']})", whole, MSCRM_MergeLabels="true")
    assert changed.status_code == 204


BATCH = """

--dwa_batch_1
Content-Type: multipart/mixed;boundary=changeset_1

--changeset_1
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 100001

POST {root}accounts HTTP/1.1
Content-Type: application/json; charset=utf-8

{{"name":"Troms\\u00f8"}}

--changeset_1
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 100002

POST {root}contacts HTTP/1.1
Content-Type: application/json; charset=utf-8

{{"lastname":"Berg","parentcustomerid_account@odata.bind":"$100001"}}

--changeset_1--

--dwa_batch_1
Content-Type: application/http
Content-Transfer-Encoding: binary

GET {root}accounts?$select=name HTTP/1.1
Accept: application/json

--dwa_batch_1--
"""


@pytest.mark.parametrize("line_end", ["\r\n", "\n"], ids=["since 2.5", "before"])
def test_batch_begins_with_an_empty_line_and_is_parsed_by_its_boundaries(api: SandboxSession, line_end: str) -> None:
    text = BATCH.format(root=api.root).replace("\n", line_end)[len(line_end) :]
    kind = {**HEADERS, "Content-Type": "multipart/mixed;boundary=dwa_batch_1"}
    answer = api("POST", "$batch", data=text.encode(), headers=kind)
    assert answer.status_code == 200
    lines = answer.text.splitlines()
    assert lines[0].startswith("--batchresponse_")
    assert any(line.startswith("--changesetresponse_") for line in lines)
    assert re.findall(r"HTTP/1\.1 (\d+)", answer.text) == ["204", "204", "200"]
    last = answer.text[answer.text.index("{") : answer.text.rindex("}") + 1]
    assert [row["name"] for row in json.loads(last)["value"]] == ["Tromsø"]
    assert read(api, "contacts?$select=_parentcustomerid_value")["value"][0]["_parentcustomerid_value"]


def test_a_long_address_goes_through_a_batch(api: SandboxSession) -> None:
    created(api, "accounts", {"name": "A"})
    values = ",".join(f'"{number:040}"' for number in range(700))
    condition = f"Microsoft.Dynamics.CRM.NotIn(PropertyName='name',PropertyValues=[{values}])"
    text = (
        "\r\n--dwa_batch_2\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"GET {api.root}accounts?$select=name&$filter={condition} HTTP/1.1\r\nAccept: application/json\r\n\r\n"
        "--dwa_batch_2--\r\n"
    )
    kind = {**HEADERS, "Content-Type": "multipart/mixed;boundary=dwa_batch_2"}
    answer = api("POST", "$batch", data=text.encode(), headers=kind)
    assert re.findall(r"HTTP/1\.1 (\d+)", answer.text) == ["200"]
    assert '"name":"A"' in answer.text
