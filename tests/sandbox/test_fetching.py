"""FetchXML and simple SQL (dataverse-web-api.md 5.4, 16.1)."""

import re
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import quoteattr

import pytest
from PowerPlatform.Dataverse.client import DataverseClient

from tests.sandbox.conftest import BOTH_CLIENTS, create, error_of, read
from tests.sandbox_process import SandboxSession

EMPLOYEES = "attribute='numberofemployees'"
COUNTED = "<attribute name='numberofemployees' alias='n' aggregate='%s'/>"
LINKED = "<fetch><entity name='account'><link-entity %s/></entity></fetch>"
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
        ("<fetch aggregate='true'><entity name='account'/></fetch>", 400),
        (f"<fetch aggregate='true'><entity name='account'>{COUNTED % 'median'}</entity></fetch>", 400),
        (f"<fetch aggregate='true'><entity name='account'>{COUNTED % 'sum'}<order {EMPLOYEES}/></entity></fetch>", 400),
        (LINKED % "name='nothing' from='a' to='b'", 400),
        (LINKED % "name='contact' from='nothing' to='accountid'", 400),
        (LINKED % "name='contact' from='parentcustomerid' to='nothing'", 400),
        (LINKED % "name='contact' from='parentcustomerid' to='accountid' link-type='any'", 501),
    ],
)
def test_what_is_refused(api: SandboxSession, text: str, status: int) -> None:
    assert error_of(api("GET", f"accounts?fetchXml={quote(text)}"))[0] == status


@pytest.fixture
def people(rows: SandboxSession) -> SandboxSession:
    """Two contacts at Alfa, one at Beta, none at Gamma's."""
    accounts = {row["name"]: row["accountid"] for row in read(rows, "accounts?$select=name")["value"]}
    for name, account, income in (("Berg", "Alfa", 10.5), ("Dahl", "Alfa", 20), ("Moe", "Beta", None)):
        bind = {"parentcustomerid_account@odata.bind": f"/accounts({accounts[account]})"}
        create(rows, "contacts", lastname=name, annualincome=income, preferredcontactmethodcode=2, **bind)
    return rows


def link(inner: str, **attributes: str) -> str:
    given = {"name": "contact", "from": "parentcustomerid", "to": "accountid", "alias": "c", **attributes}
    head = " ".join(f"{name.replace('_', '-')}={quoteattr(value)}" for name, value in given.items())
    return f"<attribute name='name'/><link-entity {head}>{inner}</link-entity>"


LASTNAME = "<attribute name='lastname'/><order attribute='lastname' descending='true'/>"
MOE = "<filter><condition attribute='lastname' operator='eq' value='moe'/></filter>"


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (link(LASTNAME), [("Beta", "Moe"), ("Alfa", "Dahl"), ("Alfa", "Berg")]),
        (link(LASTNAME + MOE), [("Beta", "Moe")]),
        (
            link(LASTNAME + MOE, link_type="outer") + "<order attribute='name'/>",
            [("Alfa", None), ("Beta", "Moe"), ("Gamma's", None)],
        ),
        (
            link(LASTNAME, link_type="outer")
            + "<filter><condition entityname='c' attribute='contactid' operator='null'/></filter>",
            [("Gamma's", None)],
        ),
        (
            link(LASTNAME)
            + "<filter type='or'><condition attribute='fax' operator='eq' value='1'/>"
            + "<condition entityname='c' attribute='lastname' operator='eq' value='Berg'/></filter>",
            [("Beta", "Moe"), ("Alfa", "Berg")],
        ),
    ],
    ids=["inner", "filtered", "outer filtered", "without any", "filtered at the top"],
)
def test_links(people: SandboxSession, inner: str, expected: list[tuple[str, str | None]]) -> None:
    assert [(row["name"], row.get("c.lastname")) for row in fetch(people, inner)["value"]] == expected


