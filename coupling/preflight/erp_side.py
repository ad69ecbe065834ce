"""Counts values of an ERP table with grouped queries, however many records it has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db import models
from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Length

from coupling.models import FieldMapping
from coupling.narrowing import erp_records, no_value
from coupling.preflight.ground import Subject
from coupling.tables.folding import Folded

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Repeated:
    """Values that occur more than once: how many such values, how many records hold them, and some of them."""

    values: int = 0
    records: int = 0
    examples: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TooLong:
    """Texts of one field beyond a limit."""

    field: str
    column: str
    limit: int
    count: int
    longest: int
    examples: Sequence[str] = ()


def records_of(subject: Subject, names: Sequence[str] = ()) -> "QuerySet[Any]":
    """The ERP records that the mapping synchronizes."""
    assert subject.erp is not None
    return erp_records(subject.erp, subject.erp_filter, names)


def repeated(subject: Subject, keys: Sequence[FieldMapping]) -> Repeated:
    """Which values of a group of match keys the ERP holds more than once, letters' case apart; two queries."""
    groups = _grouped(subject, [key.erp_field for key in keys]).filter(times__gt=1)
    totals = groups.aggregate(values=Count("*"), records=models.Sum("times"))
    if not totals["values"]:
        return Repeated()
    names = _folded_names([key.erp_field for key in keys])
    examples = [" · ".join(map(str, row)) for row in groups.order_by("-times", *names).values_list(*names)[:EXAMPLES]]
    return Repeated(totals["values"], totals["records"], examples)


def held_among(subject: Subject, keys: Sequence[FieldMapping], values: Iterable[tuple[str, ...]]) -> int:
    """How many ERP records hold one of `values` (folded), with a query a thousand of them."""
    listed, names = list(values), _folded_names([key.erp_field for key in keys])
    records = _folded(subject, [key.erp_field for key in keys])
    chunks = [listed[start : start + 500] for start in range(0, len(listed), 500)]
    return sum(records.filter(_any_of(names, chunk)).count() for chunk in chunks)


def _any_of(names: Sequence[str], values: Sequence[tuple[str, ...]]) -> Q:
    if len(names) == 1:
        return Q(**{f"{names[0]}__in": [value for (value,) in values]})
    return reduce(or_, (Q(**dict(zip(names, value, strict=True))) for value in values))


def some_values(subject: Subject, field: str, most: int) -> list[str]:
    """The first distinct values of a field, letters' case apart."""
    (name,) = _folded_names([field])
    return list(_folded(subject, [field]).order_by(name).values_list(name, flat=True).distinct()[:most])


def _grouped(subject: Subject, fields: Sequence[str]) -> "QuerySet[Any]":
    grouped: QuerySet[Any] = _folded(subject, fields).values(*_folded_names(fields)).annotate(times=Count("*"))
    return grouped.order_by()


def _folded(subject: Subject, fields: Sequence[str]) -> "QuerySet[Any]":
    assert subject.erp is not None
    records = records_of(subject, fields)
    for name in fields:
        records = records.exclude(no_value(subject.erp, name))
    folded: QuerySet[Any] = records.annotate(
        **{key: Folded(name) for key, name in zip(_folded_names(fields), fields, strict=True)}
    )
    return folded


def _folded_names(fields: Sequence[str]) -> list[str]:
    return [f"folded_{place}" for place, _ in enumerate(fields)]


def too_long(subject: Subject) -> list[TooLong]:
    """The texts that their CRM columns would cut; one query for all fields, and one a field that has any."""
    limits = {each.field.erp_field: (each.field.crm_column, limit) for each, limit in _limits(subject)}
    if not limits:
        return []
    sizes = {f"size_{name}": Length(name) for name in limits}
    counts = {
        f"count_{name}": Count("pk", filter=Q(**{f"size_{name}__gt": limit})) for name, (_, limit) in limits.items()
    }
    longest = {f"longest_{name}": Max(f"size_{name}") for name in limits}
    records = records_of(subject).annotate(**sizes)
    totals = records.aggregate(**counts, **longest)
    return [
        TooLong(
            name,
            column,
            limit,
            totals[f"count_{name}"],
            totals[f"longest_{name}"],
            _keys(subject, records, name, limit),
        )
        for name, (column, limit) in limits.items()
        if totals[f"count_{name}"]
    ]


def _limits(subject: Subject) -> list[tuple[Any, int]]:
    """The field mappings to the CRM whose column is shorter than what the field can hold."""
    found = []
    for pair in subject.pairs:
        erp, crm = subject.erp_columns.get(pair.field.erp_field), subject.column(pair)
        if not (pair.is_value and pair.to_crm and erp and crm and erp.kind in ("text", "code") and crm.max_length):
            continue
        if erp.max_length is None or erp.max_length > crm.max_length:
            found.append((pair, crm.max_length))
    return found


def _keys(subject: Subject, records: "QuerySet[Any]", name: str, limit: int) -> list[str]:
    long = records.filter(**{f"size_{name}__gt": limit}).order_by(subject.mapping.erp_key)
    return [str(key) for key in long.values_list(subject.mapping.erp_key, flat=True)[:EXAMPLES]]


def used_codes(subject: Subject, field: str) -> dict[str, int]:
    """How many records hold each value of a field that is not blank."""
    assert subject.erp is not None
    records = records_of(subject).exclude(no_value(subject.erp, field))
    return {str(code): times for code, times in records.values_list(field).annotate(times=Count("*")).order_by()}
