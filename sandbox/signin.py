"""The sign-in: Entra ID's endpoints (dataverse-web-api.md 2), and who may call the Web API."""

# ruff: noqa: S608 - names in the SQL come from this file, values are bound

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from sandbox.details import Certificates, Credentials
from sandbox.errors import NOT_A_MEMBER, NOT_LICENSED, USER_DISABLED, DataverseError, does_not_exist
from sandbox.identity.clients import Clients
from sandbox.identity.codes import AuthorizationRequest, Codes
from sandbox.identity.directory import Directory
from sandbox.identity.refusals import SignInError, bad_grant
from sandbox.identity.tokens import Tokens
from sandbox.pages.visit import SAFE_HEADERS, Visit, redirect
from sandbox.protocol import Answer
from sandbox.store.database import Store

LIFETIME = 3599
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_ANY_TENANT = ("common", "organizations")
_OPENID = frozenset({"openid", "profile", "email", "offline_access"})
_PERSON = "user "
_NON_INTERACTIVE = 4


class SignIn:
    """Issues tokens to the registered client and to people, and recognises them, also after a restart."""

    def __init__(
        self, store: Store, credentials: Credentials, address: str, certificates: Certificates, lifetime: int = LIFETIME
    ) -> None:
        self.store = store
        self.credentials = credentials
        self.address = address
        self.lifetime = lifetime
        self.directory = Directory(store, credentials)
        self.clients = Clients(credentials, [certificates.client], certificates.client.with_name("registered.pem"))
        self.tokens = Tokens(store, certificates.signing)
        self.codes = Codes()

    # -- Entra ID's endpoints

    def answer(self, visit: Visit, tenant: str, endpoint: str) -> Answer:
        """Answer one request of the sign-in; refusals are answers too."""
        try:
            if endpoint.endswith("/discovery/instance"):
                return self._instance()
            self._check_tenant(tenant)
            if endpoint.endswith("openid-configuration"):
                return self._configuration(tenant)
            if endpoint.endswith("/keys"):
                return Answer.of(self.tokens.keys(), headers=_JSON)
            if endpoint.endswith("/authorize"):
                return self._authorize(visit)
            if visit.method != "POST":
                raise SignInError(400, "invalid_request", 900561, "The endpoint only accepts POST requests.")
            return self._token(tenant, visit.form, visit.headers.get("authorization", ""))
        except SignInError as error:
            return error.answer()

    def _check_tenant(self, tenant: str) -> None:
        if tenant.lower() not in (self.credentials.tenant, *_ANY_TENANT):
            message = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
            raise SignInError(400, "invalid_request", 90002, message)

    def _instance(self) -> Answer:
        configuration = f"{self.address}/{self.credentials.tenant}/v2.0/.well-known/openid-configuration"
        return Answer.of({"tenant_discovery_endpoint": configuration, "api-version": "1.1", "metadata": []}, 200, _JSON)

    def _configuration(self, tenant: str) -> Answer:
        base = f"{self.address}/{tenant}"
        content = {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "code_challenge_methods_supported": ["S256", "plain"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": sorted(_OPENID),
            "subject_types_supported": ["pairwise"],
        }
        return Answer.of(content, headers=_JSON)

    def _authorize(self, visit: Visit) -> Answer:
        """Show the sign-in page, or check what was typed into it and send the browser back with a code."""
        request = AuthorizationRequest.parse(visit.parameters, self.credentials.clients)
        if request.prompt == "none":
            refusal = SignInError(400, "interaction_required", 50058, "No one is signed in.")
            return redirect(request.back(error=refusal.error, error_description=refusal.description))
        login, failed = request.login_hint, False
        if visit.method == "POST" and visit.comes_from_here:
            login = visit.form.get("login", "")
            if "cancel" in visit.form:
                return redirect(request.back(error="access_denied", error_description="AADSTS65004: Declined."))
            person = self.directory.check(login, visit.form.get("password", ""))
            if person is not None:
                return redirect(request.back(code=self.codes.issue(request, person.login)))
            failed = True
        page = visit.page("sign_in.html", {"login": login, "failed": failed, "client": _("crmbridge")})
        # The browser follows the redirect after the form only where the policy names its target.
        policy = SAFE_HEADERS["Content-Security-Policy"]
        page.headers["Content-Security-Policy"] = policy.replace("form-action", f"form-action {request.origin}")
        return page

    # -- tokens

    def _token(self, tenant: str, form: Mapping[str, str], authorization: str) -> Answer:
        """Answer a token request. Raises SignInError."""
        base = f"{self.address}/{tenant}"
        audiences = [f"{base}/oauth2/v2.0/token", f"{base}/oauth2/token", f"{base}/v2.0", base]
        grants = {
            "client_credentials": self._for_client,
            "authorization_code": self._for_code,
            "refresh_token": self._for_refresh,
        }
        grant = grants.get(form.get("grant_type", ""))
        if grant is None:
            raise SignInError(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        client, proven = self.clients.check(form, authorization, audiences)
        return Answer.of(grant(form, client, proven), headers={"Cache-Control": "no-store", **_JSON})

    def _for_client(self, form: Mapping[str, str], client: str, proven: bool) -> dict[str, Any]:
        if not proven:
            message = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise SignInError(401, "invalid_client", 7000218, message)
        self._check_resource(form.get("resource") or form.get("scope", ""))
        return self._access(client, client)

    def _for_code(self, form: Mapping[str, str], client: str, proven: bool) -> dict[str, Any]:
        request, login = self.codes.redeem(form, proven=proven)
        if request.client != client:
            raise bad_grant(70000, "The provided authorization code was issued to another application.")
        self._check_resource(form.get("scope") or request.scope)
        return self._for_person(client, login, f"{request.scope} {form.get('scope', '')}", request.nonce)

    def _for_refresh(self, form: Mapping[str, str], client: str, proven: bool) -> dict[str, Any]:
        principal = self.tokens.refreshed(form.get("refresh_token", ""))
        if principal is None:
            raise bad_grant(70000, "The refresh token is invalid or has expired.")
        return self._for_person(client, principal.removeprefix(_PERSON), form.get("scope", ""), "")

    def _for_person(self, client: str, login: str, scope: str, nonce: str) -> dict[str, Any]:
        person = self.directory.find(login)
        if person is None:
            raise bad_grant(50034, f"The user account {login} does not exist in the directory.")
        content = self._access(f"{_PERSON}{person.login}", client, upn=person.login, oid=person.object_id)
        content["scope"] = f"{self.address}/user_impersonation"
        if "offline_access" in scope.split():
            content["refresh_token"] = self.tokens.issue_refresh(f"{_PERSON}{person.login}")
        if "openid" in scope.split():
            content["id_token"] = self._identity(client, person.login, person.name, person.object_id, nonce)
        identity = {"uid": person.object_id, "utid": self.credentials.tenant}
        content["client_info"] = base64.urlsafe_b64encode(json.dumps(identity).encode()).rstrip(b"=").decode()
        return content

    def _access(self, principal: str, client: str, **claims: str) -> dict[str, Any]:
        issuer = f"{self.address}/{self.credentials.tenant}/"
        shared = {"aud": self.address, "iss": issuer, "appid": client, "tid": self.credentials.tenant, **claims}
        token = self.tokens.issue(principal, shared, self.lifetime)
        times = {"expires_in": self.lifetime, "ext_expires_in": self.lifetime}
        return {"token_type": "Bearer", **times, "access_token": token}

    def _identity(self, client: str, login: str, name: str, object_id: str, nonce: str) -> str:
        now = int(time.time())
        claims = {"aud": client, "iss": f"{self.address}/{self.credentials.tenant}/v2.0", "iat": now, "nbf": now}
        claims |= {"exp": now + LIFETIME, "sub": object_id, "oid": object_id, "tid": self.credentials.tenant}
        claims |= {"name": name, "preferred_username": login, "ver": "2.0", **({"nonce": nonce} if nonce else {})}
        return self.tokens.sign(claims)

    def _check_resource(self, scope: str) -> None:
        """Raise SignInError unless what is asked for is this environment; openid's own scopes may stand beside."""
        named = [part for part in scope.split() if part not in _OPENID]
        resource = named[0].removesuffix("/.default").removesuffix("/user_impersonation") if named else ""
        if resource.rstrip("/").lower() not in (self.address, self.address.replace("localhost", "127.0.0.1")):
            message = f"The resource principal named {resource} was not found in the tenant."
            raise SignInError(400, "invalid_resource", 500011, message)

    # -- the bearer check

    def principal_of(self, authorization: str) -> str:
        """Return for whom a bearer token stands. Raises DataverseError (401) with the challenge (2.2)."""
        scheme, _separator, token = authorization.partition(" ")
        principal = self.tokens.principal_of(token.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            raise self._challenge()
        return principal

    def forget_tokens(self) -> None:
        """Make every access token issued so far invalid."""
        self.tokens.forget()

    def _challenge(self) -> DataverseError:
        authority = f"{self.address}/{self.credentials.tenant}/oauth2/authorize"
        value = f"Bearer authorization_uri={authority}, resource_id={self.address}/"
        return DataverseError(
            401, "0x80072561", "HTTP Error 401 - Unauthorized: Access is denied", {"WWW-Authenticate": value}
        )

    def user_of(self, principal: str, headers: Mapping[str, str]) -> str:
        """Return the systemuserid that acts: the principal's own user, or the one it impersonates (1.2, 2.1)."""
        column = "domainname" if principal.startswith(_PERSON) else "applicationid"
        user = self._enabled_user(column, principal.removeprefix(_PERSON))
        if user is None:
            raise DataverseError(403, NOT_A_MEMBER, "The user is not a member of the organization.")
        for header, column in (("mscrmcallerid", "systemuserid"), ("callerobjectid", "azureactivedirectoryobjectid")):
            wanted = headers.get(header)
            if wanted:
                user = self._enabled_user(column, wanted.strip("{}").lower())
                if user is None:
                    raise does_not_exist("systemuser", wanted)
        return user

    def _enabled_user(self, column: str, value: str) -> str | None:
        sql = f"SELECT systemuserid, isdisabled, islicensed, accessmode FROM systemuser WHERE {column} = ?"
        with self.store.reading() as connection:
            row = connection.execute(sql, [value]).fetchone()
        if row is None:
            return None
        if row[1]:
            raise DataverseError(
                403, USER_DISABLED, "The specified user is either disabled or is not a member of any business unit."
            )
        # Applications and non-interactive users need no licence.
        if column == "domainname" and not row[2] and row[3] != _NON_INTERACTIVE:
            raise DataverseError(403, NOT_LICENSED, "The user has not been assigned any License.")
        return str(row[0])
