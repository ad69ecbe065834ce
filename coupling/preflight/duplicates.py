"""Finds records that would match more than one: values of match fields that occur more than once on either side.

The CRM counts with `$apply`, which takes at most 50 000 rows (dataverse-web-api.md 5.2). Beyond that a sample of the
ERP's values is looked up, and the finding says so.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from connection.dataverse.answer import Answer
from connection.dataverse.client import DataverseClient
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.query import query
from connection.errors import Text
from connection.preflight.finding import Finding, Group, Level, all_well, quoted
from coupling.models import FieldKind, FieldMapping
from coupling.narrowing import crm_condition
from coupling.preflight.erp_side import EXAMPLES, Repeated, held_among, repeated, some_values
from coupling.preflight.ground import Subject

SAMPLE = 2000
TOO_MANY_ROWS = "0x8004e023"


@dataclass(frozen=True, slots=True)
class MatchGroup:
    """Match keys that must agree together, under one mapping."""

    subject: Subject
    table: TableDefinition
    keys: Sequence[FieldMapping]

    @property
    def fields(self) -> str:
        """The ERP fields, as a person reads them."""
        return " + ".join(key.erp_field for key in self.keys)

    @property
    def columns(self) -> list[str]:
        """The CRM columns as properties to read."""
        return [self.table.columns[key.crm_column].read_name for key in self.keys]

    def apply(self, transformation: str) -> str:
        """A query over the rows that the mapping synchronizes and that have these columns filled."""
        filled = crm_condition(self.table, self.subject.crm_filter, *(f"{name} ne null" for name in self.columns))
        return query(self.table.entity_set, apply=f"filter({filled})/{transformation}")


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """What one group of match keys finds more than once. `claimed` counts the ERP records that match several rows."""

    group: MatchGroup
    erp: Repeated
    crm: Repeated
    claimed: int = 0
    sampled: int = 0
    """Among how many values of the ERP the CRM was asked, where it was not asked for all of its own."""


def match_groups(subjects: Sequence[Subject]) -> list[MatchGroup]:
    """Every group of match keys that both sides know."""
    return [
        MatchGroup(subject, subject.table, keys)
        for subject in subjects
        if subject.erp and subject.table
        for keys in subject.key_groups()
        if all(_is_comparable(subject, key) for key in keys)
    ]


def _is_comparable(subject: Subject, key: FieldMapping) -> bool:
    known = subject.table is not None and key.crm_column in subject.table.columns
    return known and key.erp_field in subject.erp_columns and key.kind == FieldKind.VALUE


def read_ambiguities(client: DataverseClient, subjects: Sequence[Subject]) -> list[Ambiguity]:
    """Count on both sides, with two requests for all groups and one for each that is too large to count."""
    groups = match_groups(subjects)
    counts = _answers(client, groups)
    return [_ambiguity(client, group, answer) for group, answer in zip(groups, counts, strict=True)]


def _answers(client: DataverseClient, groups: Sequence[MatchGroup]) -> list[Answer | None]:
    """The rows grouped by value for each group of keys; None where every value occurs once."""
    firsts = client.answers([group.apply(_distinct(group)) for group in groups]) if groups else []
    asked = [group for group, answer in zip(groups, firsts, strict=True) if _has_more(answer)]
    more = client.answers([group.apply(_groupby(group)) for group in asked]) if asked else []
    answers = iter(more)
    return [next(answers) if _has_more(first) else first if first.error else None for first in firsts]


def _distinct(group: MatchGroup) -> str:
    """Rows and different values; several columns cannot be counted together, so the least that the first tells."""
    return f"aggregate({group.columns[0]} with countdistinct as different,$count as times)"


def _groupby(group: MatchGroup) -> str:
    return f"groupby(({','.join(group.columns)}),aggregate($count as times))"


def _has_more(answer: Answer) -> bool:
    rows = [] if answer.error else answer.json()["value"]
    return bool(rows) and int(rows[0]["times"] or 0) > int(rows[0]["different"] or 0)


def _ambiguity(client: DataverseClient, group: MatchGroup, answer: Answer | None) -> Ambiguity:
    erp, sampled = repeated(group.subject, group.keys), 0
    if answer is None:
        times: dict[tuple[str, ...], int] = {}
    elif answer.error and answer.error.code == TOO_MANY_ROWS:
        times, sampled = _sampled(client, group)
    else:
        times = _times(answer, group)
    several = {value: count for value, count in times.items() if count > 1}
    most = sorted(several, key=lambda value: -several[value])
    crm = Repeated(len(several), sum(several.values()), [" · ".join(value) for value in most[:EXAMPLES]])
    claimed = held_among(group.subject, group.keys, several) if several else 0
    return Ambiguity(group, erp, crm, claimed, sampled)


def _times(answer: Answer, group: MatchGroup) -> dict[tuple[str, ...], int]:
    """How often each value occurs, letters' case apart. Raises what the CRM complains about."""
    times: Counter[tuple[str, ...]] = Counter()
    for row in answer.json()["value"]:
        times[tuple(str(row[name]).strip().lower() for name in group.columns)] += int(row["times"])
    return dict(times)


