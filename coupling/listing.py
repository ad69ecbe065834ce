"""The list of one ERP table with the couplings of its records: columns, search, filter, order, pages.

Serves every mapping: the ERP model comes by its label, so that a company's own tables are listed too.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.core.paginator import Page, Paginator
from django.db import models
from django.db.models import F, Q, QuerySet
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from coupling.models import Coupling, CouplingState, FieldKind, TableMapping

PAGE_SIZE: Final = 50
MORE_COLUMNS: Final = 4
# What people look for in a list, most wanted first: a field whose name contains the word gets a column.
WANTED: Final = ("company", "city", "phone", "mail", "salesperson", "title", "symbol", "currency", "country")
NAMES: Final = ("name", "description", "title", "subject")


@dataclass(frozen=True)
class RecordFilter:
    """A choice above the list; `ids` gives the ERP ids that it lets through, or None for all of them."""

    name: str
    label: str | Promise
    ids: Callable[[TableMapping], QuerySet[Any, UUID]] | None = None
    is_negative: bool = False


def coupled_ids(mapping: TableMapping) -> QuerySet[Coupling, UUID]:
    """The ERP ids that are coupled under the mapping."""
    return mapping.couplings.exclude(state=CouplingState.BROKEN).values_list("erp_id", flat=True)


FILTERS: Final = (
    RecordFilter("all", _("All")),
    RecordFilter("coupled", _("Coupled"), coupled_ids),
    RecordFilter("uncoupled", _("Not coupled"), coupled_ids, is_negative=True),
)


@dataclass(frozen=True)
class ListColumn:
    """One column: the ERP field, its caption, and whether it holds numbers."""

    name: str
    caption: str
    is_number: bool = False
    is_key: bool = False
    labels: Mapping[Any, Any] = field(default_factory=dict)

    @property
    def reverse(self) -> str:
        """What `sort` says to have the column from its end."""
        return f"-{self.name}"


@dataclass(frozen=True)
class Row:
    """One record of the list with its coupling, if it has one."""

    id: UUID
    values: Sequence[tuple[ListColumn, Any]]
    coupling: Coupling | None


def slug_of(mapping: TableMapping) -> str:
    """The mapping's name as it stands in addresses: SHIPMENT METHOD is `shipment-method`."""
    return mapping.name.lower().replace(" ", "-")


def erp_model(mapping: TableMapping) -> type[models.Model]:
    """The Django model of the mapping's ERP table.

    Raises:
        LookupError: no such model is installed.
    """
    return apps.get_model(mapping.erp_table)


def permissions_to_see(mapping: TableMapping) -> list[str]:
    """What a user needs to see the mapping's list: the right to the ERP table and to couplings.

    Raises:
        LookupError: the ERP table is not installed.
    """
    options = erp_model(mapping)._meta
    return ["coupling.view_coupling", f"{options.app_label}.view_{options.model_name}"]


def table_field(model: type[models.Model], name: str) -> "models.Field[Any, Any] | None":
    """The column NAME of the model, or None where it has none."""
    return next((column for column in model._meta.concrete_fields if column.name == name), None)


def caption_of(mapping: TableMapping, name: str) -> str:
    """What people call the mapping's ERP field NAME; the name itself where there is no such field."""
    try:
        column = table_field(erp_model(mapping), name)
    except LookupError:
        return name
    return capfirst(str(column.verbose_name)) if column else name


def record_names(mapping: TableMapping, erp_ids: Collection[UUID]) -> dict[UUID, str]:
    """What people call the mapping's ERP records with these ids, at one query; those that are gone have no name."""
    try:
        records = erp_model(mapping)._default_manager.filter(**{f"{mapping.erp_id_field}__in": erp_ids})
    except LookupError:
        return {}
    return {getattr(record, mapping.erp_id_field): str(record) for record in records}


