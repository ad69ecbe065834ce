"""FetchXML's plain subset and simple SQL (dataverse-web-api.md 5.4, 16.1)."""

import re
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import quoteattr

import pytest
from PowerPlatform.Dataverse.client import DataverseClient

from tests.sandbox.conftest import create, error_of, read
from tests.sandbox_process import SandboxSession

EMPLOYEES = "attribute='numberofemployees'"
TEA = "<condition attribute='name' operator='tea'/>"
NAMES = [("Alfa", 1, None), ("Beta", 5, "1"), ("Gamma's", 9, "2")]


@pytest.fixture
def rows(api: SandboxSession) -> SandboxSession:
    for name, employees, fax in NAMES:
        create(api, "accounts", name=name, numberofemployees=employees, fax=fax, creditonhold=name == "Beta")
    return api


def fetch(api: SandboxSession, inner: str, **attributes: str) -> Any:
    head = "".join(f" {name.replace('_', '-')}={quoteattr(value)}" for name, value in attributes.items())
    text = f"<fetch{head}><entity name='account'>{inner}</entity></fetch>"
    prefer = (
        'odata.include-annotations="Microsoft.Dynamics.CRM.fetchxmlpagingcookie,Microsoft.Dynamics.CRM.morerecords"'
    )
    return read(api, f"accounts?fetchXml={quote(text)}", prefer)


def found(api: SandboxSession, condition: str) -> list[str]:
    inner = f"<attribute name='name'/><filter>{condition}</filter><order attribute='name'/>"
    return [row["name"] for row in fetch(api, inner)["value"]]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("<condition attribute='name' operator='eq' value='beta'/>", ["Beta"]),
        ("<condition attribute='name' operator='eq' value=\"Gamma's\"/>", ["Gamma's"]),
        ("<condition attribute='name' operator='like' value='%a%'/>", ["Alfa", "Beta", "Gamma's"]),
        ("<condition attribute='name' operator='like' value='al%'/>", ["Alfa"]),
        ("<condition attribute='name' operator='not-like' value='%a'/>", ["Gamma's"]),
        ("<condition attribute='name' operator='begins-with' value='B'/>", ["Beta"]),
        ("<condition attribute='numberofemployees' operator='ge' value='5'/>", ["Beta", "Gamma's"]),
        (
            "<condition attribute='numberofemployees' operator='in'><value>1</value><value>9</value></condition>",
            ["Alfa", "Gamma's"],
        ),
        (
            "<condition attribute='numberofemployees' operator='between'><value>2</value><value>6</value></condition>",
            ["Beta"],
        ),
        ("<condition attribute='fax' operator='null'/>", ["Alfa"]),
        ("<condition attribute='fax' operator='not-null'/>", ["Beta", "Gamma's"]),
        ("<condition attribute='creditonhold' operator='eq' value='1'/>", ["Beta"]),
        ("<condition attribute='createdon' operator='today'/>", ["Alfa", "Beta", "Gamma's"]),
        ("<condition attribute='ownerid' operator='eq-userid'/>", ["Alfa", "Beta", "Gamma's"]),
        (
            "<filter type='or'><condition attribute='fax' operator='eq' value='1'/>"
            "<condition attribute='fax' operator='eq' value='2'/></filter>",
            ["Beta", "Gamma's"],
        ),
    ],
)
def test_conditions(rows: SandboxSession, condition: str, expected: list[str]) -> None:
    assert found(rows, condition) == expected


def test_pages_by_cookie_and_by_number(rows: SandboxSession) -> None:
    inner = "<attribute name='name'/><order attribute='name' descending='true'/>"
    seen, attributes = [], {"count": "2", "page": "1"}
    while True:
        page = fetch(rows, inner, **attributes)
        seen += [row["name"] for row in page["value"]]
        cookie = page.get("@Microsoft.Dynamics.CRM.fetchxmlpagingcookie")
        if not page.get("@Microsoft.Dynamics.CRM.morerecords"):
            break
        match = re.search('pagingcookie="([^"]*)"', cookie)
        assert match
        attributes = {"count": "2", "page": "2", "paging_cookie": unquote(unquote(match[1]))}
    assert seen == ["Gamma's", "Beta", "Alfa"]
    assert cookie is None
    assert [row["name"] for row in fetch(rows, inner, count="2", page="2")["value"]] == ["Alfa"]
    assert [row["name"] for row in fetch(rows, inner, top="1")["value"]] == ["Gamma's"]
    assert fetch(rows, inner, returntotalrecordcount="true")["@odata.count"] == 3


def test_columns_without_value_are_left_out(rows: SandboxSession) -> None:
    inner = "<attribute name='fax'/><filter><condition attribute='name' operator='eq' value='Alfa'/></filter>"
    assert "fax" not in fetch(rows, inner)["value"][0]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("nonsense", 400),
        ("<fetch>", 400),
        ("<!DOCTYPE a><fetch/>", 400),
        ("<fetch><entity name='contact'/></fetch>", 400),
        ("<fetch count='x'><entity name='account'/></fetch>", 400),
        ("<fetch><entity name='account'><attribute name='nothing'/></entity></fetch>", 400),
        (f"<fetch><entity name='account'><filter>{TEA}</filter></entity></fetch>", 400),
        ("<fetch paging-cookie='x'><entity name='account'/></fetch>", 400),
        ("<fetch aggregate='true'><entity name='account'/></fetch>", 501),
    ],
)
def test_what_is_refused(api: SandboxSession, text: str, status: int) -> None:
    assert error_of(api("GET", f"accounts?fetchXml={quote(text)}"))[0] == status


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT name FROM account WHERE numberofemployees >= 5 ORDER BY name DESC", ["Gamma's", "Beta"]),
        ("SELECT TOP 1 a.name FROM account a ORDER BY a.name", ["Alfa"]),
        ("select name from account where name like 'b%' or fax is null order by name", ["Alfa", "Beta"]),
        ("SELECT name FROM account WHERE name = 'Gamma''s'", ["Gamma's"]),
        ("SELECT name FROM account WHERE numberofemployees IN (1, 5) AND NOT fax = '1'", ["Alfa"]),
        ("SELECT name FROM account WHERE numberofemployees BETWEEN 2 AND 6", ["Beta"]),
    ],
)
def test_sql(rows: SandboxSession, sql: str, expected: list[str]) -> None:
    assert [row["name"] for row in read(rows, f"accounts?sql={quote(sql)}")["value"]] == expected


@pytest.mark.parametrize(
    ("sql", "status"),
    [
        ("DELETE FROM account", 400),
        ("SELECT nothing FROM account", 400),
        ("SELECT name FROM contact", 400),
        ("SELECT name FROM account WHERE name", 400),
        ("SELECT count(*) FROM account", 501),
        ("SELECT name FROM account JOIN contact ON 1 = 1", 501),
    ],
)
def test_sql_that_is_refused(api: SandboxSession, sql: str, status: int) -> None:
    assert error_of(api("GET", f"accounts?sql={quote(sql)}"))[0] == status


def test_sdk_asks_in_sql_and_fetchxml(rows: SandboxSession, sdk: DataverseClient) -> None:
    assert [row["name"] for row in sdk.query.sql("SELECT name FROM account WHERE fax = '2'")] == ["Gamma's"]
    text = "<fetch count='2'><entity name='account'><attribute name='name'/><order attribute='name'/></entity></fetch>"
    pages = list(sdk.query.fetchxml(text).execute_pages())
    assert [row["name"] for page in pages for row in page] == ["Alfa", "Beta", "Gamma's"]
