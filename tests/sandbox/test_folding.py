"""Texts compare without regard to case and accents, as the collation of an English organization does (3.4, 5.1)."""

from urllib.parse import quote

import pytest

from sandbox.store.folding import fold
from tests.sandbox.conftest import bulk, create, error_of, names, read
from tests.sandbox_process import SandboxSession


def test_what_counts_as_equal() -> None:
    assert fold("Café ÅS") == fold("CAFE as") == "cafe as"
    assert fold("Straße") == fold("STRASSE")
    assert fold("Ærlig") == "aerlig"
    assert fold("Øst") != fold("ost"), "a letter of its own"
    assert fold(None) is None


FILTERS = [
    "name eq 'ELAG as'",
    "'elåg AS' eq name",
    "contains(name,'lÅG')",
    "startswith(name,'éla')",
    "endswith(name,'ÄS')",
    "contains(name,'l_g')",
    "contains(name,'l[a-b]g')",
    "startswith(name,'%låg')",
    "Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=[\"ELÅG AS\"])",
    "name ge 'elAG' and name lt 'elåh'",
    "not contains(name,'nord')",
    "contact_customer_accounts/any(c:c/lastname eq 'bjørnÉR')",
    "primarycontactid/lastname eq 'BJØRNER'",
]


def test_filters_order_and_groups(api: SandboxSession) -> None:
    contact = create(api, "contacts", lastname="Bjørner")
    account = create(api, "accounts", name="Elåg AS", **{"primarycontactid@odata.bind": f"/contacts({contact})"})
    api("PATCH", f"contacts({contact})", {"parentcustomerid_account@odata.bind": f"/accounts({account})"})
    create(api, "accounts", name="Nord")
    for test in FILTERS:
        assert names(api, f"accounts?$filter={quote(test)}") == ["Elåg AS"], test
    assert names(api, f"accounts?$filter={quote('name ne ' + chr(39) + 'ELAG AS' + chr(39))}") == ["Nord"]
    fetch = "<fetch><entity name='account'><filter><condition attribute='name' operator='like' value='ELA%'/></filter>"
    assert names(api, f"accounts?fetchXml={quote(fetch + '</entity></fetch>')}") == ["Elåg AS"]
    for name in ("Åse", "asa", "ÆB", "af", "Zz"):
        create(api, "accounts", name=name)
    ordered = names(api, "accounts?$orderby=name")
    assert ordered == ["ÆB", "af", "asa", "Åse", "Elåg AS", "Nord", "Zz"]
    pages, link = [], "accounts?$orderby=name&$select=name"
    while link:
        page = read(api, link, "odata.maxpagesize=2")
        pages += [row["name"] for row in page["value"]]
        link = page.get("@odata.nextLink", "")
    assert pages == ordered
    create(api, "accounts", name="NØRD")
    create(api, "accounts", name="NORD")
    groups = read(api, "accounts?$apply=groupby((name),aggregate($count as n))")["value"]
    assert sorted(group["n"] for group in groups) == [1, 1, 1, 1, 1, 1, 1, 2]


@pytest.mark.parametrize("name", ["ÅSE-1", "ase-1"])
def test_keys(api: SandboxSession, name: str) -> None:
    key = {"SchemaName": "new_NumberKey", "KeyAttributes": ["accountnumber"]}
    assert api("POST", "EntityDefinitions(LogicalName='account')/Keys", key).status_code == 204
    create(api, "accounts", name="A", accountnumber="Åse-1")
    assert read(api, f"accounts(accountnumber='{quote(name)}')")["name"] == "A"
    taken = (412, "0x80060892")
    assert error_of(api("POST", "accounts", {"name": "B", "accountnumber": name})) == taken
    other = create(api, "accounts", name="B", accountnumber="2")
    assert error_of(api("PATCH", f"accounts({other})", {"accountnumber": name})) == taken
    target = {"@odata.id": f"accounts(accountnumber='{name}')", "name": "C"}
    assert bulk(api, "accounts", "UpsertMultiple", [target]).status_code == 204
    assert names(api, "accounts?$orderby=name") == ["B", "C"]


def test_a_column_that_is_unique_by_itself(api: SandboxSession) -> None:
    group = create(api, "uomschedules", name="G", baseuomname="Pcs")
    unit = read(api, f"uoms?$filter=_uomscheduleid_value eq {group}")["value"][0]["uomid"]
    bind = {"defaultuomscheduleid@odata.bind": f"/uomschedules({group})", "defaultuomid@odata.bind": f"/uoms({unit})"}
    create(api, "products", name="A", productnumber="Vår-1", quantitydecimal=0, **bind)
    second = api("POST", "products", {"name": "B", "productnumber": "VAR-1", "quantitydecimal": 0, **bind})
    assert error_of(second) == (412, "0x80040237")
