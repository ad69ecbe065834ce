"""Query options (dataverse-web-api.md 5)."""

import json
from urllib.parse import quote

import pytest

from tests.sandbox.conftest import create, error_of, names, new_guid, read
from tests.sandbox_process import SandboxSession

PEOPLE = [
    ("Ada", "Berg", "Oslo", 1),
    ("Bo", "Lie", "oslo", 2),
    ("Cy", "O'Brien", "Bergen", 3),
    ("Di", "50% [x]_y", None, 4),
    ("Eli", "Bergström", "Bergen", None),
]


@pytest.fixture
def people(api: SandboxSession) -> SandboxSession:
    account = create(api, "accounts", name="Nordvik", revenue=1000)
    for first, last, city, children in PEOPLE:
        bind = {"parentcustomerid_account@odata.bind": f"/accounts({account})"} if children in (1, 2) else {}
        create(
            api, "contacts", firstname=first, lastname=last, address1_city=city, numberofchildren=children,
            creditlimit=None if children is None else children * 10.5, donotphone=first == "Bo", **bind,
        )  # fmt: skip
    return api


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("lastname eq 'BERG'", "Ada"),
        ("lastname eq 'O''Brien'", "Cy"),
        ("address1_city eq 'Oslo'", "Ada Bo"),
        ("address1_city ne 'Oslo'", "Cy Di Eli"),
        ("address1_city eq null", "Di"),
        ("null ne address1_city", "Ada Bo Cy Eli"),
        ("numberofchildren gt 2", "Cy Di"),
        ("2 ge numberofchildren", "Ada Bo"),
        ("creditlimit eq 10.5", "Ada"),
        ("creditlimit lt 21", "Ada"),
        ("donotphone eq true", "Bo"),
        ("statecode eq 0 and not (numberofchildren le 3)", "Di Eli"),
        ("numberofchildren eq 1 or numberofchildren eq 2 and lastname eq 'x'", "Ada"),
        ("(numberofchildren eq 1 or numberofchildren eq 2) and lastname eq 'Lie'", "Bo"),
        ("contains(lastname,'ERG')", "Ada Eli"),
        ("startswith(lastname,'berg')", "Ada Eli"),
        ("endswith(lastname,'g')", "Ada"),
        ("not contains(address1_city,'o')", "Cy Di Eli"),
        ("contains(lastname,'B%g')", "Ada Eli"),
        ("contains(lastname,'[%]')", "Di"),
        ("contains(lastname,'[_]')", "Di"),
        ("contains(lastname,'[[]x')", "Di"),
        ("startswith(lastname,'[a-c]')", "Ada Eli"),
        ("firstname eq lastname", ""),
        ("parentcustomerid_account/name eq 'nordvik'", "Ada Bo"),
        ("parentcustomerid_account/accountid ne null", "Ada Bo"),
        ("_parentcustomerid_value eq null", "Cy Di Eli"),
        ("createdon ge 2020-01-01 and createdon lt 2199-01-01T00:00:00Z", "Ada Bo Cy Di Eli"),
        ("createdon gt 2199-01-01T00:00:00%2B02:00", ""),
        ('Microsoft.Dynamics.CRM.In(PropertyName=\'lastname\',PropertyValues=["berg","Lie"])', "Ada Bo"),
        ("Microsoft.Dynamics.CRM.In(PropertyName='numberofchildren',PropertyValues=['1','3'])", "Ada Cy"),
        ("Microsoft.Dynamics.CRM.NotIn(PropertyName='numberofchildren',PropertyValues=[\"1\"])", "Bo Cy Di Eli"),
        ('Microsoft.Dynamics.CRM.Between(PropertyName=\'creditlimit\',PropertyValues=["10","21"])', "Ada Bo"),
        ("Microsoft.Dynamics.CRM.Today(PropertyName='createdon')", "Ada Bo Cy Di Eli"),
        ("Microsoft.Dynamics.CRM.LastXHours(PropertyName='createdon',PropertyValue=1)", "Ada Bo Cy Di Eli"),
        ("Microsoft.Dynamics.CRM.OnOrAfter(PropertyName='createdon',PropertyValue='2199-01-01')", ""),
        ("Microsoft.Dynamics.CRM.EqualUserId(PropertyName='ownerid')", "Ada Bo Cy Di Eli"),
        ("lastname eq @n&@n='Berg'", "Ada"),
        ("address1_city eq @unassigned", "Di"),
    ],
)
def test_filter(people: SandboxSession, condition: str, expected: str) -> None:
    found = names(people, f"contacts?$select=firstname&$orderby=firstname&$filter={condition}", "firstname")
    assert found == expected.split()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("contact_customer_accounts/any(c:c/lastname eq 'Berg')", ["Nordvik"]),
        ("contact_customer_accounts/any(c:c/lastname eq 'x')", []),
        ("contact_customer_accounts/any()", ["Nordvik"]),
        ("contact_customer_accounts/all(c:c/numberofchildren lt 3)", ["Nordvik"]),
        ("contact_customer_accounts/all(c:c/numberofchildren lt 2)", []),
    ],
)
def test_lambda(people: SandboxSession, condition: str, expected: list[str]) -> None:
    assert names(people, f"accounts?$filter={condition}") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$filter=nonsense eq 1", (400, "0x80060888")),
        ("$filter=lastname eq", (400, "0x80060888")),
        ("$filter=lastname eq 'x' and", (400, "0x80060888")),
        ("$filter=lastname eq 5", (400, "0x80060888")),
        ("$filter=numberofchildren eq 'x'", (400, "0x80060888")),
        ("$filter=(lastname eq 'x'", (400, "0x80060888")),
        ("$filter=tolower(lastname) eq 'x'", (400, "0x80060888")),
        ("$filter=" + "(" * 200 + "lastname eq 'x'" + ")" * 200, (400, "0x80060888")),
        ("$filter=Microsoft.Dynamics.CRM.Nonsense(PropertyName='lastname')", (501, "0x80048d0a")),
        ("$select=nonsense", (400, "0x80060888")),
        ("$orderby=nonsense", (400, "0x80060888")),
        ("$expand=nonsense", (400, "0x80060888")),
        ("$top=x", (400, "0x80060888")),
        ("$skip=5", (400, "0x80060888")),
        ("$skiptoken=nonsense", (400, "0x80060888")),
    ],
)
def test_query_that_makes_no_sense(api: SandboxSession, query: str, expected: object) -> None:
    assert error_of(api("GET", f"contacts?{query}")) == expected


