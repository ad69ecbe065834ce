"""Puts the default mappings into the database, next to what the customer made of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from coupling.defaults import parties, prices
from coupling.defaults.definitions import DefaultField, DefaultMapping
from coupling.models import FieldKind, FieldMapping, TableMapping

DEFAULT_MAPPINGS = [*prices.MAPPINGS, *parties.MAPPINGS]


@transaction.atomic
def install_defaults(
    local_currency: str, base_currency: str, defaults: Iterable[DefaultMapping] = DEFAULT_MAPPINGS
) -> list[str]:
    """Create the default mappings that are missing and return their names; those that are there stay as they are.

    `local_currency` is what a blank currency stands for (CU-1). `base_currency` is blank where the CRM has not told it
    yet; `keep_foreign_rates_back` then has to follow.
    """
    missing = [each for each in defaults if not TableMapping.objects.filter(name=each.name).exists()]
    tables = {each.name: _create_table(each) for each in missing}
    lookups = {mapping.name: mapping for mapping in TableMapping.objects.all()}
    for each in missing:
        for position, row in enumerate(each.fields, start=1):
            field = default_field(tables[each.name], position, row, lookups, local_currency)
            field.save()
    if base_currency:
        keep_foreign_rates_back(local_currency, base_currency)
    return [each.name for each in missing]


def keep_foreign_rates_back(local_currency: str, base_currency: str) -> None:
    """Send exchange rates only where the local currency is the CRM's base currency: they are against it (CU-4)."""
    if local_currency != base_currency:
        rates = FieldMapping.objects.filter(mapping__crm_table="transactioncurrency", crm_column="exchangerate")
        rates.update(is_enabled=False)


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
    mapping: TableMapping, position: int, row: DefaultField, lookups: Mapping[str, TableMapping], local_currency: str
) -> FieldMapping:
    """The unsaved field mapping that a row of a default mapping stands for."""
    kind = FieldKind.LOOKUP if row.lookup else FieldKind.OPTION if row.options_of else FieldKind.VALUE
    return FieldMapping(
        mapping=mapping,
        position=position,
        erp_field=row.erp_field,
        crm_column=row.crm_column,
        direction=row.direction,
        kind=kind,
        lookup=lookups[row.lookup] if row.lookup else None,
        blank_means=local_currency if row.is_local_currency_when_blank else "",
        option_table=row.options_of,
        clear_on_failed=row.clear_on_failed,
        not_null=row.not_null,
        is_match_key=row.match_priority is not None,
        match_priority=row.match_priority or 0,
        is_enabled=row.is_enabled,
    )
