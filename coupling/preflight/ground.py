"""What every check stands on: the mappings that are enabled, and what both sides say about their tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.apps import apps
from django.db import models

from connection.dataverse.client import DataverseClient
from connection.dataverse.errors import MappingFault
from connection.dataverse.metadata import ColumnDefinition, TableDefinition
from connection.models import CRMConnection
from coupling.models import Direction, FieldKind, FieldMapping, TableMapping
from coupling.narrowing import Lines, has_field
from coupling.tables.erp import ERPTable
from coupling.tables.table import Column


@dataclass(frozen=True, slots=True)
class Pair:
    """One field mapping with the directions in which its value may go, its own and its table's taken together."""

    field: FieldMapping
    to_crm: bool
    from_crm: bool

    @property
    def is_value(self) -> bool:
        """Whether the value is carried over as it is."""
        return self.field.kind == FieldKind.VALUE

    @property
    def is_lookup(self) -> bool:
        """Whether the value names another record."""
        return self.field.kind == FieldKind.LOOKUP


@dataclass(frozen=True, slots=True)
class Subject:
    """One enabled mapping as the checks see it. `erp` and `table` are None where that side has no such table."""

    mapping: TableMapping
    pairs: Sequence[Pair]
    keys: Sequence[FieldMapping] = ()
    erp: type[models.Model] | None = None
    table: TableDefinition | None = None
    erp_columns: dict[str, Column] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The mapping's name, by which findings say what they concern."""
        return self.mapping.name

    @property
    def to_crm(self) -> bool:
        """Whether records may go to the CRM."""
        return Direction(self.mapping.direction).to_crm

    @property
    def from_crm(self) -> bool:
        """Whether rows may come from the CRM."""
        return Direction(self.mapping.direction).from_crm

    @property
    def crm_filter(self) -> Lines:
        """The integration table filter, as far as its columns exist (those that do not are a finding)."""
        return [line for line in self.mapping.crm_filter if self.table and line[0] in self.table.columns]

    @property
    def erp_filter(self) -> Lines:
        """The table filter, as far as its fields exist."""
        return [line for line in self.mapping.erp_filter if self.erp and has_field(self.erp, line[0])]

    def column(self, pair: Pair) -> ColumnDefinition | None:
        """The CRM column of a field mapping, where it exists."""
        return self.table.columns.get(pair.field.crm_column) if self.table else None

    def key_groups(self) -> list[list[FieldMapping]]:
        """The match keys that are tried together, in their order: those of one priority must all agree."""
        priorities = sorted({key.match_priority for key in self.keys})
        return [[key for key in self.keys if key.match_priority == priority] for priority in priorities]


class Ground:
    """The enabled mappings of a connection, with the definitions of their tables (one request each, then cached)."""

    def __init__(self, connection: CRMConnection, client: DataverseClient, *, is_fresh: bool = False) -> None:
        self.connection = connection
        self.client = client
        self._is_fresh = is_fresh

    @cached_property
    def subjects(self) -> list[Subject]:
        """Every enabled mapping."""
        mappings = TableMapping.objects.filter(is_enabled=True).prefetch_related("fields__lookup", "fields__options")
        return [self._subject(mapping) for mapping in mappings]

    @cached_property
    def tables(self) -> list[str]:
        """The CRM tables that are mapped or referred to, each once."""
        mapped = [subject.mapping.crm_table for subject in self.subjects]
        return list(dict.fromkeys([*mapped, *(target for subject in self.subjects for target in _targets(subject))]))

    @cached_property
    def _definitions(self) -> dict[str, TableDefinition | None]:
        return {}

    def definition(self, table: str) -> TableDefinition | None:
        """What `table` is like, read anew where freshness was asked for; None where the CRM has no such table."""
        if table not in self._definitions:
            read = self.client.refresh if self._is_fresh else self.client.definition
            try:
                self._definitions[table] = read(table)
            except MappingFault:
                self._definitions[table] = None
        return self._definitions[table]

    def _subject(self, mapping: TableMapping) -> Subject:
        fields = list(mapping.fields.all())
        pairs = [_pair(mapping, each) for each in fields if each.is_enabled]
        keys = [each for each in fields if each.is_match_key]
        try:
            model = apps.get_model(mapping.erp_table)
        except (LookupError, ValueError):
            return Subject(mapping, pairs, keys, None, self.definition(mapping.crm_table))
        names = [each.erp_field for each in fields if each.is_enabled or each.is_match_key]
        return Subject(
            mapping, pairs, keys, model, self.definition(mapping.crm_table), _erp_columns(mapping, model, names)
        )


def _pair(mapping: TableMapping, mapped: FieldMapping) -> Pair:
    whole, own = Direction(mapping.direction), Direction(mapped.direction)
    return Pair(mapped, whole.to_crm and own.to_crm, whole.from_crm and own.from_crm)


def _targets(subject: Subject) -> list[str]:
    return [pair.field.lookup.crm_table for pair in subject.pairs if pair.field.lookup]


def _erp_columns(mapping: TableMapping, model: type[models.Model], names: Iterable[str]) -> dict[str, Column]:
    """The fields of `names` that the ERP table has."""
    known = [name for name in dict.fromkeys(names) if has_field(model, name)]
    return dict(ERPTable(mapping, known).columns)
