"""One visit to a page: what the browser sent, and how a page goes back to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from sandbox.protocol import Answer
from sandbox.service import Service

SAFE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Visit:
    """A request for a page. Header names are lower case."""

    service: Service
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The query parameters."""
        return dict(parse_qsl(self.query))

    @cached_property
    def form(self) -> dict[str, str]:
        """The posted fields, empty ones included."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def comes_from_here(self) -> bool:
        """True when the browser says that a page of this very sandbox sent the request."""
        sender = self.headers.get("origin") or self.headers.get("referer", "")
        parts = urlsplit(sender)
        return bool(sender) and (parts.scheme, parts.netloc) == ("https", self.headers.get("host", ""))

    @property
    def language(self) -> str:
        """The best of our languages for this browser."""
        known = [code for code, _ in settings.LANGUAGES]
        for wanted, _ in parse_accept_lang_header(self.headers.get("accept-language", "").lower()):
            # Browsers ask for Norwegian as nb, nn or no.
            code = "nb" if wanted.split("-")[0] in ("nb", "nn", "no") else wanted.split("-")[0]
            if code in known:
                return code
        return str(settings.LANGUAGE_CODE)

    def page(self, template: str, context: Mapping[str, object], status: int = 200) -> Answer:
        """Return a rendered page in the visitor's language."""
        language = translation.get_language()
        body = render_to_string(f"sandbox/{template}", {**context, "language": language})
        return Answer(status, body.encode(), {"Content-Type": "text/html; charset=utf-8", **SAFE_HEADERS})


def redirect(address: str) -> Answer:
    """Send the browser to another page."""
    return Answer(303, b"", {"Location": address, **SAFE_HEADERS})
