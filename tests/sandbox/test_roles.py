"""Roles, privileges, teams and many-to-many relationships (dataverse-web-api.md 4.6, 9.2, 11)."""

from typing import Any

import pytest

from tests.sandbox.conftest import bulk, create, error_of, names, read
from tests.sandbox_process import SandboxProcess, SandboxSession

ADMINISTRATOR = "627090ff-40a3-4053-8790-584edc5be201"
CUSTOMIZER = "119f245c-3cc8-4b62-b31c-d1a046ced15d"


def unit(api: SandboxSession) -> str:
    found = read(api, "businessunits?$filter=_parentbusinessunitid_value eq null")["value"]
    return str(found[0]["businessunitid"])


def role(api: SandboxSession, test: str) -> str:
    return str(
        read(api, f"roles?$select=roleid&$filter={test} and _businessunitid_value eq {unit(api)}")["value"][0]["roleid"]
    )


class Colleague:
    """A user without any role, whom the administrator's client impersonates."""

    def __init__(self, api: SandboxSession) -> None:
        self.api = api
        bind = {"businessunitid@odata.bind": f"/businessunits({unit(api)})", "internalemailaddress": "a@x.example"}
        self.user = create(api, "systemusers", firstname="A", lastname="B", **bind)

    def __call__(self, method: str, path: str, json: Any = None, **headers: str) -> Any:
        return self.api(method, path, json, headers={"MSCRMCallerID": self.user, **headers})

    def gets(self, role: str) -> None:
        body = {"@odata.id": f"{self.api.root}roles({role})"}
        answer = self.api("POST", f"systemusers({self.user})/systemuserroles_association/$ref", body)
        assert answer.status_code == 204, answer.text

    def loses(self, role: str) -> None:
        path = f"systemusers({self.user})/systemuserroles_association({role})/$ref"
        assert self.api("DELETE", path).status_code == 204


@pytest.fixture
def colleague(api: SandboxSession) -> Colleague:
    return Colleague(api)


def test_templates_tell_the_administrators(api: SandboxSession) -> None:
    user = read(api, "WhoAmI")["UserId"]
    query = f"systemusers({user})/systemuserroles_association?$select=name,roleid,_roletemplateid_value"
    assert [row["_roletemplateid_value"] for row in read(api, query)["value"]] == [ADMINISTRATOR]
    assert role(api, f"_roletemplateid_value eq {CUSTOMIZER}")


def test_without_roles_nothing_is_allowed(colleague: Colleague) -> None:
    assert error_of(colleague("GET", "accounts")) == (403, "0x80042f09")


def test_privileges_are_checked_by_table_and_verb(api: SandboxSession, colleague: Colleague) -> None:
    sales = role(api, "name eq 'Salesperson'")
    colleague.gets(sales)
    answer = colleague("POST", "accounts", {"name": "A"}, Prefer="return=representation")
    assert answer.status_code == 201
    address = f"accounts({answer.json()['accountid']})"
    assert colleague("PATCH", address, {"name": "B"}).status_code == 204
    refused = colleague("PATCH", f"systemusers({colleague.user})", {"jobtitle": "Boss"})
    assert error_of(refused) == (403, "0x80040220")
    message = refused.json()["error"]["message"]
    assert message.startswith(f"Principal user (Id={colleague.user}, type=8, roleCount=1, privilegeCount=")
    assert "is missing prvWriteUser privilege (Id=" in message
    assert "on OTC=8 for entity 'systemuser'" in message
    assert colleague("DELETE", address).status_code == 204
    colleague.loses(sales)
    assert error_of(colleague("GET", address)) == (403, "0x80042f09")


def test_a_role_made_by_hand_with_privileges_added(api: SandboxSession, colleague: Colleague) -> None:
    made = create(api, "roles", name="Bridge", **{"businessunitid@odata.bind": f"/businessunits({unit(api)})"})
    colleague.gets(made)
    assert error_of(colleague("GET", "accounts")) == (403, "0x80040220")
    found = read(api, "privileges?$select=privilegeid&$filter=name eq 'prvReadAccount'")["value"][0]["privilegeid"]
    action = f"roles({made})/Microsoft.Dynamics.CRM.AddPrivilegesRole"
    body = {"Privileges": [{"PrivilegeId": found, "Depth": "Local", "BusinessUnitId": unit(api)}]}
    assert api("POST", action, body).status_code == 204
    assert colleague("GET", "accounts").status_code == 200
    # Change tracking needs the whole organization (8.2).
    assert error_of(colleague("GET", "accounts", Prefer="odata.track-changes")) == (403, "0x80040220")
    body["Privileges"][0]["Depth"] = "Global"
    api("POST", action, body)
    assert colleague("GET", "accounts", Prefer="odata.track-changes").status_code == 200
    assert names(api, f"roles({made})/roleprivileges_association?$select=name") == ["prvReadAccount"]
    privileges = read(api, f"systemusers({colleague.user})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()")
    assert [(item["PrivilegeId"], item["Depth"]) for item in privileges["RolePrivileges"]] == [(found, "Global")]
    assert error_of(api("POST", action, {"Privileges": [{"PrivilegeId": found, "Depth": "Total"}]}))[0] == 400


