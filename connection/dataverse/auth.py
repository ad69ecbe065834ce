"""Signs the application in (dataverse-web-api.md 2): secret or certificate through msal, one app a process."""

import re
import warnings
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import requests
from django.utils.translation import gettext_lazy as _
from urllib3.exceptions import HTTPError

from connection.dataverse.address import is_microsoft_login, login_address, same_origin
from connection.dataverse.certificate import Certificate
from connection.dataverse.diagnosis import from_exception
from connection.dataverse.errors import LoginUnavailable, SignInRefused
from connection.dataverse.session import GuardedSession
from connection.errors import CRMBridgeError, RetryLater, Text
from connection.masking import register_secret

# A person's answer comes as a GET: with a POST from another site, browsers send no session cookie along.
warnings.filterwarnings("ignore", "response_mode='form_post' is recommended", UserWarning)

_NO_TENANT: tuple[Text, Text] = (
    _("The sign-in was refused: the login server does not know the tenant."),
    _("Check the tenant ID, and the login server where one is entered."),
)
_REASONS: dict[str, tuple[Text, Text]] = {
    "7000215": (
        _("The sign-in was refused: the client secret is wrong."),
        _("Enter the secret's value (not its ID) from the app registration in Microsoft Entra ID."),
    ),
    "7000222": (
        _("The sign-in was refused: the client secret has expired."),
        _("Create a new client secret in Microsoft Entra ID and enter it here."),
    ),
    "700016": (
        _("The sign-in was refused: the application is unknown in this tenant."),
        _("Check the client ID and the tenant."),
    ),
    "700027": (
        _("The sign-in was refused: the login server does not know the certificate."),
        _("Upload the certificate to the app registration in Microsoft Entra ID."),
    ),
    "90002": _NO_TENANT,
    "500011": (
        _("The sign-in was refused: this tenant does not know the Dynamics CRM address."),
        _("Check that address and tenant belong together."),
    ),
}
# What comes back where a person says no.
_NOT_WANTED = ("access_denied", "consent_required", "interaction_required")


class SignIn:
    """Gets tokens for one environment and keeps them until shortly before they expire.

    Nothing happens over the network before the first `token()`: msal's constructor already asks the login server.
    """

    def __init__(
        self,
        address: str,
        *,
        tenant: str,
        client_id: str,
        client_secret: str = "",
        certificate: Certificate | None = None,
        authority: str = "",
    ) -> None:
        register_secret(client_secret)
        self._login = login_address(address, authority)
        self._tenant, self._client_id, self._certificate = tenant, client_id, certificate
        self._client_secret = client_secret
        self._address = address
        self._app: Any = None
        self._lock = Lock()

    def token(self) -> str:
        """An access token. Raises SignInRefused, LoginUnavailable or CertificateRefused."""
        with self._lock:
            return _token_in(self._asked(self._ask))

    def begin_person(self, return_address: str) -> dict[str, Any]:
        """What to keep of a person's sign-in until they return (authorization code with PKCE); `auth_uri` is its page.

        Raises as `token` does.
        """
        scopes = [f"{self._address}/user_impersonation"]
        return self._asked(
            lambda: self._app_for_people().initiate_auth_code_flow(
                scopes, redirect_uri=return_address, prompt="select_account"
            )
        )

    def finish_person(self, begun: dict[str, Any], answer: Mapping[str, str]) -> str:
        """The person's access token for what their browser brought back. Raises as `token` does."""
        if answer.get("error") in _NOT_WANTED:
            raise SignInRefused(
                _("The sign-in was cancelled, or the permission was not given."),
                fix=_("Sign in again, and accept what the page asks for."),
                technical=answer.get("error_description", ""),
            )
        if answer.get("state") != begun["state"]:
            raise SignInRefused(_("The answer does not belong to this sign-in."), fix=_("Sign in again."))
        return _token_in(
            self._asked(lambda: self._app_for_people().acquire_token_by_auth_code_flow(begun, dict(answer)))
        )

    def _ask(self) -> dict[str, Any]:
        self._app = self._app or self._new_app()
        answer: dict[str, Any] = self._app.acquire_token_for_client(scopes=[f"{self._address}/.default"])
        return answer

    def _asked(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What msal answers, its failures as ours."""
        try:
            return ask()
        except (requests.RequestException, HTTPError) as failure:
            raise _unavailable(from_exception(failure, repeatable=True)) from None
        except (ValueError, KeyError, RuntimeError) as failure:
            # msal's ways to say that a login server does not know the tenant, or is none.
            raise SignInRefused(_NO_TENANT[0], fix=_NO_TENANT[1], technical=str(failure)) from None

    def _app_for_people(self) -> Any:
        """An app of its own for each sign-in, without a refresh token: nothing of it is to stay."""
        return self._new_app(exclude_scopes=["offline_access"])

    def renew(self) -> None:
        """Forget the token, so that the next one is fresh: the CRM did not accept the last one."""
        with self._lock:
            self._app = None

    def _new_app(self, **options: Any) -> Any:
        """Msal's app, which asks the login server at once."""
        import msal  # takes 0.14 s, which only a process that signs in should pay

        return msal.ConfidentialClientApplication(
            self._client_id,
            authority=self._login if self._login.endswith(f"/{self._tenant}") else f"{self._login}/{self._tenant}",
            client_credential=self._credential(),
            # The token endpoint receives the secret, and it is the login server's own document that names it.
            http_client=GuardedSession(timeout=(10.0, 30.0), admits=self._is_of_login),
            instance_discovery=None if is_microsoft_login(self._login) else False,
            **options,
        )

    def _is_of_login(self, address: str) -> bool:
        return is_microsoft_login(address) or same_origin(address, self._login)

    def _credential(self) -> str | dict[str, str]:
        if self._certificate is None:
            return self._client_secret
        return {
            "private_key": self._certificate.private_key,
            "public_certificate": self._certificate.public_certificate,
        }


def _token_in(answer: Mapping[str, Any]) -> str:
    if "access_token" not in answer:
        raise _refusal(f"{answer.get('error')}: {answer.get('error_description')}")
    return str(answer["access_token"])


def _unavailable(error: CRMBridgeError) -> CRMBridgeError:
    return LoginUnavailable(technical=error.technical) if isinstance(error, RetryLater) else error


def _refusal(description: str) -> CRMBridgeError:
    """The refusal in plain words; Entra ID's texts begin with their number (dataverse-web-api.md 2.1)."""
    found = re.search(r"AADSTS(\d+)", description)
    number = found[1] if found else ""
    text, fix = _REASONS.get(number, (None, None))
    return SignInRefused(text, fix=fix, technical=description, code=f"AADSTS{number}" if number else "")
