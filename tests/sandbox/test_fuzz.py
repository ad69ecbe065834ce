"""Malformed requests, thousands of them: every one is refused in Dataverse's shape, none with a 500 (9.1)."""

import json
import random
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from sandbox.conditions.latency import Latency
from sandbox.details import Credentials
from sandbox.metadata.loading import load_catalog
from sandbox.protocol import Answer, Request
from sandbox.routes import dispatch
from sandbox.seed.planting import plant
from sandbox.service import Call, Service
from sandbox.store.database import Store

ROOT = "https://localhost/api/data/v9.2/"
EACH = 2500
FILTERS = [
    "name eq 'Ada'",
    "contains(name,'x') and not startswith(fax,'1')",
    "numberofemployees gt 5 or (revenue le 10.5 and creditonhold eq true)",
    "primarycontactid/fullname eq 'Ada Berg'",
    "contact_customer_accounts/any(c:c/lastname eq 'Berg')",
    'Microsoft.Dynamics.CRM.In(PropertyName=\'accountnumber\',PropertyValues=["1","2"])',
    "Microsoft.Dynamics.CRM.LastXDays(PropertyName='modifiedon',PropertyValue=7)",
    "createdon ge 2026-01-01T00:00:00Z",
    "_ownerid_value eq 6f1f3c1e-1d51-4d0a-9b0d-0d0a3f7c0001",
    "name eq @n",
]
BODIES = [
    {"name": "A", "revenue": 12.5, "creditonhold": True, "paymenttermscode": 1},
    {"primarycontactid@odata.bind": "/contacts(6f1f3c1e-1d51-4d0a-9b0d-0d0a3f7c0001)"},
    {"contact_customer_accounts": [{"lastname": "B"}], "overriddencreatedon": "2019-03-01T08:00:00Z"},
    {"statecode": 0, "statuscode": 1, "address1_latitude": 1.5, "accountid": "6f1f3c1e-1d51-4d0a-9b0d-0d0a3f7c0001"},
]
BATCH = (
    "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\n"
    "Content-Transfer-Encoding: binary\r\nContent-ID: 1\r\n\r\nPOST /api/data/v9.2/accounts HTTP/1.1\r\n"
    'Content-Type: application/json\r\n\r\n{"name":"A"}\r\n--c--\r\n\r\n--b\r\nContent-Type: application/http\r\n'
    "Content-Transfer-Encoding: binary\r\n\r\nGET /api/data/v9.2/accounts?$select=name HTTP/1.1\r\n\r\n\r\n--b--\r\n"
)
PATHS = [
    "accounts(6f1f3c1e-1d51-4d0a-9b0d-0d0a3f7c0001)/primarycontactid/$ref",
    "accounts(accountnumber='A''1')",
    "EntityDefinitions(LogicalName='account')/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata",
    "systemusers(ownerid=6f1f3c1e-1d51-4d0a-9b0d-0d0a3f7c0001)/systemuserroles_association/$count",
    'RetrieveTotalRecordCount(EntityNames=@p1)?@p1=["account"]',
    "accounts?$select=name&$expand=primarycontactid($select=fullname)&$orderby=name desc&$top=3&$count=true",
    "accounts?$apply=groupby((statuscode),aggregate($count as n))",
    "accounts?fetchXml=<fetch><entity name='account'><attribute name='name'/></entity></fetch>",
    "accounts?sql=SELECT name FROM account WHERE name = 'A'",
    'accounts?$skiptoken=<cookie pagenumber="2" pagingcookie="e30=" istracking="False" />',
    "accounts?$deltatoken=919042!01/22/2026 08:10:44",
]
FETCHES = [
    "<fetch count='3' page='2'><entity name='account'><attribute name='name'/><filter type='or'><condition "
    "attribute='revenue' operator='ge' value='5'/><condition attribute='createdon' operator='last-x-days' value='3'/>"
    "</filter><order attribute='name' descending='true'/></entity></fetch>",
    "<fetch distinct='true'><entity name='account'><attribute name='name' alias='n'/><link-entity name='contact' "
    "from='parentcustomerid' to='accountid' alias='c' link-type='outer'><all-attributes/><filter><condition "
    "attribute='birthdate' operator='on' value='2001-01-01'/></filter></link-entity><filter><condition "
    "entityname='c' attribute='lastname' operator='null'/></filter></entity></fetch>",
    "<fetch aggregate='true'><entity name='account'><attribute name='revenue' alias='r' aggregate='sum'/><attribute "
    "name='createdon' alias='y' groupby='true' dategrouping='month'/><attribute name='statuscode' alias='s' "
    "groupby='true'/><order alias='r'/></entity></fetch>",
]
HEADERS = {
    "prefer": 'return=representation,odata.maxpagesize=5,odata.include-annotations="*",odata.track-changes',
    "if_match": 'W/"1001"',
    "if_none_match": "*",
    "mscrmcallerid": "6f1f3c1e-1d51-4d0a-9b0d-0d0a3f7c0001",
    "content_type": "multipart/mixed; boundary=b",
}
METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "get", "MERGE", ""]
ACTIONS = ["WinQuote", "BulkDelete", "CreateEntities", "ImportSolution", "InsertOptionValue", "FulfillSalesOrder"]
OTHERS = {"Targets": [BODIES[0]], "Entities": [1], "QuerySet": [{}], "QuoteClose": 1, "OrderClose": {}}
NOISE = [*"'\"()[]{},@$/\\\0é\U0001f6b2-%", "null", "1e999", "  "]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    catalog = load_catalog()
    store = Store(tmp_path_factory.mktemp("fuzz") / "store.sqlite3", catalog)
    plant(store, catalog, Credentials("t", "6f1f3c1e-1d51-4d0a-9b0d-0d0a3f7c0009", "s"), empty=False)
    return Service(catalog, store, latency=Latency({}))


