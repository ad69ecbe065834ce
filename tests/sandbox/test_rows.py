"""Create, retrieve, update, upsert and delete (dataverse-web-api.md 4, 15)."""

import pytest

from tests.sandbox.conftest import FORMATTED, create, error_of, names, new_guid, read
from tests.sandbox_process import SandboxProcess, SandboxSession


def test_create_answers_204_with_the_address_of_the_row(api: SandboxSession) -> None:
    answer = api("POST", "accounts", {"name": "Bergen Båt"})
    assert answer.status_code == 204
    assert not answer.content
    assert answer.headers["OData-EntityId"] == answer.headers["Location"]
    assert answer.headers["OData-EntityId"].startswith(f"{api.root}accounts(")
    assert answer.headers["OData-Version"] == "4.0"
    assert api("GET", answer.headers["OData-EntityId"]).json()["name"] == "Bergen Båt"


def test_create_with_representation_answers_201_with_the_selected_columns(api: SandboxSession) -> None:
    answer = api("POST", "accounts?$select=name", {"name": "A"}, headers={"Prefer": "return=representation"})
    assert answer.status_code == 201
    assert answer.headers["ETag"] == answer.json()["@odata.etag"]
    assert "OData-EntityId" not in answer.headers
    assert set(answer.json()) == {"@odata.context", "@odata.etag", "name", "accountid"}
    assert answer.json()["@odata.context"].endswith("$metadata#accounts(name)/$entity")


def test_client_chosen_id_makes_create_repeatable(api: SandboxSession) -> None:
    identity = new_guid()
    assert api("POST", "accounts", {"accountid": identity.upper(), "name": "A"}).status_code == 204
    assert error_of(api("POST", "accounts", {"accountid": identity, "name": "A"})) == (412, "0x80040237")
    assert read(api, f"accounts({identity})?$select=name")["name"] == "A"


IF_MATCH, IF_NONE_MATCH, OLD_VERSION = {"If-Match": "*"}, {"If-None-Match": "*"}, {"If-Match": 'W/"1"'}


@pytest.mark.parametrize(
    ("headers", "existing", "missing"),
    [
        (IF_MATCH, 204, (404, "0x80040217")),
        ({}, 204, 204),
        ({"If-None-Match": "null"}, 204, 204),
        (IF_NONE_MATCH, (412, "0x80040237"), 204),
        (OLD_VERSION, (412, "0x80060882"), (404, "0x80040217")),
    ],
    ids=["If-Match: *", "no header", "If-None-Match: null", "If-None-Match: *", "If-Match: old version"],
)
def test_patch_follows_the_table_of_4_4(
    api: SandboxSession, headers: dict[str, str], existing: object, missing: object
) -> None:
    there, nowhere = create(api, "accounts", name="old"), new_guid()
    for identity, expected in ((there, existing), (nowhere, missing)):
        answer = api("PATCH", f"accounts({identity})", {"name": "new"}, headers=headers)
        if expected == 204:
            assert answer.status_code == 204
            assert read(api, f"accounts({identity})?$select=name")["name"] == "new"
        else:
            assert error_of(answer) == expected
            assert api("GET", f"accounts({identity})").status_code == (200 if identity == there else 404)


def test_patch_with_the_present_version_updates_and_moves_the_version(api: SandboxSession) -> None:
    identity = create(api, "accounts", name="A")
    etag = api("GET", f"accounts({identity})").headers["ETag"]
    assert api("PATCH", f"accounts({identity})", {"fax": "1"}, headers={"If-Match": etag}).status_code == 204
    again = api("PATCH", f"accounts({identity})", {"fax": "2"}, headers={"If-Match": etag})
    assert error_of(again) == (412, "0x80060882")
    assert read(api, f"accounts({identity})?$select=fax")["fax"] == "1"


@pytest.mark.parametrize(("exists", "status"), [(True, 200), (False, 201)])
def test_representation_tells_updated_from_created(api: SandboxSession, exists: bool, status: int) -> None:
    identity = create(api, "accounts", name="A") if exists else new_guid()
    prefer = {"Prefer": "return=representation"}
    answer = api("PATCH", f"accounts({identity})?$select=name", {"name": "B"}, headers=prefer)
    assert (answer.status_code, answer.json()["name"]) == (status, "B")
    assert answer.headers["Preference-Applied"] == "return=representation"


