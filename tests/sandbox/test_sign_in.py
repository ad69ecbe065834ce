"""The stand-in for Entra ID, and who may call (dataverse-web-api.md 2, 11)."""

from typing import Any

import msal
import pytest
import requests

from tests.sandbox.conftest import create, error_of, read
from tests.sandbox_process import SandboxProcess, SandboxSession


def ask(sandbox: SandboxProcess, path: str = "", **changes: str) -> requests.Response:
    """Ask for a token with some of the right values replaced."""
    details = sandbox.details
    form = {
        "client_id": details["client_id"],
        "client_secret": details["client_secret"],
        "grant_type": "client_credentials",
        "scope": f"{details['address']}/.default",
    }
    address = details["address"] + (path or f"/{details['tenant']}/oauth2/v2.0/token")
    return requests.post(address, data=form | changes, verify=details["ca_file"], timeout=200)


def test_token_answer(sandbox: SandboxProcess) -> None:
    answer = ask(sandbox).json()
    assert {name: answer[name] for name in ("token_type", "expires_in", "ext_expires_in")} == {
        "token_type": "Bearer",
        "expires_in": 3599,
        "ext_expires_in": 3599,
    }
    assert answer["access_token"].count(".") == 2


@pytest.mark.parametrize(
    ("changes", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, 400, "unauthorized_client", 700016),
        ({"path": "/00000000-0000-0000-0000-000000000000/oauth2/v2.0/token"}, 400, "invalid_request", 90002),
        ({"scope": "https://other.crm4.dynamics.com/.default"}, 400, "invalid_resource", 500011),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
    ],
)
def test_refusals(sandbox: SandboxProcess, changes: dict[str, str], status: int, error: str, number: int) -> None:
    answer = ask(sandbox, **changes)
    assert (answer.status_code, answer.json()["error"], answer.json()["error_codes"]) == (status, error, [number])
    assert answer.json()["error_description"].startswith(f"AADSTS{number}: ")
    assert sandbox.details["client_secret"] not in answer.text


def test_msal_gets_a_token_that_works(sandbox: SandboxProcess) -> None:
    details = sandbox.details
    app = msal.ConfidentialClientApplication(
        details["client_id"],
        authority=details["authority"],
        client_credential=details["client_secret"],
        instance_discovery=False,
    )
    token: Any = app.acquire_token_for_client(scopes=[f"{details['address']}/.default"])
    answer = requests.get(
        f"{details['address']}/api/data/v9.2/WhoAmI",
        headers={"Authorization": f"Bearer {token['access_token']}"},
        verify=details["ca_file"],
        timeout=200,
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic abc", "Bearer"])
def test_without_a_usable_token_there_is_a_challenge(sandbox: SandboxProcess, header: str | None) -> None:
    address = f"{sandbox.details['address']}/api/data/v9.2/accounts"
    headers = {"Authorization": header} if header else {}
    answer = requests.get(address, headers=headers, verify=sandbox.details["ca_file"], timeout=200)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == (
        f"Bearer authorization_uri={sandbox.details['authority']}/oauth2/authorize, "
        f"resource_id={sandbox.details['address']}/"
    )


@pytest.mark.parametrize("path", ["WhoAmI", "WhoAmI()"])
def test_who_am_i(api: SandboxSession, path: str) -> None:
    answer = api("GET", path)
    assert int(answer.headers["x-ms-dop-hint"]) > 0
    assert set(answer.json()) == {"@odata.context", "UserId", "BusinessUnitId", "OrganizationId"}
    user = read(api, f"systemusers({answer.json()['UserId']})")
    assert user["_businessunitid_value"] == answer.json()["BusinessUnitId"]
    assert user["applicationid"]


def test_client_without_an_enabled_application_user_is_kept_out(api: SandboxSession) -> None:
    user = read(api, "WhoAmI")["UserId"]
    impersonated = {"MSCRMCallerID": "00000000-0000-0000-0000-000000000000"}
    assert error_of(api("GET", "WhoAmI", headers=impersonated))[0] == 404
    assert api("PATCH", f"systemusers({user})", {"isdisabled": True}).status_code == 204
    assert error_of(api("GET", "accounts")) == (403, "0x80040225")


def test_client_without_an_application_user_is_no_member(api: SandboxSession) -> None:
    user = read(api, "WhoAmI")["UserId"]
    api("PATCH", f"systemusers({user})", {"applicationid": None})
    assert error_of(api("GET", "accounts")) == (403, "0x80072560")


def test_application_id_is_unique_among_users(api: SandboxSession, sandbox: SandboxProcess) -> None:
    unit = read(api, "businessunits?$filter=_parentbusinessunitid_value eq null")["value"][0]["businessunitid"]
    bind = {"businessunitid@odata.bind": f"/businessunits({unit})", "internalemailaddress": "a@x.example"}
    create(api, "systemusers", firstname="a", **bind)
    second = {"applicationid": sandbox.details["client_id"], **bind}
    assert error_of(api("POST", "systemusers", second))[0] == 412