def test_links_within_links_with_annotations_and_pages(people: SandboxSession) -> None:
    owner = "<link-entity name='systemuser' from='systemuserid' to='ownerid'><attribute name='fullname'/></link-entity>"
    columns = "<attribute name='annualincome' alias='income'/><attribute name='preferredcontactmethodcode'/>"
    text = f"<fetch count='2' page='%s'><entity name='account'>{link(columns + LASTNAME + owner)}</entity></fetch>"
    first = read(people, f"accounts?fetchXml={quote(text % 1)}", 'odata.include-annotations="*"')
    assert len(first["value"]) == 2
    row = first["value"][1]
    assert (row["income"], row["c.preferredcontactmethodcode"], row["name"]) == (20, 2, "Alfa")
    assert row["c.preferredcontactmethodcode@OData.Community.Display.V1.FormattedValue"] == "Email"
    assert row["income@OData.Community.Display.V1.FormattedValue"].endswith("20.00")
    assert {"accountid", "@odata.etag", "systemuser2.fullname"} <= set(row)
    assert first["@Microsoft.Dynamics.CRM.morerecords"] is True
    second = read(people, f"accounts?fetchXml={quote(text % 2)}", 'odata.include-annotations="*"')
    assert [row["c.lastname"] for row in second["value"]] == ["Berg"]
    assert "@Microsoft.Dynamics.CRM.morerecords" not in second


def test_distinct_rows(people: SandboxSession) -> None:
    inner = link("").replace("<attribute name='name'/>", "<attribute name='name'/><order attribute='name'/>")
    assert len(fetch(people, inner)["value"]) == 3
    assert fetch(people, inner, distinct="true")["value"] == [{"name": "Alfa"}, {"name": "Beta"}]


def test_aggregates(people: SandboxSession) -> None:
    values = "".join(
        f"<attribute name='{name}' alias='{alias}' aggregate='{function}'/>"
        for name, alias, function in (
            ("accountid", "rows", "count"),
            ("fax", "faxes", "countcolumn"),
            ("numberofemployees", "sum", "sum"),
            ("numberofemployees", "most", "max"),
            ("numberofemployees", "least", "min"),
            ("numberofemployees", "mean", "avg"),
        )
    )
    assert fetch(people, values, aggregate="true")["value"] == [
        {"rows": 3, "faxes": 2, "sum": 15, "most": 9, "least": 1, "mean": 5}
    ]


def test_groups(people: SandboxSession) -> None:
    grouped = "<attribute name='name' alias='customer' groupby='true'/><order alias='people' descending='true'/>"
    counted = (
        "<attribute name='contactid' alias='people' aggregate='countcolumn'/>"
        "<attribute name='annualincome' alias='income' aggregate='sum'/>"
        "<attribute name='preferredcontactmethodcode' alias='ways' aggregate='countcolumn' distinct='true'/>"
    )
    inner = link(counted, link_type="outer").replace("<attribute name='name'/>", grouped)
    assert fetch(people, inner, aggregate="true")["value"] == [
        {"customer": "Alfa", "people": 2, "income": 30.5, "ways": 1},
        {"customer": "Beta", "people": 1, "ways": 1},
        {"customer": "Gamma's", "people": 0, "ways": 0},
    ]
    years = (
        "<attribute name='overriddencreatedon' alias='y' groupby='true' dategrouping='year'/>"
        "<attribute name='accountid' alias='n' aggregate='count'/><order alias='y'/>"
    )
    create(people, "accounts", name="Old", overriddencreatedon="2019-05-01T00:00:00Z")
    years = years.replace("overriddencreatedon", "createdon")
    assert fetch(people, years, aggregate="true")["value"][0] == {"y": 2019, "n": 1}
    months = years.replace("year", "quarter")
    assert {"y": 2, "n": 1} in fetch(people, months, aggregate="true")["value"]
    assert error_of(people("GET", f"accounts?fetchXml={quote(FISCAL)}"))[0] == 501


FISCAL = (
    "<fetch aggregate='true'><entity name='account'><attribute name='createdon' alias='y' groupby='true' "
    "dategrouping='fiscal-year'/></entity></fetch>"
)


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


@BOTH_CLIENTS
def test_sdk_asks_in_sql_and_fetchxml(rows: SandboxSession, sdk: DataverseClient) -> None:
    assert [row["name"] for row in sdk.query.sql("SELECT name FROM account WHERE fax = '2'")] == ["Gamma's"]
    text = "<fetch count='2'><entity name='account'><attribute name='name'/><order attribute='name'/></entity></fetch>"
    pages = list(sdk.query.fetchxml(text).execute_pages())
    assert [row["name"] for page in pages for row in page] == ["Alfa", "Beta", "Gamma's"]
