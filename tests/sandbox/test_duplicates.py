"""Duplicate detection: rules, the header that switches it on, and its messages (dataverse-web-api.md 4.9)."""

import json
import uuid
from typing import Any
from urllib.parse import quote

from tests.sandbox.conftest import bulk, create, error_of, names, read
from tests.sandbox_process import SandboxSession

HIT = (412, "0x80040333")
ON = {"MSCRM.SuppressDuplicateDetection": "false"}


def make_rule(api: SandboxSession, *conditions: dict[str, Any], **values: Any) -> str:
    """Create a rule and return its id."""
    rule = {"name": "R", "baseentityname": "account", "matchingentityname": "account", **values}
    return create(api, "duplicaterules", **rule, DuplicateRule_DuplicateRuleConditions=list(conditions))


def condition(column: str, operator: int = 0, **values: Any) -> dict[str, Any]:
    return {"baseattributename": column, "matchingattributename": column, "operatorcode": operator, **values}


def publish(api: SandboxSession, rule: str) -> Any:
    return api("POST", f"duplicaterules({rule})/Microsoft.Dynamics.CRM.PublishDuplicateRule", {})


def duplicates(api: SandboxSession, entity: dict[str, Any], table: str = "account", count: int = 10) -> Any:
    paging = {"PageNumber": 1, "Count": count}
    query = f"@a={quote(json.dumps(entity))}&@b='{table}'&@c={quote(json.dumps(paging))}"
    return api("GET", f"RetrieveDuplicates(BusinessEntity=@a,MatchingEntityName=@b,PagingInfo=@c)?{query}")


def test_published_rules_count_when_the_header_asks(api: SandboxSession) -> None:
    query = "duplicaterules?$select=name,baseentityname&$filter=statuscode eq 2&$orderby=name"
    assert [(r["baseentityname"], r["name"].rpartition("same ")[2]) for r in read(api, query)["value"]] == [
        ("account", "Account Name"),
        ("account", "e-mail address"),
        ("contact", "e-mail address"),
    ]
    first = create(api, "accounts", name="Café Ås", emailaddress1="post@as.example")
    assert api("POST", "accounts", {"name": "cafe as"}).status_code == 204, "suppressed unless asked for"
    for value, expected in (("false", HIT), ("False", HIT), ("true", None)):
        answer = api("POST", "accounts", {"name": "CAFE ÅS"}, headers={"MSCRM.SuppressDuplicateDetection": value})
        assert (error_of(answer) if expected else answer.status_code) == (expected or 204)
    assert "duplicate of the current record" in api("POST", "accounts", {"name": "Cafe As"}, headers=ON).text
    assert len(names(api, "accounts?$filter=name eq 'cafe as'")) == 3, "a refused row is not there"
    other = create(api, "accounts", name="Other")
    address = f"accounts({other})"
    assert error_of(api("PATCH", address, {"emailaddress1": "POST@as.example"}, headers=ON)) == HIT
    assert read(api, address)["emailaddress1"] is None
    # Rules that compare nothing of what is written do not count, nor does the row itself.
    assert api("PATCH", f"accounts({first})", {"fax": "1"}, headers=ON).status_code == 204
    assert api("PATCH", address, {"name": "Other"}, headers=ON).status_code == 204
    assert error_of(api("PATCH", f"accounts({uuid.uuid4()})", {"name": "Other"}, headers=ON)) == HIT, "an upsert too"


def test_in_bulk_and_batch(api: SandboxSession) -> None:
    create(api, "accounts", name="A")

    def on(method: str, path: str, body: Any) -> Any:
        return api(method, path, body, headers=ON)

    assert error_of(bulk(on, "accounts", "CreateMultiple", [{"name": "B"}, {"name": "A"}])) == HIT  # type: ignore[arg-type]
    assert error_of(bulk(on, "accounts", "CreateMultiple", [{"name": "C"}, {"name": "C"}])) == HIT  # type: ignore[arg-type]
    assert names(api, "accounts") == ["A"]
    assert bulk(on, "accounts", "CreateMultiple", [{"name": "B"}, {"name": "C"}]).status_code == 200  # type: ignore[arg-type]
    part = "--b\r\nContent-Type: application/http\r\n\r\nPOST accounts HTTP/1.1\r\n{}\r\n\r\n{}\r\n"
    parts = part.format("X: y", '{"name": "A"}')
    parts += part.format("MSCRM.SuppressDuplicateDetection: true", '{"name": "A"}') + "--b--"
    headers = {"Content-Type": "multipart/mixed; boundary=b", "Prefer": "odata.continue-on-error", **ON}
    answer = api("POST", "$batch", headers=headers, data=parts)
    assert "HTTP/1.1 412" in answer.text, "the outer header holds for each part"
    assert "HTTP/1.1 204" in answer.text, "a part may say otherwise"


