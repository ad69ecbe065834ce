"""People and certificates: authorization code with PKCE, refresh, signed assertions, and who is let in (2, 11)."""

import base64
import hashlib
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from sandbox.certificates import load_certificates
from tests.sandbox.conftest import create, error_of, read
from tests.sandbox_process import SandboxProcess, SandboxSession

ADMINISTRATOR = "admin@fjordkraft.example"
REDIRECT = "http://localhost:8000/back"


class Visitor:
    """Someone who signs in with a client that proves itself by PKCE alone."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox, self.details = sandbox, sandbox.details
        self.verifier = secrets.token_urlsafe(48)
        self.session = requests.Session()
        self.session.verify = sandbox.details["ca_file"]

    def page(self, **changes: str) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": self.details["client_id"],
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": f"{self.details['address']}/user_impersonation openid offline_access",
            "state": "here",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.details['authority']}/oauth2/v2.0/authorize?{urlencode(query | changes)}"

    def post(self, page: str, login: str, password: str, **fields: str) -> requests.Response:
        form = {"login": login, "password": password, **fields}
        headers = {"Origin": self.details["address"]}
        return self.session.post(page, data=form, headers=headers, allow_redirects=False, timeout=200)

    def sign_in(self, login: str, **changes: str) -> dict[str, str]:
        answer = self.post(self.page(**changes), login, self.sandbox.people()[login])
        assert answer.status_code == 303, answer.text
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}

    def redeem(self, code: str, **changes: str) -> requests.Response:
        form = {
            "client_id": self.details["client_id"],
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": self.verifier,
        }
        return self.ask(form | changes)

    def ask(self, form: dict[str, str]) -> requests.Response:
        return self.session.post(f"{self.details['authority']}/oauth2/v2.0/token", data=form, timeout=200)

    def call(self, login: str) -> requests.Response:
        """Sign in and ask the Web API who we are."""
        return self.with_token(self.redeem(self.sign_in(login)["code"]).json()["access_token"])

    def with_token(self, token: str) -> requests.Response:
        address = f"{self.details['address']}/api/data/v9.2/WhoAmI"
        return self.session.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=200)


@pytest.fixture
def visitor(sandbox: SandboxProcess) -> Visitor:
    return Visitor(sandbox)


# -- authorization code


def test_code_with_pkce_refresh_and_identity(visitor: Visitor) -> None:
    page = visitor.session.get(visitor.page(login_hint=ADMINISTRATOR), timeout=200)
    assert ADMINISTRATOR in page.text
    assert "form-action http://localhost:8000 'self'" in page.headers["Content-Security-Policy"]
    back = visitor.sign_in(ADMINISTRATOR, nonce="n-1")
    assert back["state"] == "here"
    tokens = visitor.redeem(back["code"]).json()
    keys = visitor.session.get(f"{visitor.details['authority']}/discovery/v2.0/keys", timeout=200).json()["keys"]
    claims = jwt.decode(tokens["id_token"], jwt.PyJWK(keys[0]), ["RS256"], audience=visitor.details["client_id"])
    assert (claims["preferred_username"], claims["nonce"]) == (ADMINISTRATOR, "n-1")
    assert visitor.with_token(tokens["access_token"]).status_code == 200
    assert visitor.with_token(tokens["refresh_token"]).status_code == 401
    form = {"client_id": visitor.details["client_id"], "grant_type": "refresh_token"}
    scope = f"{visitor.details['address']}/user_impersonation offline_access"
    renewed = visitor.ask({**form, "refresh_token": tokens["refresh_token"], "scope": scope}).json()
    assert visitor.with_token(renewed["access_token"]).status_code == 200
    assert visitor.ask({**form, "refresh_token": "nonsense"}).json()["error"] == "invalid_grant"


def test_a_code_works_once_and_only_for_who_asked(visitor: Visitor) -> None:
    code = visitor.sign_in(ADMINISTRATOR)["code"]
    assert visitor.redeem(code).status_code == 200
    assert visitor.redeem(code).json()["error_codes"] == [70008]
    other = visitor.sign_in(ADMINISTRATOR)["code"]
    assert visitor.redeem(other, code_verifier="x" * 43).json()["error_codes"] == [501481]
    third = visitor.sign_in(ADMINISTRATOR)["code"]
    assert visitor.redeem(third, redirect_uri="http://localhost:1/").json()["error"] == "invalid_grant"
    unproven = visitor.sign_in(ADMINISTRATOR, code_challenge="")["code"]
    assert visitor.redeem(unproven).json()["error_codes"] == [7000218]


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "00000000-0000-0000-0000-000000000000"},
        {"redirect_uri": "https://elsewhere.example/"},
        {"response_type": "token"},
    ],
)
def test_nothing_is_sent_to_strangers(visitor: Visitor, changes: dict[str, str]) -> None:
    answer = visitor.session.get(visitor.page(**changes), allow_redirects=False, timeout=200)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_wrong_password_cancel_and_no_prompt(visitor: Visitor) -> None:
    wrong = visitor.post(visitor.page(), ADMINISTRATOR, "wrong")
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (200, True)
    cancelled = visitor.post(visitor.page(), ADMINISTRATOR, "", cancel="1")
    assert "error=access_denied" in cancelled.headers["Location"]
    silent = visitor.session.get(visitor.page(prompt="none"), allow_redirects=False, timeout=200)
    assert "error=interaction_required" in silent.headers["Location"]
    foreign = visitor.session.post(visitor.page(), data={"login": ADMINISTRATOR, "cancel": "1"}, timeout=200)
    assert foreign.status_code == 200


def test_msal_signs_a_person_in(sandbox: SandboxProcess) -> None:
    details = sandbox.details
    app = msal.PublicClientApplication(details["client_id"], authority=details["authority"], instance_discovery=False)
    scopes = [f"{details['address']}/user_impersonation"]
    flow: dict[str, Any] = app.initiate_auth_code_flow(scopes, redirect_uri=REDIRECT)
    visitor = Visitor(sandbox)
    answer = visitor.post(flow["auth_uri"], ADMINISTRATOR, sandbox.people()[ADMINISTRATOR])
    back = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    tokens = app.acquire_token_by_auth_code_flow(flow, back)
    assert visitor.with_token(tokens["access_token"]).status_code == 200
    assert app.get_accounts()[0]["username"] == ADMINISTRATOR
    silent = app.acquire_token_silent(scopes, app.get_accounts()[0], force_refresh=True)
    assert silent
    assert visitor.with_token(silent["access_token"]).status_code == 200


# -- certificates


@pytest.mark.parametrize("sha1", [True, False])
def test_msal_proves_itself_with_a_certificate(sandbox: SandboxProcess, sha1: bool) -> None:
    details = sandbox.details
    pem = Path(details["client_certificate"]).read_text()
    certificate = pem[pem.index("-----BEGIN CERTIFICATE") :]
    loaded = x509.load_pem_x509_certificate(certificate.encode())

    known = {"thumbprint": loaded.fingerprint(SHA1()).hex()} if sha1 else {"public_certificate": certificate}
    app = msal.ConfidentialClientApplication(
        details["client_id"],
        authority=details["authority"],
        client_credential={"private_key": pem[: pem.index("-----BEGIN CERTIFICATE")], **known},
        instance_discovery=False,
    )
    token: Any = app.acquire_token_for_client(scopes=[f"{details['address']}/.default"])
    assert Visitor(sandbox).with_token(token["access_token"]).status_code == 200


def assertion(sandbox: SandboxProcess, pem: str, **claims: Any) -> requests.Response:
    details = sandbox.details
    endpoint = f"{details['authority']}/oauth2/v2.0/token"
    certificate = x509.load_pem_x509_certificate(pem[pem.index("-----BEGIN CERTIFICATE") :].encode())
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(SHA256())).rstrip(b"=").decode()
    content = {"aud": endpoint, "iss": details["client_id"], "sub": details["client_id"], "exp": 4_000_000_000}
    key = pem[: pem.index("-----BEGIN CERTIFICATE")]
    signed = jwt.encode(content | claims, key, "PS256", {"x5t#S256": thumbprint})
    form = {
        "client_id": details["client_id"],
        "grant_type": "client_credentials",
        "scope": f"{details['address']}/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signed,
    }
    return requests.post(endpoint, data=form, verify=details["ca_file"], timeout=200)


def test_assertions_are_verified(sandbox: SandboxProcess, tmp_path: Path) -> None:
    pem = Path(sandbox.details["client_certificate"]).read_text()
    assert assertion(sandbox, pem).status_code == 200
    assert assertion(sandbox, pem, exp=1).json()["error_codes"] == [700024]
    assert assertion(sandbox, pem, aud="https://elsewhere.example").json()["error_codes"] == [700027]
    assert assertion(sandbox, pem, sub="someone").json()["error_codes"] == [700021]
    unknown = load_certificates(tmp_path).client.read_text()
    assert assertion(sandbox, unknown).json()["error_codes"] == [700027]
    forged = unknown[: unknown.index("-----BEGIN CERT")] + pem[pem.index("-----BEGIN CERT") :]
    assert assertion(sandbox, forged).json()["error_codes"] == [700027]
    key = sandbox.details["client_secret"]
    address = f"{sandbox.details['address']}/sandbox/certificate"
    for body, status in ((unknown, 204), ("nonsense", 400)):
        answer = requests.post(
            address, data=body, headers={"X-Sandbox-Key": key}, verify=sandbox.details["ca_file"], timeout=200
        )
        assert answer.status_code == status
    assert assertion(sandbox, unknown).status_code == 200


# -- who is let in


def person(api: SandboxSession, login: str, **values: Any) -> str:
    unit = read(api, "businessunits?$select=businessunitid")["value"][0]["businessunitid"]
    bind = {"businessunitid@odata.bind": f"/businessunits({unit})", "internalemailaddress": login, "domainname": login}
    return create(api, "systemusers", firstname="A", lastname=login, **bind, **values)


def test_only_enabled_licensed_members_get_in(visitor: Visitor, api: SandboxSession) -> None:
    assert error_of(visitor.call("outsider@fjordkraft.example")) == (403, "0x80072560")
    identity = person(api, "new@x.example", islicensed=False)
    assert error_of(visitor.call("new@x.example")) == (403, "0x8004D24B")
    api("PATCH", f"systemusers({identity})", {"islicensed": True, "isdisabled": True})
    assert error_of(visitor.call("new@x.example")) == (403, "0x80040225")


def test_discovery(visitor: Visitor) -> None:
    configuration = visitor.session.get(
        f"{visitor.details['authority']}/v2.0/.well-known/openid-configuration", timeout=200
    ).json()
    assert configuration["code_challenge_methods_supported"] == ["S256", "plain"]
    endpoint = f"{visitor.details['address']}/common/discovery/instance?api-version=1.1"
    instance = visitor.session.get(endpoint, timeout=200).json()
    assert visitor.session.get(instance["tenant_discovery_endpoint"], timeout=200).status_code == 200


def test_people_are_shown_with_their_passwords(sandbox: SandboxProcess) -> None:
    page = requests.get(f"{sandbox.details['address']}/people", verify=sandbox.details["ca_file"], timeout=200).text
    for login, password in sandbox.people().items():
        assert login in page
        assert re.search(rf"\b{re.escape(password)}\b", page)


def test_tokens_expire(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path, options=["--token-lifetime", "0"]) as own:
        assert own.session()("GET", "WhoAmI").status_code == 401


def test_tokens_can_be_let_expire(sandbox: SandboxProcess, api: SandboxSession) -> None:
    sandbox.control("POST", "expire-tokens")
    assert api("GET", "WhoAmI").status_code == 401
