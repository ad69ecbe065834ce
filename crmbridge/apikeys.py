"""Signing in to the API with `Authorization: Api-Key …`."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from crmbridge.models import ApiKey

SCHEME = "Api-Key"


class ApiKeyAuthentication(BaseAuthentication):
    """The user that a valid API key acts for. First in the list, so that a request without any key is told 401."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, ApiKey] | None:
        """User and key; None where the request brings no API key.

        Raises:
            AuthenticationFailed: the key is wrong, revoked or expired.
        """
        scheme, _space, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        key = ApiKey.standing_for(text.strip())
        if key is None:
            raise AuthenticationFailed(
                _("The API key is wrong, revoked or expired. Ask an administrator for a new one."), code="bad_api_key"
            )
        key.note_use()
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """What a client without a key is asked for."""
        return SCHEME


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf-spectacular's own plug-in door
    """How the API's schema describes the key."""

    target_class = "crmbridge.apikeys.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """An OpenAPI security scheme."""
        description = "`Api-Key` and the key that an administrator issued, as in `Api-Key 1a2b3c4d.…`"
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": description}
