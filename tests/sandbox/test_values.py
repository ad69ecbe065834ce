"""How values are written, kept and shown, and which are refused (dataverse-web-api.md 4.7, 4.8, 9.2)."""

from typing import Any

import pytest

from tests.sandbox.conftest import FORMATTED, create, error_of, read
from tests.sandbox_process import SandboxSession

ALL = 'odata.include-annotations="*"'


@pytest.mark.parametrize(
    ("column", "written", "kept"),
    [
        ("name", "Ærlig & \"sann\" 'AS' \\ 日本 \t", "Ærlig & \"sann\" 'AS' \\ 日本 \t"),
        ("fax", "", None),
        ("numberofemployees", 42, 42),
        ("revenue", 1234.567, 1234.57),
        ("revenue", 99999999999999.99, 99999999999999.99),
        ("creditonhold", True, True),
        ("customertypecode", 3, 3),
        ("address1_latitude", 59.913868, 59.91387),
        ("lastusedincampaign", "2026-09-28T23:14:00.75+02:00", "2026-09-28T21:14:00Z"),
        ("name", None, None),
    ],
)
def test_value_comes_back_as_the_service_keeps_it(api: SandboxSession, column: str, written: Any, kept: Any) -> None:
    identity = create(api, "accounts", **{column: written})
    assert read(api, f"accounts({identity})?$select={column}")[column] == kept


def test_date_only_column(api: SandboxSession) -> None:
    identity = create(api, "contacts", lastname="A", birthdate="1990-05-17")
    assert read(api, f"contacts({identity})?$select=birthdate")["birthdate"] == "1990-05-17"


def test_money_shows_four_decimals_and_its_currency(api: SandboxSession) -> None:
    identity = create(api, "accounts", revenue=1500000)
    text = api("GET", f"accounts({identity})?$select=revenue").text
    assert '"revenue":1500000.0000' in text
    assert "_transactioncurrencyid_value" in text


def test_base_amount_follows_the_rate_of_the_currency(api: SandboxSession) -> None:
    krona = create(
        api, "transactioncurrencies", isocurrencycode="SEK", currencyname="Krona", currencysymbol="kr",
        currencyprecision=2, exchangerate=0.08,
    )  # fmt: skip
    bind = {"transactioncurrencyid@odata.bind": f"/transactioncurrencies({krona})"}
    identity = create(api, "accounts", creditlimit=100, **bind)
    row = read(api, f"accounts({identity})")
    assert (row["creditlimit_base"], row["exchangerate"]) == (1250, 0.08)
    api("PATCH", f"accounts({identity})", {"creditlimit": 8})
    assert read(api, f"accounts({identity})")["creditlimit_base"] == 100
    api("PATCH", f"accounts({identity})", {"creditlimit": None})
    assert read(api, f"accounts({identity})")["creditlimit_base"] is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "x" * 161}, (400, "0x80044331")),
        ({"numberofemployees": -1}, (400, "0x8004432F")),
        ({"creditlimit": -1}, (400, "0x80044330")),
        ({"address1_latitude": 91}, (400, "0x80044330")),
        ({"customertypecode": 99}, (400, "0x8004431A")),
        ({"statuscode": 2}, (400, "0x80048408")),
        ({"nonsense": 1}, (400, "0x80048d19")),
        ({"name": 5}, (400, "0x80048d19")),
        ({"name": "a\0b"}, (400, "0x80048d19")),
        ({"numberofemployees": "5"}, (400, "0x80048d19")),
        ({"numberofemployees": True}, (400, "0x80048d19")),
        ({"creditonhold": 1}, (400, "0x80048d19")),
        ({"lastusedincampaign": "yesterday"}, (400, "0x80048d19")),
        ({"accountid": "no guid"}, (400, "0x80048d19")),
        ({"primarycontactId@odata.bind": "/contacts(1)"}, (400, "0x80048d19")),
        ({"primarycontactid@odata.bind": "nonsense"}, (400, "0x80048d19")),
        (
            {"primarycontactid@odata.bind": "/contacts(00000000-0000-0000-0000-000000000001)"},
            (404, "0x80040217"),
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value[1],
)
def test_value_that_does_not_fit_is_refused(api: SandboxSession, body: dict[str, Any], expected: object) -> None:
    assert error_of(api("POST", "accounts", body)) == expected
    assert read(api, "accounts")["value"] == []


def test_system_required_column(api: SandboxSession) -> None:
    assert error_of(api("POST", "transactioncurrencies", {"isocurrencycode": "DKK"})) == (400, "0x80040200")


def test_read_only_columns_are_ignored(api: SandboxSession) -> None:
    body = {
        "name": "A",
        "createdon": "2000-01-01T00:00:00Z",
        "versionnumber": 1,
        "_ownerid_value": "x",
        "revenue_base": 5,
    }
    identity = create(api, "accounts", **body)
    row = read(api, f"accounts({identity})")
    assert row["createdon"] > "2020"
    assert row["revenue_base"] is None
    assert api("PATCH", f"accounts({identity})", {**row, "name": "B"}).status_code == 204


