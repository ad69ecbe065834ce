"""Finds pages by what people call them (S88): by English or Norwegian name, or by what they are about."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, resolve, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from connection.errors import Text
from connection.texts import in_every_language
from coupling.listing import erp_model
from coupling.models import TableMapping
from crmbridge.context import table_link
from crmbridge.experience import belongs_to_integration, has_integration
from crmbridge.help import TOPICS

# Both names of the CRM are known to mean the same (S6), and the founding article's own search words lead here.
INTEGRATION: Final = (
    "integration synchronize map Dynamics CRM Dynamics 365 for Sales Dynamics 365 Sales Dataverse "
    "integrasjon integrering synkronisere synkronisering tilordne tilordning"
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page that can be searched for; `words` are other names of it, earlier and Norwegian ones among them."""

    name: Text
    route: str
    permissions: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A hit: what it is called, where it is, and the kind of thing it is."""

    name: str
    address: str
    kind: str
    text: str


_SET_UP: Final = ("connection.change_crmconnection",)
PAGES: Final = (
    Page(gettext_lazy("Home"), "home", words="startsiden rollesenter role centre"),
    Page(
        gettext_lazy("Dynamics CRM Connection Setup"),
        "guide:resume",
        _SET_UP,
        f"{INTEGRATION} Tilkoblingsoppsett for Dynamics CRM assisted setup guide assistert oppsett veiledning",
    ),
    Page(
        gettext_lazy("CRM Connection Setup"),
        "connection",
        ("connection.view_crmconnection", "coupling.view_tablemapping"),
        f"{INTEGRATION} Konfigurasjon for CRM-tilkobling CRM Tilkoblingsoppsett Tilkoblingsoppsett for CRM "
        "Microsoft Dynamics 365 Connection Setup health test enable tilstand aktiver",
    ),
    Page(
        gettext_lazy("Integration Table Mappings"),
        "guide:mappings",
        ("coupling.view_tablemapping",),
        f"{INTEGRATION} Tilordninger for integreringstabell tabelltilordninger",
    ),
    Page(
        gettext_lazy("Preflight check"),
        "preflight:all",
        _SET_UP,
        f"{INTEGRATION} forhåndskontroll rights currencies rettigheter valutaer",
    ),
    Page(
        gettext_lazy("CRM Full Synch. Review"),
        "sync:full_synchronization",
        ("sync.view_synchjob",),
        f"{INTEGRATION} Run Full Synchronization Kjør full synkronisering Gjennomgang av full synkronisering for CRM "
        "CRM Full synkronisering. Se gjennom",
    ),
    Page(
        gettext_lazy("Synch jobs"),
        "sync:jobs",
        ("sync.view_synchjob",),
        f"{INTEGRATION} Integration Synchronization Jobs Synkroniseringsjobber logg",
    ),
    Page(
        gettext_lazy("Errors"),
        "sync:errors",
        ("sync.view_syncherror",),
        f"{INTEGRATION} Integration Synchronization Errors Synkroniseringsfeil feil",
    ),
    Page(
        gettext_lazy("Conflicts"),
        "sync:conflicts",
        ("sync.view_conflict",),
        f"{INTEGRATION} Resolve Update Conflicts Løs oppdateringskonflikter konflikter",
    ),
    Page(
        gettext_lazy("Notifications"),
        "sync:notifications",
        ("sync.view_notification",),
        f"{INTEGRATION} My Notifications bell e-mail alarms varsler varslinger e-post",
    ),
    Page(
        gettext_lazy("Company Settings"),
        "company",
        ("financials.view_companysettings",),
        "experience Suite Essentials Premium company information opplevelse selskap firmaopplysninger LCY",
    ),
    Page(
        gettext_lazy("Users"),
        "users:list",
        ("auth.view_user",),
        "User Card Change Web Service Key web services access key brukere brukerkort Endre webtjenestenøkkel",
    ),
    Page(gettext_lazy("API"), "api:docs", words="OpenAPI swagger web service webtjeneste"),
    Page(gettext_lazy("Help"), "help", words=f"{INTEGRATION} hjelp documentation"),
)


def find(request: HttpRequest, query: str) -> list[Found]:
    """The pages, lists and help topics that every word of QUERY is in; those named so first.

    Only what the user may open, and what the experience has (S7).
    """
    words = query.casefold().split()
    if not words:
        return []
    hits = [each for each in _everything(request) if all(word in each.text for word in words)]
    return sorted(hits, key=lambda hit: not all(word in hit.name.casefold() for word in words))


def _everything(request: HttpRequest) -> Iterator[Found]:
    for page in PAGES:
        if (address := _address(page)) and _is_open(request, page, address):
            yield _found(page.name, address, _("Page"), page.words)
    if has_integration(request):
        yield from _lists(request)
    for topic in TOPICS.values():
        yield _found(topic.title, reverse("help_topic", args=[topic.name]), _("Help"), topic.words)


def _is_open(request: HttpRequest, page: Page, address: str) -> bool:
    is_there = has_integration(request) or not belongs_to_integration(resolve(address))
    return is_there and request.user.has_perms(page.permissions)


def _address(page: Page) -> str:
    """Where the page is; nowhere for one whose room is not installed."""
    try:
        return reverse(page.route)
    except NoReverseMatch:
        return ""


def _lists(request: HttpRequest) -> Iterator[Found]:
    for mapping in TableMapping.objects.filter(is_enabled=True).order_by("pk"):
        if link := table_link(mapping, request.user):
            options = erp_model(mapping)._meta
            title = _("%(record)s List") % {"record": capfirst(str(options.verbose_name))}
            names = " ".join(f"{name} {name}oversikt" for name in in_every_language(options.verbose_name).values())
            words = f"{options.model_name} list {names} {mapping.name} {mapping.crm_table} {INTEGRATION}"
            yield _found(title, link.address, _("List"), words)


def _found(name: Text, address: str, kind: str, words: str) -> Found:
    names: Iterable[str] = in_every_language(name).values()
    return Found(str(name), address, kind, f"{' '.join(names)} {words}".casefold())


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """What was found; a page with the box alone where nothing was asked."""
    query = request.GET.get("q", "").strip()[:100]
    return render(request, "crmbridge/search.html", {"query": query, "hits": find(request, query)})