def test_encoded_option_names_and_plus_as_space(people: SandboxSession) -> None:
    query = "contacts?%24select=firstname&%24filter=address1_city+eq+%27Oslo%27&%24orderby=firstname+desc"
    assert names(people, query, "firstname") == ["Bo", "Ada"]


def test_select_shows_exactly_the_selection_and_the_key(people: SandboxSession) -> None:
    row = read(people, "contacts?$select=lastname,_parentcustomerid_value")["value"][0]
    assert set(row) == {"@odata.etag", "lastname", "_parentcustomerid_value", "contactid"}


def test_orderby_several_columns_and_through_a_lookup(people: SandboxSession) -> None:
    assert names(people, "contacts?$orderby=address1_city desc,firstname", "firstname") == [
        "Ada",
        "Bo",
        "Cy",
        "Eli",
        "Di",
    ]
    through = names(people, "contacts?$orderby=parentcustomerid_account/name desc,firstname desc", "firstname")
    assert through == ["Bo", "Ada", "Eli", "Di", "Cy"]


def test_top_and_count(people: SandboxSession) -> None:
    page = read(people, "contacts?$top=2&$count=true&$select=firstname")
    assert (len(page["value"]), page["@odata.count"]) == (2, 5)
    assert "@odata.nextLink" not in page
    assert read(people, "contacts?$top=0")["value"] == []
    plain = people("GET", "contacts/$count?$filter=numberofchildren gt 1")
    assert (plain.content, plain.headers["Content-Type"]) == (b"\xef\xbb\xbf3", "text/plain")


