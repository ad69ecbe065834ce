"""**Use default synchronization setup** (F5.22): puts the default mappings back, and says before what that replaces.

Couplings, their bases and option couplings stay, a mapping that is off stays off, and mappings of the customer's own
are not touched.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from coupling.defaults.definitions import DefaultMapping
from coupling.defaults.install import (
    DEFAULT_MAPPINGS,
    Currencies,
    default_field,
    install_defaults,
    table_settings,
)
from coupling.models import FieldMapping, TableMapping

FIELD_SETTINGS: Final = (
    "position",
    "erp_field",
    "direction",
    "kind",
    "lookup_id",
    "blank_means",
    "option_table",
    "clear_on_failed",
    "not_null",
    "is_match_key",
    "match_priority",
    "is_enabled",
)
# The place of a row is put back without a word.
TOLD: Final = FIELD_SETTINGS[1:]


@dataclass(frozen=True, slots=True)
class Replacement:
    """One thing that differs from the default: where, and what happens to it, in the reader's language."""

    mapping: str
    text: str


def replacements(local_currency: str, base_currency: str) -> list[Replacement]:
    """What `use_defaults` would replace, add and remove now."""
    installed = {mapping.name: mapping for mapping in TableMapping.objects.prefetch_related("fields")}
    found: list[Replacement] = []
    for default in DEFAULT_MAPPINGS:
        if mapping := installed.get(default.name):
            wanted = _wanted(default, mapping, installed, Currencies(local_currency, base_currency))
            found += _differences(default, mapping, wanted)
        else:
            found.append(Replacement(default.name, _("The mapping is missing and is added.")))
    return found


@transaction.atomic
def use_defaults(local_currency: str, base_currency: str) -> list[Replacement]:
    """Put every default mapping back. Returns what was replaced."""
    replaced = replacements(local_currency, base_currency)
    install_defaults(local_currency, base_currency)
    mappings = {mapping.name: mapping for mapping in TableMapping.objects.prefetch_related("fields")}
    for default in DEFAULT_MAPPINGS:
        mapping = mappings[default.name]
        _put_back(default, mapping, _wanted(default, mapping, mappings, Currencies(local_currency, base_currency)))
    return replaced


def _wanted(
    default: DefaultMapping, mapping: TableMapping, mappings: Mapping[str, TableMapping], currencies: Currencies
) -> list[FieldMapping]:
    """The fields that the mapping has by default; rows whose lookup is not installed yet come with it."""
    rows = [row for row in default.fields if not row.lookup or row.lookup in mappings]
    return [default_field(mapping, position, row, mappings, currencies) for position, row in enumerate(rows, start=1)]


def _differences(
    default: DefaultMapping, mapping: TableMapping, wanted: Sequence[FieldMapping]
) -> Iterator[Replacement]:
    for name, value in table_settings(default).items():
        if getattr(mapping, name) != value:
            setting = mapping._meta.get_field(name).verbose_name  # type: ignore[union-attr]
            text = _("Your setting of the %(setting)s is replaced: %(now)s.")
            yield Replacement(mapping.name, text % {"setting": setting, "now": getattr(mapping, name) or _("blank")})
    stored = {field.crm_column: field for field in mapping.fields.all()}
    columns = {field.crm_column for field in wanted}
    for field in wanted:
        if not (known := stored.get(field.crm_column)):
            yield Replacement(mapping.name, _("The field mapping %(field)s is added.") % {"field": field})
        elif _settings(known, TOLD) != _settings(field, TOLD):
            text = _("Your changes of the field mapping %(field)s are replaced.")
            yield Replacement(mapping.name, text % {"field": known})
    for column, known in stored.items():
        if column not in columns:
            yield Replacement(mapping.name, _("Your field mapping %(field)s is removed.") % {"field": known})


def _put_back(default: DefaultMapping, mapping: TableMapping, wanted: Sequence[FieldMapping]) -> None:
    settings = table_settings(default)
    for name, value in settings.items():
        setattr(mapping, name, value)
    mapping.save(update_fields=list(settings))
    stored = {field.crm_column: field for field in mapping.fields.all()}
    mapping.fields.exclude(crm_column__in=[field.crm_column for field in wanted]).delete()
    for field in wanted:
        known = stored.get(field.crm_column, field)
        for name in FIELD_SETTINGS:
            setattr(known, name, getattr(field, name))
        known.save()


def _settings(field: FieldMapping, names: Sequence[str]) -> list[Any]:
    return [getattr(field, name) for name in names]