def ask(
    service: Service, method: str, address: str, body: bytes = b"", kind: str = "application/json", **headers: str
) -> Answer:
    path, _, query = address.partition("?")
    with service.store.reading() as connection:
        user = connection.execute("SELECT systemuserid FROM systemuser WHERE applicationid IS NOT NULL").fetchone()[0]
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    encoded = quote(path, safe="/()=,'$@"), quote(query, safe="=&$(),;'@/")
    return dispatch(Call(service, Request(method, *encoded, {"content-type": kind, **headers}, body, ROOT), user))


def damaged(text: str, chance: random.Random) -> str:
    """Return a text with a few places cut, doubled, swapped or filled with noise."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        end = min(start + chance.randint(0, 8), len(text))
        middle = chance.choice(["", text[start:end] * 2, chance.choice(NOISE), text[start:end][::-1]])
        text = text[:start] + middle + text[end:]
    return text


def check(answer: Answer, sent: str) -> bool:
    """Return True when the request was refused; what is refused is so in Dataverse's shape."""
    assert answer.status < 500 or answer.status == 501, sent
    if answer.status < 400:
        return False
    if answer.headers["Content-Type"].startswith("multipart/mixed"):
        statuses = [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3}) ", answer.body)]
        assert all(status < 500 or status == 501 for status in statuses), sent
        return True
    error = json.loads(answer.body)["error"]
    # Who asks for all annotations gets those of errors too (9.1).
    assert {name for name in error if not name.startswith("@")} == {"code", "message"}, sent
    assert re.fullmatch(r"0x[0-9A-Fa-f]{8}", error["code"]), sent
    assert "Traceback" not in error["message"]
    assert "sqlite" not in error["message"].lower()
    return True


def filters(chance: random.Random) -> Iterator[tuple[str, str, bytes, str]]:
    for _ in range(EACH):
        yield "GET", f"accounts?$top=1&$filter={damaged(chance.choice(FILTERS), chance)}", b"", "application/json"


