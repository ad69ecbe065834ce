"""How far a privilege reaches: own rows, those of the business unit, of the units below, or all (11)."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.sandbox.conftest import bulk, create, error_of, read
from tests.sandbox.test_roles import unit
from tests.sandbox_process import SandboxSession

FORMATTED = "OData.Community.Display.V1.FormattedValue"
NO_ACCESS, NO_PRIVILEGE = (403, "0x80048306"), (403, "0x80040220")
REACHED = {
    "Basic": ["Mine", "Of the team"],
    "Local": ["Mine", "Of the team", "Peer"],
    "Deep": ["Below", "Mine", "Of the team", "Peer"],
    "Global": ["Below", "Mine", "Of the team", "Outside", "Peer"],
}


class Company:
    """Units East with Far East below it, and West; a user and an account in each, and two of us in East."""

    def __init__(self, api: SandboxSession) -> None:
        self.api = api
        root = unit(api)
        self.east = self.unit("East", root)
        units = {"Mine": self.east, "Peer": self.east, "Below": self.unit("Far East", self.east)}
        units["Outside"] = self.unit("West", root)
        self.users = {name: self.user(name, at) for name, at in units.items()}
        team = create(api, "teams", name="T", **{"businessunitid@odata.bind": f"/businessunits({root})"})
        self.link(f"teams({team})/teammembership_association", f"systemusers({self.users['Mine']})")
        self.role = create(api, "roles", name="Tested", **{"businessunitid@odata.bind": f"/businessunits({root})"})
        for user in self.users.values():
            self.link(f"systemusers({user})/systemuserroles_association", f"roles({self.role})")
        self.grant("Basic", "prvReadAccount", "prvReadContact")  # who owns rows of a table must be able to read it
        owners = {name: f"/systemusers({user})" for name, user in self.users.items()} | {
            "Of the team": f"/teams({team})"
        }
        self.accounts = {
            name: create(api, "accounts", name=name, **{"ownerid@odata.bind": owner}) for name, owner in owners.items()
        }

    def unit(self, name: str, parent: str) -> str:
        bind = {"parentbusinessunitid@odata.bind": f"/businessunits({parent})"}
        return create(self.api, "businessunits", name=name, **bind)

    def user(self, name: str, unit: str) -> str:
        bind = {"businessunitid@odata.bind": f"/businessunits({unit})", "internalemailaddress": f"{name}@x.example"}
        return create(self.api, "systemusers", firstname=name, lastname="X", **bind)

    def link(self, path: str, row: str) -> None:
        assert self.api("POST", f"{path}/$ref", {"@odata.id": f"{self.api.root}{row}"}).status_code == 204

    def grant(self, depth: str, *names: str) -> None:
        listed = " or ".join(f"name eq '{name}'" for name in names)
        found = read(self.api, f"privileges?$select=privilegeid&$filter={listed}")["value"]
        body = {"Privileges": [{"PrivilegeId": row["privilegeid"], "Depth": depth} for row in found]}
        assert self.api("POST", f"roles({self.role})/Microsoft.Dynamics.CRM.AddPrivilegesRole", body).status_code == 204

    def __call__(self, method: str, path: str, json: Any = None, **headers: str) -> Any:
        """Send a request as the user in East."""
        return self.api(method, path, json, headers={"MSCRMCallerID": self.users["Mine"], **headers})

    def names(self, path: str) -> list[str]:
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return sorted(row["name"] for row in answer.json()["value"])

    def row(self, name: str) -> str:
        return f"accounts({self.accounts[name]})"


@pytest.fixture
def company(api: SandboxSession) -> Company:
    return Company(api)


def test_reading(company: Company) -> None:
    first = company.row("Outside")
    contact = {"lastname": "C", "parentcustomerid_account@odata.bind": f"/{first}"}
    mine = {"ownerid@odata.bind": f"/systemusers({company.users['Mine']})"}
    contact_id = create(company.api, "contacts", **contact, **mine)
    fetch = quote("<fetch><entity name='account'><attribute name='name'/></entity></fetch>")
    for depth, reached in REACHED.items():
        company.grant(depth, "prvReadAccount")
        assert company.names("accounts") == reached
        assert company.names("accounts?$filter=name ne 'x'&$orderby=name desc") == reached
        assert company.names(f"accounts?fetchXml={fetch}") == reached
        assert company("GET", "accounts/$count").content.decode("utf-8-sig") == str(len(reached))
        assert company("GET", "accounts?$count=true&$top=1").json()["@odata.count"] == len(reached)
        total = company("GET", "accounts?$apply=aggregate($count as n)").json()["value"]
        assert total == [{"n": len(reached)}]
        for name in company.accounts:
            answer = company("GET", company.row(name))
            assert (answer.status_code == 200) if name in reached else (error_of(answer) == NO_ACCESS), (depth, name)
        expanded = company("GET", "contacts?$expand=parentcustomerid_account($select=name)").json()["value"][0]
        assert (expanded["parentcustomerid_account"] is not None) == (depth == "Global")
        tracked = company("GET", "accounts", Prefer="odata.track-changes")
        assert (tracked.status_code == 200) if depth == "Global" else (error_of(tracked) == NO_PRIVILEGE)
        if depth == "Global":
            continue
        # Names of what a lookup points to are shown to everyone who may read the row itself.
        shown = company("GET", f"contacts({contact_id})", Prefer=f'odata.include-annotations="{FORMATTED}"').json()
        assert shown[f"_parentcustomerid_value@{FORMATTED}"] == "Outside"
        for path in ("/name", "/primarycontactid", "/ownerid/$ref"):
            assert error_of(company("GET", first + path)) == NO_ACCESS
        assert company.names("accounts?$filter=contact_customer_accounts/any(c:c/lastname eq 'C')") == []
    pages, link = [], "accounts?$orderby=name&$select=name"
    company.grant("Deep", "prvReadAccount")
    while link:
        page = company("GET", link, Prefer="odata.maxpagesize=2").json()
        pages += [row["name"] for row in page["value"]]
        link = page.get("@odata.nextLink", "")
    assert pages == REACHED["Deep"]
    assert error_of(company("GET", "contacts?$expand=createdby($select=fullname)")) == NO_PRIVILEGE


@pytest.mark.parametrize("depth", ["Basic", "Local", "Deep"])
def test_writing(company: Company, depth: str) -> None:
    reached = REACHED[depth]
    company.grant("Global", "prvReadAccount", "prvCreateAccount")
    for verb, change in (("Write", "PATCH"), ("Delete", "DELETE")):
        body = {"fax": "1"} if change == "PATCH" else None
        assert error_of(company(change, company.row("Mine"), body)) == NO_PRIVILEGE
        company.grant(depth, f"prv{verb}Account")
        if change == "PATCH":
            targets = [{"accountid": company.accounts[name], "fax": "2"} for name in ("Mine", "Outside")]
            sent = bulk(company, "accounts", "UpdateMultiple", targets)  # type: ignore[arg-type]
            assert error_of(sent) == NO_ACCESS
            assert read(company.api, company.row("Mine"))["fax"] is None
        for name in company.accounts:
            answer = company(change, company.row(name), body)
            assert (answer.status_code == 204) if name in reached else (error_of(answer) == NO_ACCESS), (verb, name)


def test_creating_and_assigning(company: Company) -> None:
    company.grant("Global", "prvReadAccount", "prvWriteAccount")
    company.grant("Basic", "prvCreateAccount")
    assert company("POST", "accounts", {"name": "A"}).status_code == 204
    peer = {"ownerid@odata.bind": f"/systemusers({company.users['Peer']})"}
    assert error_of(company("POST", "accounts", {"name": "B", **peer})) == NO_ACCESS
    company.grant("Local", "prvCreateAccount")
    assert company("POST", "accounts", {"name": "B", **peer}).status_code == 204
    assert error_of(company("PATCH", company.row("Mine"), peer)) == NO_PRIVILEGE
    company.grant("Local", "prvAssignAccount")
    assert company("PATCH", company.row("Mine"), peer).status_code == 204
    assert error_of(company("PATCH", company.row("Outside"), peer)) == NO_ACCESS
    bind = {"businessunitid@odata.bind": f"/businessunits({company.east})", "internalemailaddress": "n@x.example"}
    nobody = {"ownerid@odata.bind": f"/systemusers({create(company.api, 'systemusers', lastname='N', **bind)})"}
    for method, path in (("POST", "accounts"), ("PATCH", company.row("Peer"))):
        assert error_of(company(method, path, {"name": "C", **nobody})) == (403, "0x80040231"), "no role, no rows"
    row = read(company.api, company.row("Of the team"))
    assert (row["_owninguser_value"], row["_owningteam_value"]) == (None, row["_ownerid_value"])
    assert row["_owningbusinessunit_value"] == unit(company.api)


def test_roles_of_a_team_reach_its_business_unit(company: Company) -> None:
    west = read(company.api, "businessunits?$filter=name eq 'West'")["value"][0]["businessunitid"]
    team = create(company.api, "teams", name="W", **{"businessunitid@odata.bind": f"/businessunits({west})"})
    company.link(f"teams({team})/teammembership_association", f"systemusers({company.users['Mine']})")
    company.link(f"teams({team})/teamroles_association", f"roles({company.role})")
    company.grant("Local", "prvReadAccount")
    assert company.names("accounts") == ["Mine", "Of the team", "Outside", "Peer"]
    # A user is a row of the business unit that it works in.
    company.grant("Local", "prvReadUser")
    found = company("GET", "systemusers?$select=firstname").json()["value"]
    assert sorted(row["firstname"] for row in found) == ["Mine", "Outside", "Peer"]


def test_lines_go_with_their_document(company: Company) -> None:
    company.grant("Basic", "prvReadOrder", "prvWriteOrder")
    lines = {}
    for name in ("Mine", "Peer"):
        order = create(
            company.api,
            "salesorders",
            name=name,
            **{
                "customerid_account@odata.bind": f"/{company.row('Mine')}",
                "ownerid@odata.bind": f"/systemusers({company.users[name]})",
            },
        )
        bind = {"salesorderid@odata.bind": f"/salesorders({order})"}
        line = {"isproductoverridden": True, "productdescription": name, "quantity": 1, "priceperunit": 5}
        lines[name] = create(company.api, "salesorderdetails", **line, **bind)
    assert [row["productdescription"] for row in company("GET", "salesorderdetails").json()["value"]] == ["Mine"]
    assert error_of(company("PATCH", f"salesorderdetails({lines['Peer']})", {"quantity": 2})) == NO_ACCESS
    assert company("PATCH", f"salesorderdetails({lines['Mine']})", {"quantity": 2}).status_code == 204


def test_linking_rows_takes_append_and_append_to(company: Company) -> None:
    company.grant("Global", "prvCreateContact", "prvReadContact", "prvWriteContact")
    bind = {"parentcustomerid_account@odata.bind": f"/{company.row('Peer')}"}
    assert error_of(company("POST", "contacts", {"lastname": "A", **bind})) == NO_PRIVILEGE
    company.grant("Basic", "prvAppendContact")
    assert error_of(company("POST", "contacts", {"lastname": "A", **bind})) == NO_PRIVILEGE
    company.grant("Basic", "prvAppendToAccount")
    assert error_of(company("POST", "contacts", {"lastname": "A", **bind})) == NO_ACCESS
    company.grant("Local", "prvAppendToAccount")
    answer = company("POST", "contacts", {"lastname": "A", **bind}, Prefer="return=representation")
    assert answer.status_code == 201
    # An owner is assigned, not linked to.
    company.grant("Basic", "prvAssignContact")
    owner = {"ownerid@odata.bind": f"/systemusers({company.users['Peer']})"}
    assert company("PATCH", f"contacts({answer.json()['contactid']})", owner).status_code == 204