def test_state_alone_takes_its_default_status_and_a_wrong_pair_is_refused(api: SandboxSession) -> None:
    identity = create(api, "accounts", name="A")
    assert api("PATCH", f"accounts({identity})", {"statecode": 1}).status_code == 204
    row = read(api, f"accounts({identity})?$select=statecode,statuscode", ALL)
    assert (row["statecode"], row["statuscode"], row[f"statuscode@{FORMATTED}"]) == (1, 2, "Inactive")
    assert error_of(api("PATCH", f"accounts({identity})", {"statecode": 0, "statuscode": 2})) == (400, "0x80048408")
    assert error_of(api("PATCH", f"accounts({identity})", {"statuscode": 1})) == (400, "0x80048408")


def test_fullname_follows_its_parts(api: SandboxSession) -> None:
    identity = create(api, "contacts", firstname="Ada", lastname="Berg", fullname="ignored")
    api("PATCH", f"contacts({identity})", {"lastname": "Lie"})
    assert read(api, f"contacts({identity})?$select=fullname")["fullname"] == "Ada Lie"


def test_annotations_come_on_request_before_what_they_describe(api: SandboxSession) -> None:
    account = create(api, "accounts", name="Nordvik", creditlimit=1234.5, creditonhold=True, paymenttermscode=2,
                     lastusedincampaign="2026-01-24T00:05:00Z", numberofemployees=1200)  # fmt: skip
    create(api, "contacts", lastname="Berg", **{"parentcustomerid_account@odata.bind": f"/accounts({account})"})
    assert "@OData.Community" not in api("GET", "contacts").text
    row = read(api, "contacts?$select=_parentcustomerid_value,fax", ALL)["value"][0]
    lookup = "_parentcustomerid_value"
    assert list(row)[1:5] == [
        f"{lookup}@{FORMATTED}",
        f"{lookup}@Microsoft.Dynamics.CRM.associatednavigationproperty",
        f"{lookup}@Microsoft.Dynamics.CRM.lookuplogicalname",
        lookup,
    ]
    assert list(row.values())[1:5] == ["Nordvik", "parentcustomerid_account", "account", account]
    assert f"fax@{FORMATTED}" not in row
    shown = read(api, f"accounts({account})", f'odata.include-annotations="{FORMATTED}"')
    assert {name: shown[f"{name}@{FORMATTED}"] for name in ("creditlimit", "creditonhold", "paymenttermscode")} == {
        "creditlimit": "kr1,234.50",
        "creditonhold": "Yes",
        "paymenttermscode": "2% 10, Net 30",
    }
    assert shown[f"lastusedincampaign@{FORMATTED}"] == "1/24/2026 12:05 AM"
    assert shown[f"numberofemployees@{FORMATTED}"] == "1,200"
    assert not any("lookuplogicalname" in name for name in shown)


def test_currency_rules(api: SandboxSession) -> None:
    base = read(api, "organizations?$select=_basecurrencyid_value")["value"][0]["_basecurrencyid_value"]
    assert read(api, f"transactioncurrencies({base})")["isocurrencycode"] == "NOK"
    assert error_of(api("DELETE", f"transactioncurrencies({base})"))[0] == 400
    assert error_of(api("PATCH", f"transactioncurrencies({base})", {"exchangerate": 2}))[0] == 400
    twice = {
        "isocurrencycode": "NOK",
        "currencyname": "x",
        "currencysymbol": "x",
        "currencyprecision": 2,
        "exchangerate": 1,
    }
    assert error_of(api("POST", "transactioncurrencies", twice))[1] == "0x80048CF3"
    assert api("PATCH", f"transactioncurrencies({base})", {"isocurrencycode": "DKK"}).status_code == 204
    assert read(api, f"transactioncurrencies({base})")["isocurrencycode"] == "NOK"


def test_an_address_is_read_as_a_whole_with_its_parts(api: SandboxSession) -> None:
    account = create(api, "accounts", name="A", address1_line1="Storgata 1", address1_postalcode="0155")
    address = f"accounts({account})"
    row = read(api, f"{address}?$select=address1_line1")
    assert row["address1_composite"] == "Storgata 1\n0155"
    api("PATCH", address, {"address1_city": "Oslo", "address1_composite": "ignored"})
    assert read(api, f"{address}?$select=address1_composite")["address1_composite"] == "Storgata 1\nOslo\n0155"
    assert "address1_composite" not in read(api, f"{address}?$select=name")
    api("PATCH", address, {"address1_city": None, "address1_line1": None, "address1_postalcode": None})
    assert read(api, address)["address1_composite"] is None


def test_errors_carry_their_annotations_when_all_are_asked_for(api: SandboxSession) -> None:
    body = {"isocurrencycode": "NOK", "currencyname": "K", "currencysymbol": "k", "currencyprecision": 2}
    refused = api("POST", "transactioncurrencies", {**body, "exchangerate": 1})
    assert error_of(refused) == (400, "0x80048CF3")
    assert sorted(refused.json()["error"]) == ["code", "message"]
    prefer = {"Prefer": 'return=representation, odata.include-annotations="*"'}
    error = api("POST", "transactioncurrencies", {**body, "exchangerate": 1}, headers=prefer).json()["error"]
    assert error["@Microsoft.PowerApps.CDS.InnerError.Message"] == error["message"]
    assert "@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus" in error
