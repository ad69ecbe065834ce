"""Couples the codes of ERP tables with the values of CRM option sets by their labels (mappings.md 1.3, G-2)."""

from django.apps import apps
from django.db import models

from connection.dataverse.client import DataverseClient
from coupling.models import FieldKind, FieldMapping, OptionMapping


def couple_options(client: DataverseClient, *, untouched_only: bool = False) -> int:
    """Couple every code with the option whose label is the code or one of its texts; returns how many are new.

    What is coupled already stays. Codes and options without a counterpart are left to a person; so are, with
    `untouched_only`, fields of which something is coupled. Raises what the CRM says.
    """
    fields = FieldMapping.objects.filter(kind=FieldKind.OPTION, is_enabled=True).select_related("mapping")
    if untouched_only:
        fields = fields.filter(mapping__is_enabled=True, options=None)
    found = [option for each in fields for option in _matches(each, client)]
    return len(OptionMapping.objects.bulk_create(found, ignore_conflicts=True))


def _matches(field: FieldMapping, client: DataverseClient) -> list[OptionMapping]:
    column = client.definition(field.mapping.crm_table).columns.get(field.crm_column)
    options = column.options if column else {}
    known = field.options.values_list("erp_code", "option_value")
    codes, values = {code for code, _ in known}, {value for _, value in known}
    found = []
    for code, texts in _codes(field.option_table).items():
        value = next((value for value, label in options.items() if label.casefold() in texts), None)
        if value is not None and code not in codes and value not in values:
            values.add(value)
            found.append(OptionMapping(field_mapping=field, erp_code=code, option_value=value, label=options[value]))
    return found


def _codes(label: str) -> dict[str, set[str]]:
    """The codes of an ERP table, each with its texts (code included), letters' case folded."""
    model = apps.get_model(label)
    names = [field.name for field in model._meta.concrete_fields if isinstance(field, models.CharField)]
    return {row["code"]: {str(row[name]).casefold() for name in names} for row in model._default_manager.values(*names)}