def list_columns(mapping: TableMapping) -> list[ListColumn]:
    """Key, name, and the mapped fields that people look for."""
    model = erp_model(mapping)
    mapped = [each.erp_field for each in mapping.fields.all() if each.is_enabled and each.kind != FieldKind.OPTION]
    names = [column.name for column in model._meta.concrete_fields if column.name in mapped]
    called = next((name for name in NAMES if table_field(model, name)), None)
    chosen = [mapping.erp_key, *([called] if called else [])]
    rest = [name for name in names if name not in chosen]
    wanted = [hit for word in WANTED if (hit := next((name for name in rest if word in name), None))]
    chosen += list(dict.fromkeys(wanted))[:MORE_COLUMNS]
    return [_column(model, name, is_key=name == mapping.erp_key) for name in dict.fromkeys(chosen)]


def _column(model: type[models.Model], name: str, *, is_key: bool) -> ListColumn:
    column = table_field(model, name)
    if column is None:
        return ListColumn(name, name, is_key=is_key)
    labels = dict(column.flatchoices)
    is_number = isinstance(column, models.DecimalField | models.IntegerField | models.FloatField) and not labels
    return ListColumn(name, capfirst(str(column.verbose_name)), is_number, is_key, labels)


def _labelled(column: ListColumn, record: Mapping[str, Any]) -> Any:
    value = record[column.name]
    return column.labels.get(value, value)


class RecordListing:
    """One page of an ERP table as asked for by the query string: `q`, `show`, `sort` and `page`.

    Costs a count, a page of records and their couplings, however many there are (I9).
    """

    def __init__(
        self, mapping: TableMapping, asked: Mapping[str, str], filters: Sequence[RecordFilter] = FILTERS
    ) -> None:
        self.mapping = mapping
        self.model = erp_model(mapping)
        self.columns = list_columns(mapping)
        self.filters = filters
        self.search = asked.get("q", "").strip()[:100]
        self.shown = next((one for one in filters if one.name == asked.get("show")), filters[0])
        names = {column.name for column in self.columns}
        sort = asked.get("sort", "")
        self.sort = sort if sort.removeprefix("-") in names else mapping.erp_key
        self._page_number = asked.get("page", "1")

    @cached_property
    def page(self) -> "Page[Any]":
        """The page of records asked for; the nearest there is."""
        return Paginator(self._records, PAGE_SIZE).get_page(self._page_number)

    @cached_property
    def rows(self) -> list[Row]:
        """The records of the page with their couplings."""
        records = [(record[self.mapping.erp_id_field], record) for record in self.page.object_list]
        couplings = {
            coupling.erp_id: coupling
            for coupling in self.mapping.couplings.filter(erp_id__in=[erp_id for erp_id, _record in records])
        }
        return [
            Row(erp_id, [(column, _labelled(column, record)) for column in self.columns], couplings.get(erp_id))
            for erp_id, record in records
        ]

    @property
    def descending(self) -> str:
        """The column that the list is sorted by from its end, or ''."""
        return self.sort[1:] if self.sort.startswith("-") else ""

    @property
    def is_narrowed(self) -> bool:
        """Whether a search or a filter hides records."""
        return bool(self.search) or self.shown.ids is not None

    @property
    def _records(self) -> QuerySet[Any, Any]:
        column = F(self.sort.removeprefix("-"))
        order = column.desc(nulls_last=True) if self.sort.startswith("-") else column.asc(nulls_last=True)
        rows = self.model._default_manager.filter(self._searched, self._let_through)
        wanted = [self.mapping.erp_id_field, *(column.name for column in self.columns)]
        return rows.order_by(order, self.mapping.erp_key, self.mapping.erp_id_field).values(*wanted)

    @property
    def _searched(self) -> Q:
        texts = (models.CharField, models.TextField)
        searched = [c.name for c in self.columns if isinstance(table_field(self.model, c.name), texts)]
        condition = Q()
        for word in self.search.split():
            condition &= Q(*((f"{name}__icontains", word) for name in searched), _connector=Q.OR)
        return condition

    @property
    def _let_through(self) -> Q:
        if self.shown.ids is None:
            return Q()
        condition = Q(**{f"{self.mapping.erp_id_field}__in": self.shown.ids(self.mapping)})
        return ~condition if self.shown.is_negative else condition
