"""Server paging (dataverse-web-api.md 5.2, 5.3)."""

from typing import Any

import pytest

from tests.sandbox.conftest import bulk, create, read
from tests.sandbox_process import SandboxSession

TWO = "odata.maxpagesize=2"


def pages(api: SandboxSession, path: str, prefer: str = TWO) -> list[list[dict[str, Any]]]:
    """Follow next links to the end."""
    found, following = [], path
    while following:
        page = read(api, following, prefer)
        found.append(page["value"])
        following = page.get("@odata.nextLink", "")
    return found


@pytest.fixture
def seven(api: SandboxSession) -> SandboxSession:
    cities = [None, "b", "A", "a", None, "B", "c"]
    bulk(api, "accounts", "CreateMultiple", [{"name": str(n), "address1_city": c} for n, c in enumerate(cities)])
    return api


def test_pages_end_without_an_empty_page(seven: SandboxSession) -> None:
    assert [len(page) for page in pages(seven, "accounts")] == [2, 2, 2, 1]
    assert [len(page) for page in pages(seven, "accounts?$filter=name ne '0'")] == [2, 2, 2]


@pytest.mark.parametrize(
    "order",
    [
        "",
        "name",
        "name desc",
        "address1_city",
        "address1_city desc",
        "address1_city,name desc",
        "address1_city desc,name",
        "primarycontactid/lastname desc,name",
        "numberofemployees,accountid",
    ],
)
def test_pages_together_are_the_whole_in_the_same_order(seven: SandboxSession, order: str) -> None:
    query = "accounts?$select=name" + (f"&$orderby={order}" if order else "")
    whole = [row["name"] for row in read(seven, query)["value"]]
    assert [row["name"] for page in pages(seven, query) for row in page] == whole
    assert sorted(whole) == list("0123456")


def test_next_link_is_absolute_keeps_the_query_and_replaces_the_token(seven: SandboxSession) -> None:
    first = read(seven, "accounts?$select=name&$filter=name ne 'a b'&$count=true", TWO)
    assert first["@odata.nextLink"].startswith(f"{seven.root}accounts?$select=name&$filter=")
    second = read(seven, first["@odata.nextLink"], TWO)
    assert second["@odata.nextLink"].count("$skiptoken=") == 1
    assert second["@odata.count"] == 7


def test_top_gives_way_to_maxpagesize(seven: SandboxSession) -> None:
    page = read(seven, "accounts?$top=1", "odata.maxpagesize=3, odata.include-annotations=*")
    assert len(page["value"]) == 3
    assert "@odata.nextLink" in page


def test_rows_deleted_or_added_between_pages_do_not_shift_the_rest(seven: SandboxSession) -> None:
    first = read(seven, "accounts?$select=name&$orderby=name", TWO)
    seven("DELETE", f"accounts({first['value'][0]['accountid']})")
    create(seven, "accounts", name="00")
    rest = [row["name"] for page in pages(seven, first["@odata.nextLink"]) for row in page]
    assert rest == ["2", "3", "4", "5", "6"]


def test_children_of_a_row_are_paged_too(seven: SandboxSession) -> None:
    account = create(seven, "accounts", name="parent")
    for name in "abc":
        create(seven, "contacts", lastname=name, **{"parentcustomerid_account@odata.bind": f"/accounts({account})"})
    found = pages(seven, f"accounts({account})/contact_customer_accounts?$orderby=lastname")
    assert [row["lastname"] for page in found for row in page] == ["a", "b", "c"]


def test_default_page_holds_5000_and_the_count_is_capped(api: SandboxSession) -> None:
    for start in range(0, 6000, 1000):
        bulk(api, "accounts", "CreateMultiple", [{"name": str(start + n)} for n in range(1000)])
    first = read(api, "accounts?$select=name&$count=true", 'odata.include-annotations="*"')
    assert (len(first["value"]), first["@odata.count"]) == (5000, 5000)
    assert first["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is True
    assert len(read(api, first["@odata.nextLink"])["value"]) == 1000
    assert api("GET", "accounts/$count").text.endswith("5000")
    total = read(api, 'RetrieveTotalRecordCount(EntityNames=@p1)?@p1=["account"]')["EntityRecordCountCollection"]
    assert total == {"Count": 1, "IsReadOnly": False, "Keys": ["account"], "Values": [6000]}