def test_conditional_get_answers_304_while_the_row_stands_still(api: SandboxSession) -> None:
    identity = create(api, "accounts", name="A")
    etag = api("GET", f"accounts({identity})").headers["ETag"]
    assert api("GET", f"accounts({identity})", headers={"If-None-Match": etag}).status_code == 304
    api("PATCH", f"accounts({identity})", {"name": "B"})
    assert api("GET", f"accounts({identity})", headers={"If-None-Match": etag}).status_code == 200


def test_upsert_by_key_echoes_the_key_and_takes_its_columns_from_the_address(api: SandboxSession) -> None:
    path = "accounts(accountnumber='O''K%201')"
    created = api("PATCH", path, {"name": "A"})
    assert created.status_code == 204
    assert created.headers["OData-EntityId"] == api.root + path
    assert api("PATCH", path, {"name": "B", "accountnumber": "ignored"}).status_code == 204
    rows = read(api, "accounts?$select=name,accountnumber")["value"]
    assert [(row["name"], row["accountnumber"]) for row in rows] == [("B", "O'K 1")]
    assert read(api, path)["name"] == "B"


def test_key_that_finds_nothing_or_several(api: SandboxSession) -> None:
    assert error_of(api("GET", "accounts(accountnumber='1')")) == (404, "0x80060891")
    assert error_of(api("PATCH", "accounts(accountnumber='1')", {}, headers=IF_MATCH)) == (404, "0x80060891")
    create(api, "accounts", accountnumber="1")
    create(api, "accounts", accountnumber="1")
    assert error_of(api("GET", "accounts(accountnumber='1')")) == (400, "0x8006089D")
    assert error_of(api("GET", "accounts(name='x')")) == (400, "0x80060890")
    assert error_of(api("GET", "accounts(accountnumber='a%2Fb')"))[0] == 400


def test_delete(api: SandboxSession) -> None:
    identity = create(api, "accounts", name="A")
    assert error_of(api("DELETE", f"accounts({identity})", headers=OLD_VERSION)) == (412, "0x80060882")
    assert api("DELETE", f"accounts({identity})", headers=IF_MATCH).status_code == 204
    assert error_of(api("GET", f"accounts({identity})")) == (404, "0x80040217")
    assert error_of(api("DELETE", f"accounts({identity})")) == (404, "0x80040217")


def test_delete_takes_children_along_removes_links_and_may_be_refused(api: SandboxSession) -> None:
    parent = create(api, "accounts", name="parent")
    child = create(api, "accounts", name="child", **{"parentaccountid@odata.bind": f"/accounts({parent})"})
    contact = create(
        api, "contacts", lastname="Berg", **{"parentcustomerid_account@odata.bind": f"/accounts({parent})"}
    )
    krona = create(
        api, "transactioncurrencies", isocurrencycode="SEK", currencyname="Krona", currencysymbol="kr",
        currencyprecision=2, exchangerate=0.1,
    )  # fmt: skip
    api("PATCH", f"accounts({child})", {"transactioncurrencyid@odata.bind": f"/transactioncurrencies({krona})"})
    assert api("DELETE", f"accounts({parent})").status_code == 204
    assert api("GET", f"contacts({contact})").status_code == 404
    assert read(api, f"accounts({child})?$select=_parentaccountid_value")["_parentaccountid_value"] is None
    assert error_of(api("DELETE", f"transactioncurrencies({krona})")) == (405, "0x80040227")


def test_single_property(api: SandboxSession) -> None:
    identity = create(api, "accounts", name="A", creditlimit=12.5)
    assert read(api, f"accounts({identity})/name")["value"] == "A"
    assert read(api, f"accounts({identity})/creditlimit")["value"] == 12.5
    assert api("GET", f"accounts({identity})/fax").status_code == 204
    assert api("PUT", f"accounts({identity})/fax", {"value": "5"}).status_code == 204
    assert read(api, f"accounts({identity})/fax")["value"] == "5"
    assert api("DELETE", f"accounts({identity})/fax").status_code == 204
    assert api("GET", f"accounts({identity})/fax").status_code == 204
    assert error_of(api("GET", f"accounts({identity})/nonsense"))[0] == 404