def bodies(chance: random.Random) -> Iterator[tuple[str, str, bytes, str]]:
    for _ in range(EACH):
        target = chance.choice(["accounts", "accounts(6f1f3c1e-1d51-4d0a-9b0d-0d0a3f7c0001)", *ACTIONS])
        content = json.dumps(chance.choice(BODIES))
        if chance.random() < 0.3:
            content = json.dumps(OTHERS)
            target = chance.choice(["accounts/Microsoft.Dynamics.CRM.CreateMultiple", *ACTIONS])
        method = "PATCH" if "(" in target else "POST"
        yield method, target, damaged(content, chance).encode("utf-8", "surrogatepass"), "application/json"


def batches(chance: random.Random) -> Iterator[tuple[str, str, bytes, str]]:
    for _ in range(EACH):
        kind = "multipart/mixed; boundary=b"
        yield (
            "POST",
            "$batch",
            damaged(BATCH, chance).encode(),
            damaged(kind, chance) if chance.random() < 0.1 else kind,
        )


def addresses(chance: random.Random) -> Iterator[tuple[str, str, bytes, str]]:
    for _ in range(EACH):
        method = chance.choice(["GET", "GET", "GET", "PUT", "DELETE", "POST", "PATCH"])
        yield method, damaged(chance.choice(PATHS), chance), b"{}", "application/json"


def fetches(chance: random.Random) -> Iterator[tuple[str, str, bytes, str]]:
    """FetchXML that is broken as text, and such where a name or value stands in a wrong place."""
    words = re.findall(r"'[^']*'", "".join(FETCHES))
    for _ in range(EACH // 4):
        text = chance.choice(FETCHES)
        if chance.random() < 0.5:
            text = text.replace(chance.choice(words), chance.choice([*words, "''", "'9999999999'"]))
        yield "GET", f"accounts?fetchXml={text if chance.random() < 0.3 else damaged(text, chance)}", b"", "text/plain"


@pytest.mark.parametrize("source", [filters, bodies, batches, addresses, fetches])
def test_malformed_requests_are_refused_in_shape(service: Service, source: object) -> None:
    chance = random.Random(42)
    with service.store.writing():  # one transaction for all: nothing of it is looked at
        refused = [
            check(ask(service, method, address, body, kind), f"{method} {address} {body!r} {kind}")
            for method, address, body, kind in source(chance)  # type: ignore[operator]
        ]
    assert sum(refused) > len(refused) / 3


def test_odd_headers_and_methods_do_not_break_it(service: Service) -> None:
    chance = random.Random(43)
    with service.store.writing():
        for _ in range(EACH // 2):
            name, value = chance.choice([*HEADERS.items()])
            header = {name: damaged(value, chance)}
            method, address = chance.choice(METHODS), chance.choice([*PATHS, "accounts", "$batch", *ACTIONS])
            check(
                ask(service, method, address, json.dumps(BODIES[0]).encode(), **header), f"{method} {address} {header}"
            )


DEEP = {
    "parentheses": "(" * 5000,
    "not": "not " * 5000 + "true",
    "or": "name eq 'a' or " * 3000 + "name eq 'b'",
    "minus": "-" * 9999,
}
ODD = {
    "lists": b"[" * 100_000,
    "objects": b'{"a":' * 50_000,
    "no text": b"\xff\xfe",
    "too much": b'{"revenue":1e999999}',
    "no number": b'{"revenue":NaN}',
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_filters_do_not_break_it(service: Service, name: str) -> None:
    answer = ask(service, "GET", f"accounts?$filter={DEEP[name]}")
    assert answer.status in (200, 400)


@pytest.mark.parametrize("name", ODD)
def test_deep_and_odd_json_does_not_break_it(service: Service, name: str) -> None:
    assert check(ask(service, "POST", "accounts", ODD[name]), name)
