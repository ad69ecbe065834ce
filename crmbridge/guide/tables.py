"""Which tables can be synchronized, what each needs, and the choice among them (S19, S20, S53)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from django.apps import apps
from django.db import transaction
from django.utils.text import capfirst

from connection.dataverse.client import DataverseClient
from connection.errors import CRMBridgeError, Text
from connection.models import CRMConnection
from coupling.counting import crm_count, erp_count
from coupling.defaults.definitions import DefaultMapping
from coupling.defaults.install import DEFAULT_MAPPINGS, install_defaults
from coupling.models import Direction, TableMapping
from coupling.narrowing import Lines
from coupling.prerequisites import all_prerequisites
from financials.models import CompanySettings


@dataclass(frozen=True, slots=True)
class Choice:
    """One table mapping that can be chosen; it is a row of the database, or a default that is not installed yet."""

    name: str
    erp_table: str
    crm_table: str
    direction: Direction
    about: Text
    needs: Collection[str]
    is_enabled: bool
    erp_filter: Lines = field(repr=False)
    crm_filter: Lines = field(repr=False)

    @property
    def title(self) -> str:
        """What the ERP calls its records: Customers."""
        try:
            return capfirst(str(apps.get_model(self.erp_table)._meta.verbose_name_plural))
        except LookupError:
            return self.name

    @property
    def slug(self) -> str:
        """The name as part of an element's id."""
        return self.name.lower().replace(" ", "-")


def choices() -> list[Choice]:
    """Every table that can be synchronized: what others need first, the customer's own mappings last."""
    installed = {mapping.name: mapping for mapping in TableMapping.objects.all()}
    needs = all_prerequisites(installed.values())
    defaults = {default.name: default for default in DEFAULT_MAPPINGS}
    found = [
        _installed(mapping, needs[name], defaults.get(name)) if (mapping := installed.get(name)) else _offered(default)
        for name, default in defaults.items()
    ]
    own = [_installed(mapping, needs[name], None) for name, mapping in installed.items() if name not in defaults]
    return [*found, *own]


def with_prerequisites(names: Collection[str], offered: Collection[Choice]) -> set[str]:
    """The names with everything that they need, however far."""
    needs = {choice.name: choice.needs for choice in offered}
    chosen: set[str] = set()
    left = [name for name in names if name in needs]
    while left:
        name = left.pop()
        if name not in chosen:
            chosen.add(name)
            left += [other for other in needs[name] if other in needs]
    return chosen


def needed_by(names: Collection[str], offered: Collection[Choice]) -> Mapping[str, list[str]]:
    """For each table the titles of those chosen ones that need it."""
    chosen = [choice for choice in offered if choice.name in names]
    return {choice.name: [other.title for other in chosen if choice.name in other.needs] for choice in offered}


@transaction.atomic
def choose(names: Collection[str], connection: CRMConnection | None) -> None:
    """Switch on the mappings named and switch off the others; default mappings that are missing are made first.

    Nothing else of a mapping is touched, nor its couplings: switching off and on again changes nothing.
    """
    base_currency = connection.base_currency_code if connection else ""
    install_defaults(CompanySettings.current().lcy_code, base_currency)
    for mapping in TableMapping.objects.all():
        switch(mapping, is_enabled=mapping.name in names)


def switch(mapping: TableMapping, *, is_enabled: bool) -> None:
    """Switch one mapping on or off, so that whoever listens to mappings hears of it."""
    if mapping.is_enabled != is_enabled:
        mapping.is_enabled = is_enabled
        mapping.save(update_fields=["is_enabled"])


@dataclass(frozen=True, slots=True)
class Count:
    """How many records both sides have inside the mapping's filters; None where the CRM did not say."""

    choice: Choice
    erp: int | None
    crm: int | None
    error: CRMBridgeError | None = None


def counts(client: DataverseClient | None) -> Iterator[Count]:
    """The records of both sides, table by table; without a client only the ERP's."""
    for choice in choices():
        try:
            erp = erp_count(choice.erp_table, choice.erp_filter)
        except LookupError:
            erp = None
        try:
            crm = crm_count(client, choice.crm_table, choice.crm_filter) if client else None
            yield Count(choice, erp, crm)
        except CRMBridgeError as error:
            yield Count(choice, erp, None, error)


def _installed(mapping: TableMapping, needs: Collection[str], default: DefaultMapping | None) -> Choice:
    return Choice(
        mapping.name,
        mapping.erp_table,
        mapping.crm_table,
        Direction(mapping.direction),
        default.about if default else "",
        needs,
        mapping.is_enabled,
        mapping.erp_filter,
        mapping.crm_filter,
    )


def _offered(default: DefaultMapping) -> Choice:
    """A default mapping that is not installed."""
    return Choice(
        default.name,
        default.erp_table,
        default.crm_table,
        default.direction,
        default.about,
        default.needs,
        False,
        default.erp_filter,
        default.crm_filter,
    )
