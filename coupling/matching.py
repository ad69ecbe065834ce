"""Finds the partner of an uncoupled record by the mapping's match keys, so that no record is created twice."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from coupling.models import Coupling, FieldMapping, TableMapping
from coupling.tables.table import Record, Table
from coupling.values import Value


@dataclass(frozen=True, slots=True)
class Match:
    """The one partner found for a record; None where several would fit (that many is in `candidates`)."""

    partner: Record | None
    candidates: int = 1


def match(
    mapping: TableMapping, keys: Sequence[FieldMapping], records: Sequence[Record], target: Table, *, from_erp: bool
) -> dict[UUID, Match]:
    """Partners for uncoupled records of one side among the uncoupled records of the other (sync-engine.md F3.12).

    Keys of the same priority must all agree (letters' case apart); priorities are tried in order. A partner that two
    records claim, or a record that finds two partners, is reported with its candidates and left to a person.
    """
    found: dict[UUID, Match] = {}
    for _, group in groupby(sorted(keys, key=lambda key: key.match_priority), key=lambda key: key.match_priority):
        names = [(key.erp_field, key.crm_column) if from_erp else (key.crm_column, key.erp_field) for key in group]
        left = [record for record in records if record.id not in found]
        found |= _match_by(mapping, names, left, target, from_erp=from_erp, taken=_partners(found))
    return found


def _match_by(
    mapping: TableMapping,
    names: Sequence[tuple[str, str]],
    records: Sequence[Record],
    target: Table,
    *,
    from_erp: bool,
    taken: set[UUID],
) -> dict[UUID, Match]:
    mine, theirs = [own for own, _ in names], [other for _, other in names]
    wanted: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        if key := _key(record, mine):
            wanted[key].append(record)
    if not wanted:
        return {}
    candidates = target.find(theirs[0], [next(iter(owners)).values[mine[0]] for owners in wanted.values()])
    free = _uncoupled(mapping, [each for each in candidates if target.accepts(each)], erp=not from_erp)
    partners: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for candidate in free:
        if candidate.id not in taken and (key := _key(candidate, theirs)):
            partners[key].append(candidate)
    return {
        record.id: Match(partners[key][0] if len(partners[key]) == len(owners) == 1 else None, len(partners[key]))
        for key, owners in wanted.items()
        if partners.get(key)
        for record in owners
    }


def _key(record: Record, names: Iterable[str]) -> tuple[str, ...] | None:
    values: list[Value] = [record.values[name] for name in names]
    return None if None in values else tuple(str(value).strip().casefold() for value in values)


def _partners(found: dict[UUID, Match]) -> set[UUID]:
    return {each.partner.id for each in found.values() if each.partner}


def _uncoupled(mapping: TableMapping, records: Sequence[Record], *, erp: bool) -> list[Record]:
    column = "erp_id" if erp else "crm_id"
    ids = [record.id for record in records]
    coupled = set(Coupling.objects.filter(mapping=mapping, **{f"{column}__in": ids}).values_list(column, flat=True))
    return [record for record in records if record.id not in coupled]
