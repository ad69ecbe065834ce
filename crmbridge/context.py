"""What the frame around every page shows: navigation, theme, and whether the CRM is the sandbox."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.text import capfirst

from connection.models import CRMConnection
from coupling.listing import erp_model, permissions_to_see, slug_of
from coupling.models import Direction, TableMapping
from crmbridge.experience import has_integration
from crmbridge.help import topic_of
from sync.models import Notification

THEMES: Final = ("auto", "light", "dark")
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class TableLink:
    """The navigation's way to the list of one mapped table."""

    label: str
    address: str


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor; nothing is asked of the database before a template looks at it."""
    theme = theme_of(request)
    return {
        "csp_nonce": getattr(request, "csp_nonce", ""),
        "theme": theme,
        "next_theme": THEMES[(THEMES.index(theme) + 1) % len(THEMES)],
        "themes": THEMES,
        "help_topic": topic_of(request.resolver_match),
        "has_integration": SimpleLazyObject(lambda: has_integration(request)),
        "table_links": SimpleLazyObject(lambda: table_links(request)),
        "unread": SimpleLazyObject(lambda: Notification.unread_by(request.user).count()),
        "is_sandbox": SimpleLazyObject(lambda: is_sandbox(CRMConnection.current())),
    }


def theme_of(request: HttpRequest) -> str:
    """The theme that the reader chose; `auto` follows the system."""
    chosen = request.COOKIES.get("theme", "")
    return chosen if chosen in THEMES else "auto"


def table_links(request: HttpRequest) -> list[TableLink]:
    """The lists of enabled mappings that the user may see: first what is worked on from both sides."""
    mappings = sorted(TableMapping.objects.filter(is_enabled=True).order_by("pk"), key=_is_one_way)
    return [link for mapping in mappings if (link := table_link(mapping, request.user))]


def table_link(mapping: TableMapping, user: User | AnonymousUser) -> TableLink | None:
    """The way to the mapping's list; None where the table is not installed, or the user may not see it."""
    try:
        options = erp_model(mapping)._meta
    except LookupError:
        return None
    if not user.has_perms(permissions_to_see(mapping)):
        return None
    return TableLink(capfirst(str(options.verbose_name_plural)), reverse("coupling:records", args=[slug_of(mapping)]))


def _is_one_way(mapping: TableMapping) -> bool:
    return mapping.direction != Direction.BOTH


def is_sandbox(connection: CRMConnection | None) -> bool:
    """Whether the connection leads to a CRM on this machine, which only the sandbox is."""
    return connection is not None and urlsplit(connection.address).hostname in LOOPBACK
