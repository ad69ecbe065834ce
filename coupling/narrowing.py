"""A mapping's filters as each side's own query language, for what a side counts or finds by itself (see `filters`)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import Q

from connection.dataverse.metadata import TableDefinition
from connection.dataverse.query import both, literal
from coupling.filters import Condition, Filter

Lines = Sequence[Sequence[Any]]


def computed_of(model: type[models.Model]) -> Mapping[str, Any]:
    """The columns that the model works out on reading, as its `computed()` names them (mappings.md 6.1, ≡)."""
    computed: Mapping[str, Any] = getattr(model, "computed", dict)()
    return computed


def has_field(model: type[models.Model], name: str) -> bool:
    """Whether an ERP table stores or works out a field."""
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return name in computed_of(model)
    return True


def no_value(model: type[models.Model], name: str) -> Q:
    """A condition for records whose field is blank."""
    blank = Q(**{f"{name}__isnull": True})
    stored = computed_of(model)[name].output_field if name in computed_of(model) else model._meta.get_field(name)
    return blank | Q(**{name: ""}) if isinstance(stored, models.CharField | models.TextField) else blank


def erp_records(model: type[models.Model], lines: Lines, names: Sequence[str] = ()) -> "models.QuerySet[Any]":
    """The ERP records that a filter lets in, with those of `names` that the model works out on reading."""
    conditions = Filter.parse(lines).conditions
    computed, used = computed_of(model), {*names, *(each.column for each in conditions)}
    records: models.QuerySet[Any] = model._default_manager.annotate(
        **{name: computed[name] for name in used if name in computed}
    )
    return records.filter(*(_q(model, condition) for condition in conditions))


def _q(model: type[models.Model], condition: Condition) -> Q:
    name, operand = condition.column, condition.operand
    match condition.operator:
        case "blank":
            return no_value(model, name)
        case "filled":
            return ~no_value(model, name)
        case "in":
            return Q(**{f"{name}__in": operand})
        case "ne":
            return ~Q(**{name: operand}) | no_value(model, name)
    return Q(**{name: operand})


# A blank column is different from every value here, and in SQL it is not.
_ODATA: Mapping[str, Callable[[str, Any], str]] = {
    "eq": lambda name, operand: f"{name} eq {literal(operand)}",
    "ne": lambda name, operand: f"({name} ne {literal(operand)} or {name} eq null)",
    "in": lambda name, operand: "(" + " or ".join(f"{name} eq {literal(each)}" for each in operand) + ")",
    "blank": lambda name, _: f"{name} eq null",
    "filled": lambda name, _: f"{name} ne null",
}


def crm_condition(definition: TableDefinition, lines: Lines, *more: str) -> str | None:
    """A filter as OData, with `more` conditions; None where there is neither. Raises KeyError for no such column."""
    names = {name: column.read_name for name, column in definition.columns.items()}
    conditions = Filter.parse(lines).conditions
    return both(*(_ODATA[each.operator](names[each.column], each.operand) for each in conditions), *more)
