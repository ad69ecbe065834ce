"""Finds values that would not arrive as they are: texts that are cut, codes and options without a counterpart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from connection.dataverse.client import DataverseClient
from connection.dataverse.metadata import TableDefinition
from connection.dataverse.query import query
from connection.dataverse.reading import MOST_ROWS_A_PAGE
from connection.errors import Text
from connection.preflight.finding import Finding, Group, Level, all_well, quoted
from coupling.models import FieldKind
from coupling.narrowing import crm_condition
from coupling.preflight.erp_side import TooLong, too_long, used_codes
from coupling.preflight.ground import Pair, Subject


@dataclass(frozen=True, slots=True)
class Stranger:
    """A code or an option that is in use and has no counterpart; `times` is None where the CRM counts no further."""

    field: str
    value: str
    times: int
    is_code: bool


@dataclass(frozen=True, slots=True)
class Values:
    """What is unfit in one mapping. `looked_at` is how many CRM rows were read for `cut_in_erp`, of `rows`."""

    subject: Subject
    cut_in_crm: Sequence[TooLong] = ()
    cut_in_erp: Sequence[TooLong] = ()
    strangers: Sequence[Stranger] = field(default=())
    is_sampled: bool = False


def read_values(client: DataverseClient, subjects: Sequence[Subject]) -> list[Values]:
    """Look at both sides' values: one request a mapping with longer columns, and one for all options."""
    whole = [each for each in subjects if each.erp and each.table]
    options = _uncoupled_options(client, whole)
    return [_values(client, subject, options.get(subject.name, [])) for subject in whole]


def _values(client: DataverseClient, subject: Subject, options: Sequence[Stranger]) -> Values:
    cut, is_sampled = _cut_in_erp(client, subject)
    return Values(subject, too_long(subject), cut, [*_uncoupled_codes(subject), *options], is_sampled)


def _uncoupled_codes(subject: Subject) -> list[Stranger]:
    found = []
    for pair in _options(subject):
        known = {option.erp_code for option in pair.field.options.all()}
        used = used_codes(subject, pair.field.erp_field) if pair.to_crm else {}
        found += [
            Stranger(pair.field.erp_field, code, times, True) for code, times in used.items() if code not in known
        ]
    return found


def _options(subject: Subject) -> list[Pair]:
    """The field mappings of option columns that exist on both sides."""
    return [
        pair
        for pair in subject.pairs
        if pair.field.kind == FieldKind.OPTION and pair.field.erp_field in subject.erp_columns and subject.column(pair)
    ]


def _uncoupled_options(client: DataverseClient, subjects: Sequence[Subject]) -> dict[str, list[Stranger]]:
    """Options that rows hold and that have no code, by mapping; one request counts them all."""
    asked = [
        (subject, pair, value, label)
        for subject in subjects
        for pair in _options(subject)
        if pair.from_crm
        for value, label in _without_code(subject, pair)
    ]
    urls = [_count_url(subject, pair.field.crm_column, value) for subject, pair, value, _label in asked]
    found: dict[str, list[Stranger]] = {}
    for (subject, pair, value, label), answer in zip(asked, client.answers(urls) if urls else [], strict=True):
        rows = [] if answer.error else answer.json()["value"]
        times = int(rows[0]["times"] or 0) if rows else 0
        if times:
            found.setdefault(subject.name, []).append(
                Stranger(pair.field.crm_column, label or str(value), times, False)
            )
    return found


def _without_code(subject: Subject, pair: Pair) -> Iterator[tuple[int, str]]:
    known = {option.option_value for option in pair.field.options.all()}
    column = subject.column(pair)
    return (
        (value, label) for value, label in (column.options if column else {}).items() if value and value not in known
    )


def _count_url(subject: Subject, column: str, value: int) -> str:
    assert subject.table is not None
    condition = crm_condition(subject.table, subject.crm_filter, f"{column} eq {value}")
    return query(subject.table.entity_set, apply=f"filter({condition})/aggregate($count as times)")


