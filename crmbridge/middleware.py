"""What every answer carries: the policy that tells browsers to run nothing but our own files."""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
# Bootstrap draws its check marks with data: images. Nothing may be framed, and forms only come back to us.
POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self'{styles}; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def policy(nonce: str, *, inline_styles: bool = False) -> str:
    """The policy with this nonce; `inline_styles` only for pages of others that need them (Swagger UI)."""
    return POLICY.format(nonce=nonce, styles=" 'unsafe-inline'" if inline_styles else "")


class ContentSecurityPolicy:
    """Sets the policy on every answer that did not set its own, and puts the nonce at `request.csp_nonce`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with the policy in force."""
        nonce = secrets.token_urlsafe(16)
        request.csp_nonce = nonce  # type: ignore[attr-defined]  # Django's requests carry what middleware hangs on them
        response = self.get_response(request)
        # Django's own error pages of development have inline styles.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            response.headers.setdefault(HEADER, policy(nonce))
        return response
