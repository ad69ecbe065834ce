"""Lookups: binding, clearing, following and associating (dataverse-web-api.md 4.3, 4.6)."""

import pytest

from tests.sandbox.conftest import create, error_of, names, read
from tests.sandbox_process import SandboxSession

LOGICAL_NAME = "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"


@pytest.mark.parametrize(
    "form",
    [
        "/accounts({id})",
        "accounts({id})",
        "{root}accounts({id})",
        "/accounts(accountnumber='D-1')",
        "/api/data/v9.2/accounts({id})",
    ],
)
def test_bind_forms(api: SandboxSession, form: str) -> None:
    account = create(api, "accounts", name="A", accountnumber="D-1")
    address = form.format(id=account, root=api.root)
    child = create(api, "accounts", name="B", **{"parentaccountid@odata.bind": address})
    assert read(api, f"accounts({child})?$select=_parentaccountid_value")["_parentaccountid_value"] == account


@pytest.mark.parametrize("name", ["parentaccountid@odata.bind", "parentaccountid"])
def test_null_clears(api: SandboxSession, name: str) -> None:
    parent = create(api, "accounts", name="A")
    child = create(api, "accounts", name="B", **{"parentaccountid@odata.bind": f"/accounts({parent})"})
    assert api("PATCH", f"accounts({child})", {name: None}).status_code == 204
    assert read(api, f"accounts({child})")["_parentaccountid_value"] is None


def test_one_branch_of_a_polymorphic_lookup_clears_the_other(api: SandboxSession) -> None:
    account, other = create(api, "accounts", name="A"), create(api, "contacts", lastname="B")
    contact = create(api, "contacts", lastname="C", **{"parentcustomerid_account@odata.bind": f"/accounts({account})"})
    bind = {"parentcustomerid_contact@odata.bind": f"/contacts({other})", "parentcustomerid_account@odata.bind": None}
    assert api("PATCH", f"contacts({contact})", bind).status_code == 204
    row = read(api, f"contacts({contact})", 'odata.include-annotations="*"')
    assert (row["_parentcustomerid_value"], row[LOGICAL_NAME]) == (other, "contact")
    assert names(api, f"accounts({account})/contact_customer_accounts", "lastname") == []
    expand = "parentcustomerid_account($select=name),parentcustomerid_contact($select=lastname)"
    query = f"contacts?$select=lastname&$expand={expand}"
    found = {row["lastname"]: row for row in read(api, query)["value"]}["C"]
    assert found["parentcustomerid_account"] is None
    assert found["parentcustomerid_contact"]["lastname"] == "B"


def test_wrong_table_is_refused(api: SandboxSession) -> None:
    account = create(api, "accounts", name="A")
    body = {"name": "B", "primarycontactid@odata.bind": f"/accounts({account})"}
    assert error_of(api("POST", "accounts", body)) == (400, "0x80048d19")


def test_follow_and_list_navigation_properties(api: SandboxSession) -> None:
    account = create(api, "accounts", name="A")
    for name in ("Lie", "Berg"):
        create(api, "contacts", lastname=name, **{"parentcustomerid_account@odata.bind": f"/accounts({account})"})
    berg = read(api, "contacts?$filter=lastname eq 'berg'")["value"][0]["contactid"]
    assert read(api, f"contacts({berg})/parentcustomerid_account?$select=name")["name"] == "A"
    assert api("GET", f"accounts({account})/primarycontactid").status_code == 204
    children = f"accounts({account})/contact_customer_accounts"
    assert names(api, f"{children}?$filter=startswith(lastname,'b')", "lastname") == ["Berg"]
    assert api("GET", f"{children}/$count").content == b"\xef\xbb\xbf2"
    links = read(api, f"{children}/$ref")["value"]
    assert {"@odata.id": f"{api.root}contacts({berg})"} in links


def test_references_associate_and_disassociate(api: SandboxSession) -> None:
    account, contact = create(api, "accounts", name="A"), create(api, "contacts", lastname="B")
    single, children = (
        f"contacts({contact})/parentcustomerid_account/$ref",
        f"accounts({account})/contact_customer_accounts",
    )
    to_account, to_contact = (
        {"@odata.id": f"{api.root}accounts({account})"},
        {"@odata.id": f"{api.root}contacts({contact})"},
    )
    assert api("PUT", single, to_account).status_code == 204
    assert read(api, single)["@odata.id"] == to_account["@odata.id"]
    assert api("DELETE", single).status_code == 204
    assert names(api, children, "lastname") == []
    assert api("POST", f"{children}/$ref", to_contact).status_code == 204
    assert names(api, children, "lastname") == ["B"]
    assert api("DELETE", f"{children}({contact})/$ref").status_code == 204
    assert names(api, children, "lastname") == []


def test_owner_is_a_user_and_brings_the_business_unit(api: SandboxSession) -> None:
    admin = read(api, "systemusers?$filter=lastname eq 'Administrator'")["value"][0]
    identity = create(api, "accounts", name="A", **{"ownerid@odata.bind": f"/systemusers({admin['systemuserid']})"})
    row = read(api, f"accounts({identity})", 'odata.include-annotations="*"')
    assert row["_ownerid_value"] == admin["systemuserid"]
    assert row["_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "systemuser"
    assert row["_owningbusinessunit_value"] == admin["_businessunitid_value"]
    assert read(api, f"accounts({identity})?$select=name&$expand=ownerid($select=fullname)")["ownerid"]["fullname"]