def _cut_in_erp(client: DataverseClient, subject: Subject) -> tuple[list[TooLong], bool]:
    """Texts of the first page of rows that the ERP's fields would cut, and whether there are more rows than that."""
    table, limits = subject.table, _shorter_fields(subject)
    if table is None or not limits:
        return [], False
    condition = crm_condition(table, subject.crm_filter)
    rows = next(client.pages(table.name, select=[*limits, table.primary_name], filter=condition), [])
    found = [_too_long(table, rows, column, *limits[column]) for column in limits]
    return [each for each in found if each.count], len(rows) == MOST_ROWS_A_PAGE


def _shorter_fields(subject: Subject) -> dict[str, tuple[str, int]]:
    limits = {}
    for pair in subject.pairs:
        erp, crm = subject.erp_columns.get(pair.field.erp_field), subject.column(pair)
        if not (pair.is_value and pair.from_crm and erp and crm and erp.max_length and crm.can_read):
            continue
        if crm.type in ("String", "Memo") and (crm.max_length or 0) > erp.max_length:
            limits[crm.name] = (erp.name, erp.max_length)
    return limits


def _too_long(table: TableDefinition, rows: Sequence[dict[str, object]], column: str, name: str, limit: int) -> TooLong:
    long = [row for row in rows if len(str(row.get(column) or "")) > limit]
    longest = max((len(str(row[column])) for row in long), default=0)
    return TooLong(name, column, limit, len(long), longest, [str(row.get(table.primary_name) or "") for row in long])


def value_findings(found: Sequence[Values]) -> list[Finding]:
    """What would be cut or refused."""
    findings = [each for values in found for each in _findings(values)]
    return all_well(Group.VALUES, findings, _("Values fit the fields that they go to."))


def _findings(values: Values) -> Iterator[Finding]:
    for cut in values.cut_in_crm:
        text = ngettext_lazy(
            "{count} text in “{field}” is cut, as “{column}” takes {limit} characters only: {examples}.",
            "{count} texts in “{field}” are cut, as “{column}” takes {limit} characters only: {examples}.",
            cut.count,
        )
        fix = _("Shorten them, or make the column in Dynamics CRM {longest} characters long.")
        yield _cut(values, Level.WARNING, text, fix, cut)
    for cut in values.cut_in_erp:
        text = ngettext_lazy(
            "{count} text in “{column}” is cut, as “{field}” takes {limit} characters only: {examples}.",
            "{count} texts in “{column}” are cut, as “{field}” takes {limit} characters only: {examples}.",
            cut.count,
        )
        yield _cut(values, Level.WARNING, text, _("Shorten them in Dynamics CRM (the longest has {longest})."), cut)
    if values.is_sampled:
        text = format_lazy(
            _("The texts of the first {count} CRM rows were measured, not those of all."), count=MOST_ROWS_A_PAGE
        )
        yield Finding(Group.VALUES, Level.NOTICE, text, table=values.subject.name)
    yield from _stranger_findings(values)


def _cut(values: Values, level: Level, text: Text, fix: Text, cut: TooLong) -> Finding:
    names = {"count": cut.count, "field": cut.field, "column": cut.column, "limit": cut.limit, "longest": cut.longest}
    text = format_lazy(text, **names, examples=quoted(cut.examples))
    return Finding(Group.VALUES, level, text, format_lazy(fix, **names), values.subject.name)


def _stranger_findings(values: Values) -> Iterator[Finding]:
    for is_code, name in dict.fromkeys((each.is_code, each.field) for each in values.strangers):
        these = [each for each in values.strangers if (each.is_code, each.field) == (is_code, name)]
        count = sum(each.times for each in these)
        text = _codes_text(count) if is_code else _options_text(count)
        text = format_lazy(text, field=name, count=count, examples=quoted(each.value for each in these))
        fix = _("Couple them in the option mapping of the field, or correct the records.")
        yield Finding(Group.VALUES, Level.WARNING, text, fix, values.subject.name)


def _codes_text(count: int) -> Text:
    return ngettext_lazy(
        "Codes in “{field}” have no option in Dynamics CRM, so that {count} record cannot go there: {examples}.",
        "Codes in “{field}” have no option in Dynamics CRM, so that {count} records cannot go there: {examples}.",
        count,
    )


def _options_text(count: int) -> Text:
    return ngettext_lazy(
        "Options in “{field}” have no code in the ERP, so that {count} row cannot come from there: {examples}.",
        "Options in “{field}” have no code in the ERP, so that {count} rows cannot come from there: {examples}.",
        count,
    )
