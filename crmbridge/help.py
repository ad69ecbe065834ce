"""Built-in help: a topic for each thing to do, in both languages, and which topic a page leads to (S33, S41, S89).

The words of a topic are in `templates/help/<language>/<topic>.html`.
"""

from dataclasses import dataclass
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import ResolverMatch
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from connection.errors import Text

LEARN: Final = "https://learn.microsoft.com/"


@dataclass(frozen=True, slots=True)
class Topic:
    """A help page: its title, the topics to go on with, and pages of Microsoft about the CRM's side of it.

    `words` are what people also call it, in either language, for the search.
    """

    name: str
    title: Text
    words: str = ""
    next: tuple[str, ...] = ()
    outside: tuple[tuple[Text, str], ...] = ()


_USERS_OF_CRM: Final = (_("Create users in Dynamics CRM"), "power-platform/admin/create-users")
_ROLES_OF_CRM: Final = (_("Assign security roles in Dynamics CRM"), "power-platform/admin/assign-security-roles")

TOPICS: Final = {
    topic.name: topic
    for topic in (
        Topic(
            "working-with-crmbridge",
            _("Working with crmbridge"),
            "product integration synchronize produktet integrasjon integrering synkronisere startsiden",
            ("relationship-management", "connection-setup", "coupling", "jobs"),
        ),
        Topic(
            "relationship-management",
            _("Relationship Management"),
            "lead-to-cash customer engagement Dynamics 365 for Sales kunderelasjoner forbindelser kundeoppfølging",
            ("working-with-crmbridge", "coupling", "item-availability", "onboarding"),
            ((_("Overview of Dynamics 365 Sales"), "dynamics365/sales/overview"),),
        ),
        Topic(
            "connection-setup",
            _("Setting up the connection"),
            "integration synchronize map guide assisted setup Dynamics CRM Dynamics 365 for Sales integrasjon "
            "integrering synkronisere tilordne tilkobling oppsett veiledning assistert oppsett",
            ("crm-users-and-roles", "experience", "users-and-permissions", "full-synchronization", "safe-mode"),
            ((_("App registrations and application users"), "power-platform/admin/manage-application-users"),),
        ),
        Topic(
            "crm-users-and-roles",
            _("Users and roles in Dynamics CRM"),
            "administrator account synchronization account System Administrator Solution Customizer administratorkonto "
            "synkroniseringskonto systemansvarlig løsningstilpasser sikkerhetsroller",
            ("connection-setup", "users-and-permissions"),
            (_USERS_OF_CRM, _ROLES_OF_CRM),
        ),
        Topic(
            "users-and-permissions",
            _("Users and permissions"),
            "groups user card brukere tillatelser grupper brukerkort",
            ("crm-users-and-roles", "item-availability", "experience"),
        ),
        Topic(
            "experience",
            _("The experience setting"),
            "Suite Essentials Premium company settings opplevelse brukeropplevelse firmainnstillinger selskap",
            ("connection-setup", "users-and-permissions"),
        ),
        Topic(
            "item-availability",
            _("Item availability"),
            "inventory web service key OData varedisposisjon lagerbeholdning webtjenestenøkkel tilgangsnøkkel",
            ("connection-setup", "users-and-permissions"),
        ),
        Topic(
            "mappings",
            _("Integration Table Mappings"),
            "integration synchronize map fields integrasjon integrering synkronisere tilordne tilordninger felt",
            ("coupling", "full-synchronization", "connection-setup"),
        ),
        Topic(
            "coupling",
            _("Coupling records"),
            "couple match integration synchronize map koble kobling poster integrasjon synkronisere tilordne",
            ("mappings", "full-synchronization", "jobs"),
        ),
        Topic(
            "full-synchronization",
            _("Full synchronization"),
            "CRM Full Synch. Review synchronize full synkronisering gjennomgang",
            ("mappings", "coupling", "jobs"),
        ),
        Topic(
            "jobs",
            _("Jobs, errors and conflicts"),
            "synchronize synch log synkronisere jobber feil konflikter logg",
            ("coupling", "full-synchronization"),
        ),
        Topic(
            "safe-mode",
            _("Safe mode of a copied database"),
            "copy backup restore kopi sikkerhetskopi sikker modus",
            ("connection-setup", "users-and-permissions"),
        ),
        Topic(
            "onboarding",
            _("Onboarding to Dynamics 365"),
            "onboard organization users ta organisasjonen i bruk",
            ("relationship-management", "connection-setup"),
            (
                (_("Onboard your organization and users to Dynamics 365"), "dynamics365/"),
                _USERS_OF_CRM,
            ),
        ),
    )
}

# View → topic; the first line that an address begins with counts.
_TOPIC_OF: Final = (
    ("guide:mappings", "mappings"),
    ("guide:switch_mapping", "mappings"),
    ("guide:", "connection-setup"),
    ("connection", "connection-setup"),
    ("coupling:", "coupling"),
    ("sync:full", "full-synchronization"),
    ("sync:", "jobs"),
    ("company", "experience"),
    ("users:change_web_service_key", "item-availability"),
    ("users:", "users-and-permissions"),
    ("admin:connection", "connection-setup"),
    ("admin:coupling", "mappings"),
    ("admin:sync", "jobs"),
    ("admin:auth", "users-and-permissions"),
    ("", "working-with-crmbridge"),
)


def topic_of(match: ResolverMatch | None) -> str:
    """The topic of the page at an address; every page has one."""
    view = match.view_name if match else ""
    return next(topic for beginning, topic in _TOPIC_OF if view.startswith(beginning))


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """**Help**: all topics."""
    return render(request, "help/index.html", {"topics": TOPICS.values()})


@require_safe
def topic(request: HttpRequest, name: str) -> HttpResponse:
    """One topic, in the reader's language. Raises Http404 for another name."""
    if name not in TOPICS:
        raise Http404
    found, language = TOPICS[name], (get_language() or "en").partition("-")[0]
    place = "nb-no/" if language == "nb" else "en-us/"
    context: dict[str, Any] = {
        "topic": found,
        "words": f"help/{language}/{name}.html",
        "next_topics": [TOPICS[each] for each in found.next],
        "outside": [(title, f"{LEARN}{place}{page}") for title, page in found.outside],
    }
    return render(request, "help/topic.html", context)
