"""What else happens in the CRM whenever a row is written: plug-ins, processes, webhooks, duplicate rules, auditing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.dataverse.answer import Answer
from connection.dataverse.client import DataverseClient
from connection.dataverse.query import literal, query
from connection.errors import Text
from connection.preflight.facts import Traits, refusal
from connection.preflight.finding import Finding, Group, Level, all_well, listed, quoted


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that reacts to writes into a table; `is_inside` when it runs before the write is done."""

    table: str
    source: str
    name: str
    is_inside: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of reaction: its name, the words of the finding, and the rows that tell of it."""

    name: Text
    text: Text
    entity_set: str
    select: str
    condition: str
    inside: tuple[str, int] = ("", 0)

    def url(self, table: str) -> str:
        """The query for the reactions of one table."""
        return query(self.entity_set, select=self.select, filter=self.condition.format(table=literal(table)))

    def is_inside(self, row: Mapping[str, object]) -> bool:
        """Whether the row tells of something that runs inside the write."""
        column, value = self.inside
        return bool(column) and row.get(column) == value


SOURCES: Mapping[str, Source] = {
    "step": Source(
        _("plug-ins and webhooks"),
        _("Plug-ins or webhooks react to changes of these rows: {names}."),
        "sdkmessageprocessingsteps",
        "name,mode",
        "statecode eq 0 and stage ne 30 and sdkmessagefilterid/primaryobjecttypecode eq {table}",
        ("mode", 0),
    ),
    "process": Source(
        _("workflows and other processes"),
        _("Processes start when these rows change: {names}."),
        "workflows",
        "name,mode",
        "statecode eq 1 and type eq 1 and primaryentity eq {table} "
        "and (triggeroncreate eq true or triggeronupdateattributelist ne null)",
        ("mode", 1),
    ),
    "rule": Source(
        _("duplicate detection rules"),
        _("Duplicate detection rules look at these rows, but do not hold back what crmbridge writes: {names}."),
        "duplicaterules",
        "name",
        "statecode eq 1 and baseentityname eq {table}",
    ),
    "flow": Source(
        _("Power Automate flows"),
        _("Power Automate flows start when these rows change: {names}."),
        "callbackregistrations",
        "name",
        "entityname eq {table}",
    ),
}


@dataclass(frozen=True, slots=True)
class Effects:
    """The reactions that are known, and the sources that did not say."""

    known: Sequence[Effect] = ()
    silent: Sequence[str] = ()


def read_effects(client: DataverseClient, tables: Sequence[str]) -> Effects:
    """Ask for everything that reacts to writes into `tables`, with one request. Raises what the client raises."""
    asked = [(name, table) for name in SOURCES for table in tables]
    answers = client.answers([SOURCES[name].url(table) for name, table in asked]) if asked else []
    known = [
        each for (name, table), answer in zip(asked, answers, strict=True) for each in _effects(name, table, answer)
    ]
    silent = dict.fromkeys(name for (name, _table), answer in zip(asked, answers, strict=True) if refusal(answer))
    return Effects(known, list(silent))


def _effects(source: str, table: str, answer: Answer) -> Iterator[Effect]:
    rows = [] if refusal(answer) else answer.json()["value"]
    return (Effect(table, source, row.get("name") or "", SOURCES[source].is_inside(row)) for row in rows)


def effect_findings(effects: Effects, traits: Mapping[str, Traits], *, is_audited: bool) -> list[Finding]:
    """What will happen besides, and what cannot be known."""
    found = [*_known(effects.known), *_audited(traits, is_audited=is_audited), *_silent(effects.silent)]
    return all_well(Group.SIDE_EFFECTS, found, _("Nothing that is known reacts to writes in a way that stops them."))


def _known(effects: Sequence[Effect]) -> Iterator[Finding]:
    for table, source in dict.fromkeys((each.table, each.source) for each in effects):
        these = [each for each in effects if (each.table, each.source) == (table, source)]
        text = format_lazy(SOURCES[source].text, names=quoted(each.name for each in these))
        if any(each.is_inside for each in these):
            fix = _("They run inside each write, make it slower and may refuse it: try one record first.")
            yield Finding(Group.SIDE_EFFECTS, Level.WARNING, text, fix, table)
        else:
            fix = _("Check that a full synchronization may set them off, or switch them off meanwhile.")
            yield Finding(Group.SIDE_EFFECTS, Level.NOTICE, text, "" if source == "rule" else fix, table)


def _audited(traits: Mapping[str, Traits], *, is_audited: bool) -> Iterator[Finding]:
    tables = [table for table, each in traits.items() if each.is_audited] if is_audited else []
    if tables:
        text = _("Dynamics CRM keeps an audit log of every change in {tables}, which takes log storage.")
        text = format_lazy(text, tables=", ".join(tables))
        yield Finding(
            Group.SIDE_EFFECTS, Level.NOTICE, text, _("Expect the log to grow during a full synchronization.")
        )


def _silent(sources: Sequence[str]) -> Iterator[Finding]:
    if sources:
        names = listed([SOURCES[each].name for each in sources])
        text = format_lazy(
            _("Whether {names} react to these tables cannot be known: the CRM does not tell."), names=names
        )
        yield Finding(Group.SIDE_EFFECTS, Level.NOTICE, text, _("Ask whoever looks after Dynamics CRM."))