def test_rules_of_ones_own(api: SandboxSession) -> None:
    create(api, "accounts", name="Nordlys Handel", telephone1="+47 22 33 44 55", fax="1")
    rule = make_rule(api, condition("name", 1, operatorparam=7), condition("telephone1", 2, operatorparam=5))
    other = {"name": "Nordlys AS", "telephone1": "22334455"}
    create_other = {**other, "name": "Nordlys Drift", "telephone1": "33 44 55"}
    assert api("POST", "accounts", create_other, headers=ON).status_code == 204, "not published yet"
    job = publish(api, rule).json()["JobId"]
    assert read(api, f"asyncoperations({job})")["statuscode"] == 30
    assert error_of(api("POST", "accounts", {**other, "telephone1": "99 44 55"}, headers=ON)) == HIT
    assert api("POST", "accounts", other, headers=ON).status_code == 204
    found = duplicates(api, {"@odata.type": "Microsoft.Dynamics.CRM.account", **create_other}).json()["value"]
    assert {row["name"] for row in found} == {"Nordlys Handel", "Nordlys Drift"}
    assert {row["@odata.type"] for row in found} == {"#Microsoft.Dynamics.CRM.account"}
    assert api("POST", "UnpublishDuplicateRule", {"DuplicateRuleId": rule}).status_code == 204
    assert api("POST", "accounts", {**other, "name": "Nordlys 3"}, headers=ON).status_code == 204
    sensitive = make_rule(api, condition("fax"), iscasesensitive=True, excludeinactiverecords=True)
    assert publish(api, sensitive).status_code == 200
    fax = create(api, "accounts", name="Fax", fax="abc")
    assert api("POST", "accounts", {"name": "F2", "fax": "ABC"}, headers=ON).status_code == 204
    assert error_of(api("POST", "accounts", {"name": "F3", "fax": "abc"}, headers=ON)) == HIT
    api("PATCH", f"accounts({fax})", {"statecode": 1})
    assert api("POST", "accounts", {"name": "F3", "fax": "abc"}, headers=ON).status_code == 204
    assert api("POST", "accounts", {"name": "F4"}, headers=ON).status_code == 204, "empty values are no duplicates"


def test_across_tables_and_refusals(api: SandboxSession) -> None:
    create(api, "contacts", lastname="Berg", emailaddress1="b@x.example")
    match = {"baseattributename": "emailaddress1", "matchingattributename": "emailaddress1", "operatorcode": 0}
    rule = make_rule(api, match, matchingentityname="contact")
    assert publish(api, rule).status_code == 200
    assert error_of(api("POST", "accounts", {"name": "A", "emailaddress1": "B@X.example"}, headers=ON)) == HIT
    account = create(api, "accounts", name="A", emailaddress1="b@x.example")
    found = duplicates(api, {"@odata.id": f"accounts({account})"}, "contact").json()["value"]
    assert [row["lastname"] for row in found] == ["Berg"]
    assert duplicates(api, {"@odata.id": f"accounts({account})"}).json()["value"] == [], (
        "a row is not its own duplicate"
    )
    assert error_of(publish(api, make_rule(api)))[0] == 400, "no conditions"
    assert error_of(publish(api, make_rule(api, condition("nothing"))))[0] == 400
    assert error_of(duplicates(api, {"name": "A"}))[0] == 400
    assert error_of(duplicates(api, {"@odata.id": f"accounts({account})"}, count=-1))[0] == 400
    organization = read(api, "organizations")["value"][0]["organizationid"]
    api("PATCH", f"organizations({organization})", {"isduplicatedetectionenabled": False})
    assert api("POST", "accounts", {"name": "A"}, headers=ON).status_code == 204, "switched off for everyone"