def _sampled(client: DataverseClient, group: MatchGroup) -> tuple[dict[tuple[str, ...], int], int]:
    """How often the first values of the ERP occur in the CRM; keys of several columns are not sampled."""
    if len(group.keys) > 1:
        return {}, 0
    (key,), (column,) = group.keys, group.columns
    values = some_values(group.subject, key.erp_field, SAMPLE)
    condition = crm_condition(group.table, group.subject.crm_filter)
    rows = client.rows_where_in(group.table.name, column, values, select=[key.crm_column], filter=condition)
    return dict(Counter((str(row[column]).strip().lower(),) for row in rows)), len(values)


def duplicate_findings(found: Sequence[Ambiguity]) -> list[Finding]:
    """What would be left to a person, because matching cannot tell which record is meant."""
    findings = [each for ambiguity in found for each in _findings(ambiguity)]
    return all_well(Group.DUPLICATES, findings, _("No value of a match field occurs more than once on either side."))


def _findings(found: Ambiguity) -> Iterator[Finding]:
    group = found.group
    fix = _("Correct or merge the records, or couple them by hand: matching leaves them to a person.")
    names = {"field": group.fields, "columns": " + ".join(key.crm_column for key in group.keys)}
    if found.erp.values:
        text = ngettext_lazy(
            "{count} value of “{field}” occurs in several ERP records ({records} altogether): {examples}.",
            "{count} values of “{field}” occur in several ERP records ({records} altogether): {examples}.",
            found.erp.values,
        )
        yield _finding(found, Level.WARNING, format_lazy(text, **names, **_numbers(found.erp)), fix)
    if found.crm.values:
        text = ngettext_lazy(
            "{count} value of “{columns}” occurs in several CRM rows ({records} altogether): {examples}.",
            "{count} values of “{columns}” occur in several CRM rows ({records} altogether): {examples}.",
            found.crm.values,
        )
        yield _finding(found, Level.WARNING, format_lazy(text, **names, **_numbers(found.crm)), fix)
    if found.claimed:
        text = ngettext_lazy(
            "{count} ERP record would match more than one CRM row by “{field}”.",
            "{count} ERP records would match more than one CRM row by “{field}”.",
            found.claimed,
        )
        yield _finding(found, Level.WARNING, format_lazy(text, **names, count=found.claimed), fix)
    if found.sampled:
        text = _("Dynamics CRM has too many rows to compare them all; {count} values of “{field}” were looked up.")
        yield _finding(found, Level.NOTICE, format_lazy(text, **names, count=found.sampled))


def _numbers(repeats: Repeated) -> dict[str, object]:
    return {"count": repeats.values, "records": repeats.records, "examples": quoted(repeats.examples)}


def _finding(found: Ambiguity, level: Level, text: Text, fix: Text = "") -> Finding:
    return Finding(Group.DUPLICATES, level, text, fix, found.group.subject.name)