def test_expand_with_options(people: SandboxSession) -> None:
    query = "accounts?$select=name&$expand=contact_customer_accounts($select=firstname;$filter=startswith(firstname,'A') or firstname eq 'Bo';$orderby=firstname desc;$top=1)"  # noqa: E501
    children = read(people, query)["value"][0]["contact_customer_accounts"]
    assert [child["firstname"] for child in children] == ["Bo"]
    nested = "contacts?$filter=firstname eq 'Ada'&$expand=parentcustomerid_account($select=name;$expand=contact_customer_accounts($select=firstname))"  # noqa: E501
    account = read(people, nested)["value"][0]["parentcustomerid_account"]
    assert (account["name"], len(account["contact_customer_accounts"])) == ("Nordvik", 2)
    refused = "accounts?$expand=contact_customer_accounts($top=1;$expand=parentcustomerid_account)"
    assert error_of(people("GET", refused)) == (400, "0x80060888")


def test_query_with_a_thousand_keys(api: SandboxSession) -> None:
    wanted = create(api, "accounts", name="A", accountnumber="7")
    values = json.dumps([str(number) for number in range(1000)]).replace(" ", "")
    condition = f"Microsoft.Dynamics.CRM.In(PropertyName='accountnumber',PropertyValues={values})"
    assert names(api, f"accounts?$select=accountid&$filter={quote(condition)}", "accountid") == [wanted]
    ids = json.dumps([new_guid(), wanted])
    condition = f"Microsoft.Dynamics.CRM.In(PropertyName='accountid',PropertyValues={ids})"
    assert names(api, f"accounts?$select=accountid&$filter={quote(condition)}", "accountid") == [wanted]


def test_address_longer_than_32768_characters_is_refused(api: SandboxSession) -> None:
    assert error_of(api("GET", "accounts?$filter=name eq '" + "x" * 32_768 + "'"))[0] == 400


def test_hierarchy(api: SandboxSession) -> None:
    top = create(api, "accounts", name="top")
    middle = create(api, "accounts", name="middle", **{"parentaccountid@odata.bind": f"/accounts({top})"})
    create(api, "accounts", name="low", **{"parentaccountid@odata.bind": f"/accounts({middle})"})
    create(api, "accounts", name="other")
    condition = f"Microsoft.Dynamics.CRM.Under(PropertyName='accountid',PropertyValue='{top}')"
    assert names(api, f"accounts?$orderby=name&$filter={condition}") == ["low", "middle"]


@pytest.mark.parametrize(
    ("apply", "expected"),
    [
        ("aggregate($count as n)", [{"n": 5}]),
        ("aggregate(creditlimit with sum as total)", [{"total": 105}]),
        ("filter(numberofchildren gt 2)/aggregate(numberofchildren with max as most)", [{"most": 4}]),
        (
            "groupby((address1_city),aggregate($count as n))",
            [{"address1_city": None, "n": 1}, {"address1_city": "Bergen", "n": 2}, {"address1_city": "Oslo", "n": 2}],
        ),
        (
            "filter(lastname eq 'Berg')/groupby((donotphone,creditlimit))",
            [{"donotphone": False, "creditlimit": 10.5}],
        ),
    ],
)
def test_apply(people: SandboxSession, apply: str, expected: list[dict[str, object]]) -> None:
    assert read(people, f"contacts?$apply={apply}")["value"] == expected


@pytest.mark.parametrize("apply", ["nonsense", "aggregate(fax with x as n)", "groupby((nonsense))", "filter(a)"])
def test_apply_that_makes_no_sense(api: SandboxSession, apply: str) -> None:
    assert error_of(api("GET", f"contacts?$apply={apply}"))[0] == 400


def test_a_lookup_is_expanded_as_an_address(api: SandboxSession) -> None:
    contact = create(api, "contacts", lastname="Berg")
    account = create(api, "accounts", name="A", **{"primarycontactid@odata.bind": f"/contacts({contact})"})
    row = read(api, f"accounts({account})?$select=name&$expand=primarycontactid/$ref")
    assert row["primarycontactid"] == {"@odata.id": f"contacts({contact})"}


@pytest.mark.parametrize(
    "query",
    [
        "accounts?$expand=contact_customer_accounts/$ref",
        "accounts?$apply=aggregate(revenue with sum as total)&$orderby=name",
        "GlobalOptionSetDefinitions?$filter=Name eq 'x'",
        "systemusers?$expand=systemuserroles_association($expand=businessunitid)",
    ],
)
def test_what_the_service_refuses_too(api: SandboxSession, query: str) -> None:
    assert error_of(api("GET", query)) == (400, "0x80060888")