def test_deep_insert_is_one_transaction(api: SandboxSession, sandbox: SandboxProcess) -> None:
    body = {
        "name": "A",
        "primarycontactid": {"firstname": "Ada", "lastname": "Berg"},
        "contact_customer_accounts": [{"lastname": "Lie"}, {"lastname": "Moe"}],
    }
    assert api("POST", "accounts", body).status_code == 204
    query = (
        "accounts?$select=name&$expand=primarycontactid($select=fullname),contact_customer_accounts($select=lastname)"
    )
    row = read(api, query)["value"][0]
    assert row["primarycontactid"]["fullname"] == "Ada Berg"
    assert sorted(contact["lastname"] for contact in row["contact_customer_accounts"]) == ["Lie", "Moe"]
    body["contact_customer_accounts"] = [{"lastname": "x" * 51}]
    assert error_of(api("POST", "accounts", body)) == (400, "0x80044331")
    assert names(api, "accounts") == ["A"]
    assert len(names(api, "contacts", "lastname")) == 3


def test_rows_carry_who_and_when(api: SandboxSession) -> None:
    me = read(api, "WhoAmI")["UserId"]
    identity = create(api, "accounts", name="A", overriddencreatedon="2019-03-01T08:00:00Z")
    row = read(api, f"accounts({identity})")
    assert {row[f"_{name}_value"] for name in ("createdby", "modifiedby", "ownerid")} == {me}
    assert row["createdon"] == "2019-03-01T08:00:00Z"
    assert row["overriddencreatedon"] == row["modifiedon"]
    assert row["@odata.etag"] == f'W/"{row["versionnumber"]}"'
    assert (row["statecode"], row["statuscode"]) == (0, 1)


def test_impersonated_user_is_the_one_who_modified(api: SandboxSession) -> None:
    bind = {"businessunitid@odata.bind": f"/businessunits({read(api, 'WhoAmI')['BusinessUnitId']})"}
    other = create(
        api, "systemusers", firstname="Kari", lastname="Nordmann", internalemailaddress="k@x.example", **bind
    )
    sales = read(api, "roles?$select=roleid&$filter=name eq 'Salesperson'")["value"][0]["roleid"]
    body = {"@odata.id": f"{api.root}roles({sales})"}
    assert api("POST", f"systemusers({other})/systemuserroles_association/$ref", body).status_code == 204
    identity = create(api, "accounts", name="A")
    api("PATCH", f"accounts({identity})", {"fax": "1"}, headers={"MSCRMCallerID": other})
    row = read(api, f"accounts({identity})?$select=_modifiedby_value", 'odata.include-annotations="*"')
    assert row["_modifiedby_value"] == other
    assert row[f"_modifiedby_value@{FORMATTED}"] == "Kari Nordmann"


def test_versions_are_counted_over_the_whole_database(api: SandboxSession) -> None:
    account, contact = create(api, "accounts", name="A"), create(api, "contacts", lastname="B")
    first = read(api, f"accounts({account})")["versionnumber"]
    assert read(api, f"contacts({contact})")["versionnumber"] > first
    api("PATCH", f"accounts({account})", {"name": "A"})
    assert read(api, f"accounts({account})")["versionnumber"] > first + 1


def test_unknown_addresses_and_methods(api: SandboxSession) -> None:
    assert error_of(api("GET", "nonsense")) == (404, "0x80060888")
    assert error_of(api("GET", "Accounts")) == (404, "0x80060888")
    assert error_of(api("GET", "accounts(nonsense)"))[0] == 400
    assert error_of(api("PUT", "accounts", {}))[0] == 405
    assert error_of(api("POST", "accounts", data=b"{nonsense"))[0] == 400
    assert error_of(api("POST", "accounts", data=b'{"name":"\xff"}'))[0] == 400
    assert error_of(api("POST", "accounts", data=b'{"name":"\\ud800"}'))[0] == 400