def test_bulk_needs_the_privilege_too(api: SandboxSession, colleague: Colleague) -> None:
    colleague.gets(role(api, f"_roletemplateid_value eq {CUSTOMIZER}"))

    def send(method: str, path: str, json: Any) -> Any:
        return colleague(method, path, json)

    assert error_of(bulk(send, "accounts", "CreateMultiple", [{"name": "A"}])) == (403, "0x80040220")  # type: ignore[arg-type]
    assert colleague("GET", "accounts").status_code == 200


def test_roles_of_teams_count(api: SandboxSession, colleague: Colleague) -> None:
    team = create(api, "teams", name="Sales", **{"businessunitid@odata.bind": f"/businessunits({unit(api)})"})
    sales = role(api, "name eq 'Salesperson'")
    for path, entity, other in (
        ("teammembership_association", "systemusers", colleague.user),
        ("teamroles_association", "roles", sales),
    ):
        body = {"@odata.id": f"{api.root}{entity}({other})"}
        assert api("POST", f"teams({team})/{path}/$ref", body).status_code == 204
        assert error_of(api("POST", f"teams({team})/{path}/$ref", body)) == (412, "0x80040237")
    assert colleague("GET", "accounts").status_code == 200
    assert names(api, f"systemusers({colleague.user})/teammembership_association?$select=name") == ["Sales"]
    assert names(api, f"teams({team})/teamroles_association?$select=name") == ["Salesperson"]
    api("DELETE", f"teams({team})")
    assert error_of(colleague("GET", "accounts")) == (403, "0x80042f09")


def test_many_to_many_in_queries_and_metadata(api: SandboxSession) -> None:
    query = "systemusers?$select=fullname&$filter=systemuserroles_association/any(r:r/name eq 'System Administrator')"
    assert len(read(api, query)["value"]) == 2
    expanded = read(api, "systemusers?$select=fullname&$expand=systemuserroles_association($select=name)")["value"]
    roles = {row["fullname"]: {role["name"] for role in row["systemuserroles_association"]} for row in expanded}
    assert roles["# crmbridge integration"] == {"System Administrator"}
    assert roles["Sandbox Administrator"] == {"System Administrator", "System Customizer"}
    assert roles["# crmbridge synchronization"] == set()
    user = read(api, "WhoAmI")["UserId"]
    assert api("GET", f"systemusers({user})/systemuserroles_association/$count").content.decode() == "\ufeff1"
    links = read(api, f"systemusers({user})/systemuserroles_association/$ref")["value"]
    assert links[0]["@odata.id"].startswith(f"{api.root}roles(")
    path = "EntityDefinitions(LogicalName='systemuser')/ManyToManyRelationships?$select=SchemaName,IntersectEntityName"
    assert "systemuserroles" in [row["IntersectEntityName"] for row in read(api, path)["value"]]


def test_people_have_roles_in_a_sandbox_with_sales_data(sandbox: SandboxProcess, api: SandboxSession) -> None:
    sandbox.reset(empty=False)
    query = "systemusers?$select=fullname&$expand=systemuserroles_association($select=name)&$filter=firstname eq 'Kari'"
    assert read(api, query)["value"][0]["systemuserroles_association"][0]["name"] == "Salesperson"


def test_linked_tables_need_the_privilege_too(api: SandboxSession, colleague: Colleague) -> None:
    own = create(api, "roles", name="Accounts", **{"businessunitid@odata.bind": f"/businessunits({unit(api)})"})
    ids = {row["name"]: row["privilegeid"] for row in read(api, "privileges?$select=name")["value"]}
    granted = {"PrivilegeId": ids["prvReadAccount"], "Depth": "Global", "BusinessUnitId": unit(api)}
    answer = api("POST", f"roles({own})/Microsoft.Dynamics.CRM.AddPrivilegesRole", {"Privileges": [granted]})
    assert answer.status_code == 204
    colleague.gets(own)
    linked = "<link-entity name='contact' from='parentcustomerid' to='accountid'/>"
    assert colleague("GET", "accounts?fetchXml=<fetch><entity name='account'/></fetch>").status_code == 200
    text = f"<fetch><entity name='account'>{linked}</entity></fetch>"
    assert error_of(colleague("GET", f"accounts?fetchXml={text}")) == (403, "0x80040220")
