"""Puts the default mappings into the database, next to what the customer made of them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from django.db import transaction

from connection.models import CRMConnection
from coupling.defaults import parties, prices
from coupling.defaults.definitions import DefaultField, DefaultMapping
from coupling.models import Direction, FieldKind, FieldMapping, TableMapping
from coupling.signals import local_currency

DEFAULT_MAPPINGS = [*prices.MAPPINGS, *parties.MAPPINGS]
RATE: Final = ("transactioncurrency", "exchangerate")


class Currencies(NamedTuple):
    """What money is counted in: the company's currency, and the CRM's (blank where it has not told it yet)."""

    local: str
    base: str

    @property
    def may_rates_be_sent(self) -> bool:
        """Rates are against the local currency, so that they are right only where the CRM's is the same (CU-4)."""
        return self.base in ("", self.local)


@transaction.atomic
def install_defaults(
    local_currency: str, base_currency: str, defaults: Iterable[DefaultMapping] = DEFAULT_MAPPINGS
) -> list[str]:
    """Create the default mappings that are missing and return their names; those that are there stay as they are.

    `local_currency` is what a blank currency stands for (CU-1). `base_currency` is blank where the CRM has not told it
    yet; `keep_foreign_rates_back` follows when it does.
    """
    currencies = Currencies(local_currency, base_currency)
    missing = [each for each in defaults if not TableMapping.objects.filter(name=each.name).exists()]
    tables = {each.name: _create_table(each) for each in missing}
    lookups = {mapping.name: mapping for mapping in TableMapping.objects.all()}
    for each in missing:
        for position, row in enumerate(each.fields, start=1):
            default_field(tables[each.name], position, row, lookups, currencies).save()
    return [each.name for each in missing]


def keep_foreign_rates_back(connection: CRMConnection, **kwargs: object) -> None:
    """Have the default mappings send no exchange rates against another currency, now that the CRM has told its own.

    This happens once; a rate that is sent on purpose afterwards is the customer's own change.
    """
    if not Currencies(local_currency(), connection.base_currency_code).may_rates_be_sent:
        names = [default.name for default in DEFAULT_MAPPINGS]
        rates = FieldMapping.objects.filter(mapping__name__in=names, mapping__crm_table=RATE[0], crm_column=RATE[1])
        rates.exclude(direction=Direction.FROM_CRM).update(is_enabled=False)


def _create_table(default: DefaultMapping) -> TableMapping:
    return TableMapping.objects.create(name=default.name, **table_settings(default))


def table_settings(default: DefaultMapping) -> dict[str, Any]:
    """The columns of `TableMapping` that a default mapping sets."""
    return {
        "erp_table": default.erp_table,
        "crm_table": default.crm_table,
        "erp_key": default.erp_key,
        "direction": default.direction,
        "erp_filter": [list(line) for line in default.erp_filter],
        "crm_filter": [list(line) for line in default.crm_filter],
        "erp_template": dict(default.erp_template),
        "crm_template": dict(default.crm_template),
    }


def default_field(
    mapping: TableMapping,
    position: int,
    row: DefaultField,
    lookups: Mapping[str, TableMapping],
    currencies: Currencies,
) -> FieldMapping:
    """The unsaved field mapping that a row of a default mapping stands for."""
    sends_rate = (mapping.crm_table, row.crm_column) == RATE and row.direction.to_crm
    kind = FieldKind.LOOKUP if row.lookup else FieldKind.OPTION if row.options_of else FieldKind.VALUE
    return FieldMapping(
        mapping=mapping,
        position=position,
        erp_field=row.erp_field,
        crm_column=row.crm_column,
        direction=row.direction,
        kind=kind,
        lookup=lookups[row.lookup] if row.lookup else None,
        blank_means=currencies.local if row.is_local_currency_when_blank else "",
        option_table=row.options_of,
        clear_on_failed=row.clear_on_failed,
        not_null=row.not_null,
        is_match_key=row.match_priority is not None,
        match_priority=row.match_priority or 0,
        is_enabled=row.is_enabled and (currencies.may_rates_be_sent or not sends_rate),
    )
