"""Why a record is not coupled, as far as its mapping tells (I10)."""

from django.db import models
from django.utils.translation import gettext as _

from coupling.filters import Condition, Filter
from coupling.listing import table_field
from coupling.models import Direction, TableMapping
from coupling.values import canonical


def why_not_coupled(mapping: TableMapping, record: models.Model) -> list[str]:
    """The reasons, each in a plain sentence, those that keep the record out for good first."""
    if not mapping.is_enabled:
        return [_("The table mapping %(mapping)s is switched off.") % {"mapping": mapping}]
    outside = [_outside(record, each) for each in _refusing(mapping, record)]
    return outside or [_what_couples_it(mapping)]


def _refusing(mapping: TableMapping, record: models.Model) -> list[Condition]:
    conditions = Filter.parse(mapping.erp_filter).conditions
    return [
        each
        for each in conditions
        if not Filter((each,)).accepts({each.column: canonical(_value(record, each.column))})
    ]


def _outside(record: models.Model, condition: Condition) -> str:
    column = table_field(type(record), condition.column)
    caption = str(column.verbose_name) if column else condition.column
    value = _value(record, condition.column)
    if value in (None, ""):
        return _("It is outside the table filter of the mapping: %(field)s is blank.") % {"field": caption}
    label = dict(column.flatchoices).get(value, value) if column else value
    return _("It is outside the table filter of the mapping: %(field)s is %(value)s.") % {
        "field": caption,
        "value": label,
    }


def _what_couples_it(mapping: TableMapping) -> str:
    if mapping.direction == Direction.FROM_CRM:
        return _("Records of this table come from the CRM: it is coupled when a row there matches it.")
    if mapping.only_coupled:
        return _("Scheduled runs leave uncoupled records alone. Run a full synchronization to create it in the CRM.")
    return _("It was not synchronized yet. The next run takes it along.")


def _value(record: models.Model, name: str) -> object:
    column = table_field(type(record), name)
    return getattr(record, column.attname) if column else None
