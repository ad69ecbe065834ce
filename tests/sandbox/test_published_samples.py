"""Microsoft's published Web API samples for basic and conditional operations, re-enacted call by call (4, 15)."""

from tests.sandbox.conftest import error_of, read
from tests.sandbox_process import SandboxSession


def location(answer: object) -> str:
    """Return the address of what was created."""
    return str(answer.headers["OData-EntityId"])  # type: ignore[attr-defined]


def test_basic_operations_create_update_and_single_properties(api: SandboxSession) -> None:
    rafel = location(api("POST", "contacts", {"firstname": "Rafel", "lastname": "Shillo"}))
    changes = {"annualincome": 80000, "jobtitle": "Junior Developer"}
    assert api("PATCH", rafel, changes, headers={"If-Match": "*"}).status_code == 204
    row = read(api, f"{rafel}?$select=fullname,annualincome,jobtitle,description")
    assert (row["fullname"], row["annualincome"], row["description"]) == ("Rafel Shillo", 80000, None)
    changes = {"jobtitle": "Senior Developer", "annualincome": 95000, "description": "Assignment to-be-determined"}
    assert api("PATCH", rafel, changes, headers={"If-Match": "*"}).status_code == 204
    assert api("PUT", f"{rafel}/telephone1", {"value": "555-0105"}).status_code == 204
    answer = read(api, f"{rafel}/telephone1")
    assert answer["value"] == "555-0105"
    assert answer["@odata.context"].endswith("/telephone1")


def test_basic_operations_rows_that_belong_to_each_other(api: SandboxSession) -> None:
    rafel = location(api("POST", "contacts", {"firstname": "Rafel", "lastname": "Shillo"}))
    body = {"name": "Contoso Ltd", "telephone1": "555-5555", "primarycontactid@odata.bind": rafel}
    contoso = location(api("POST", "accounts", body))
    row = read(api, f"{contoso}?$select=name&$expand=primarycontactid($select=fullname,jobtitle,annualincome)")
    assert row["primarycontactid"]["fullname"] == "Rafel Shillo"
    deep = {
        "name": "Fourth Coffee",
        "primarycontactid": {
            "firstname": "Susie",
            "lastname": "Curtis",
            "jobtitle": "Coffee Master",
            "annualincome": 48000,
        },
    }
    coffee = location(api("POST", "accounts", deep))
    row = read(api, f"{coffee}?$select=name&$expand=primarycontactid($select=fullname,jobtitle)")
    assert row["primarycontactid"]["jobtitle"] == "Coffee Master"
    reference = {"@odata.id": contoso}
    assert api("PUT", f"{rafel}/parentcustomerid_account/$ref", reference).status_code == 204
    members = read(api, f"{contoso}/contact_customer_accounts?$select=fullname,jobtitle")["value"]
    assert [member["fullname"] for member in members] == ["Rafel Shillo"]
    assert api("DELETE", f"{contoso}/contact_customer_accounts/$ref?$id={rafel}").status_code == 204
    assert read(api, f"{contoso}/contact_customer_accounts?$select=fullname")["value"] == []


def test_basic_operations_roles_are_associated_and_taken_back(api: SandboxSession) -> None:
    user = read(api, "WhoAmI")["UserId"]
    role = read(api, "roles?$select=roleid&$filter=name eq 'Salesperson'")["value"][0]["roleid"]
    address = f"systemusers({user})/systemuserroles_association"
    assert api("POST", f"{address}/$ref", {"@odata.id": f"{api.root}roles({role})"}).status_code == 204
    assert api("DELETE", f"{address}/$ref?$id={api.root}roles({role})").status_code == 204
    assert len(read(api, f"{address}?$select=name")["value"]) == 1


def test_conditional_operations(api: SandboxSession) -> None:
    body = {"name": "Contoso Ltd", "telephone1": "555-0000", "revenue": 5000000, "description": "Parent company"}
    representation = {"Prefer": "return=representation"}
    created = api("POST", "accounts?$select=name,revenue,telephone1,description", body, headers=representation)
    initial, address = created.json()["@odata.etag"], f"accounts({created.json()['accountid']})"
    select = f"{address}?$select=name,revenue,telephone1,description"
    assert api("GET", select, headers={"If-None-Match": initial}).status_code == 304
    assert api("PUT", f"{address}/telephone1", {"value": "555-0001"}).status_code == 204
    assert api("GET", select, headers={"If-None-Match": initial}).status_code == 200
    assert error_of(api("DELETE", address, headers={"If-Match": initial})) == (412, "0x80060882")
    changes = {"telephone1": "555-0002", "revenue": 6000000}
    assert error_of(api("PATCH", address, changes, headers={"If-Match": initial})) == (412, "0x80060882")
    current = read(api, select)["@odata.etag"]
    assert api("PATCH", address, changes, headers={"If-Match": current}).status_code == 204
    row = read(api, select)
    assert (row["telephone1"], row["revenue"]) == ("555-0002", 6000000)


def test_query_data_with_pages_and_aggregation(api: SandboxSession) -> None:
    contacts = [
        {"firstname": "Susie", "lastname": "Curtis", "jobtitle": "Coffee Master", "annualincome": 48000},
        {"firstname": "Yvonne", "lastname": "McKay (sample)", "jobtitle": "Purchasing Manager", "annualincome": 45000},
        {"firstname": "Jim", "lastname": "Glynn (sample)", "jobtitle": "Owner", "annualincome": 30000},
    ]
    api("POST", "accounts", {"name": "Contoso, Ltd. (sample)", "contact_customer_accounts": contacts})
    query = "contacts?$select=fullname,annualincome&$filter=contains(fullname,'(sample)')&$orderby=annualincome desc"
    page = read(api, f"{query}&$count=true", "odata.maxpagesize=1")
    assert (page["@odata.count"], page["value"][0]["fullname"]) == (2, "Yvonne McKay (sample)")
    second = read(api, page["@odata.nextLink"], "odata.maxpagesize=1")
    assert [row["fullname"] for row in second["value"]] == ["Jim Glynn (sample)"]
    apply = "contacts?$apply=aggregate(annualincome with average as average,annualincome with sum as total)"
    found = read(api, apply)["value"][0]
    assert (found["average"], found["total"]) == (41000, 123000)
