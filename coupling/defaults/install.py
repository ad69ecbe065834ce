"""Puts the default mappings into the database, next to what the customer made of them."""

from collections.abc import Iterable

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

    `local_currency` is what a blank currency stands for (CU-1). Rates are sent only where it is the CRM's base
    currency, because they are rates against the local currency (CU-4).
    """
    missing = [each for each in defaults if not TableMapping.objects.filter(name=each.name).exists()]
    tables = {each.name: _create_table(each) for each in missing}
    lookups = {mapping.name: mapping for mapping in TableMapping.objects.all()}
    for each in missing:
        for position, row in enumerate(each.fields, start=1):
            field = _field(tables[each.name], position, row, lookups, local_currency)
            if row.crm_column == "exchangerate" and local_currency != base_currency:
                field.is_enabled = False
            field.save()
    return [each.name for each in missing]


def _create_table(default: DefaultMapping) -> TableMapping:
    return TableMapping.objects.create(
        name=default.name,
        erp_table=default.erp_table,
        crm_table=default.crm_table,
        erp_key=default.erp_key,
        direction=default.direction,
        erp_filter=list(default.erp_filter),
        crm_filter=list(default.crm_filter),
        erp_template=dict(default.erp_template),
        crm_template=dict(default.crm_template),
    )


def _field(
    mapping: TableMapping, position: int, row: DefaultField, lookups: dict[str, TableMapping], local_currency: str
) -> FieldMapping:
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
