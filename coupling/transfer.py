"""Carries values over: compiles field mappings into rules, each a pure function of one value (DESIGN §2)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from coupling.errors import OptionUnmapped
from coupling.lookups import Lookups
from coupling.models import Direction, FieldKind, FieldMapping, TableMapping
from coupling.tables.table import Column, Record
from coupling.values import Value


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A reference to a record that is not coupled yet, by its ERP key or its CRM id."""

    mapping_id: int
    reference: str
    is_erp_key: bool


Carried = Value | Unresolved


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field mapping, compiled: what a value of one side is on the other, as that side stores it."""

    field_id: int
    erp: Column
    crm: Column
    direction: Direction
    kind: FieldKind = FieldKind.VALUE
    lookup_id: int = 0
    blank_means: str = ""
    clear_on_failed: bool = False
    not_null: bool = False
    options: Mapping[str, int] = field(default_factory=dict)

    def reference(self, value: Value) -> str:
        """The key that an ERP reference names; blank where it names none."""
        return str(value) if value is not None else self.blank_means

    def to_crm(self, value: Value, lookups: Lookups) -> Carried:
        """The CRM's value for an ERP value.

        Raises:
            OptionUnmapped: the code has no option.
            ValueUnfit: the value is no number, which the column wants.
        """
        if self.kind == FieldKind.LOOKUP:
            return self._crm_id(self.reference(value), lookups)
        if self.kind == FieldKind.OPTION:
            return self._option(value)
        return self.crm.as_stored(value)

    def to_erp(self, value: Value, lookups: Lookups) -> Carried:
        """The ERP's value for a CRM value.

        Raises:
            OptionUnmapped: the option has no code.
            ValueUnfit: the value is no number, which the field wants.
        """
        if self.kind == FieldKind.LOOKUP:
            return self._erp_key(value, lookups)
        if self.kind == FieldKind.OPTION:
            return self._code(value)
        return self.erp.as_stored(value)

    def _crm_id(self, key: str, lookups: Lookups) -> Carried:
        if not key:
            return None
        return lookups.crm_ids.get((self.lookup_id, key)) or Unresolved(self.lookup_id, key, is_erp_key=True)

    def _erp_key(self, value: Value, lookups: Lookups) -> Carried:
        if value is None:
            return None
        key = lookups.erp_keys.get((self.lookup_id, str(value)))
        if key is None:
            return Unresolved(self.lookup_id, str(value), is_erp_key=False)
        return None if key == self.blank_means else key

    def _option(self, code: Value) -> Value:
        if code is not None and code not in self.options:
            raise OptionUnmapped(
                format_lazy(_("“{code}” in {field} has no option in the CRM."), code=code, field=self.erp.name)
            )
        return self.options[str(code)] if code is not None else None

    def _code(self, option: Value) -> Value:
        codes = {value: code for code, value in self.options.items()}
        if option is None or (option == 0 and 0 not in codes):
            return None
        if option not in codes:
            raise OptionUnmapped(
                format_lazy(
                    _("Option {option} of {column} has no code in the ERP."), option=option, column=self.crm.name
                )
            )
        return codes[int(option)]


def compile_rules(
    mapping: TableMapping, erp_columns: Mapping[str, Column], crm_columns: Mapping[str, Column]
) -> list[FieldRule]:
    """The rules of a mapping's enabled field mappings, in their order."""
    fields = mapping.fields.filter(is_enabled=True).prefetch_related("options")
    return [_rule(each, erp_columns[each.erp_field], crm_columns[each.crm_column]) for each in fields]


def _rule(mapped: FieldMapping, erp: Column, crm: Column) -> FieldRule:
    return FieldRule(
        mapped.pk,
        erp,
        crm,
        Direction(mapped.direction),
        FieldKind(mapped.kind),
        mapped.lookup_id or 0,
        mapped.blank_means,
        mapped.clear_on_failed,
        mapped.not_null,
        {option.erp_code: option.option_value for option in mapped.options.all()},
    )


def resolve_lookups(rules: Sequence[FieldRule], erp: Iterable[Record], crm: Iterable[Record]) -> Lookups:
    """All references that these records make, resolved with a constant number of queries (I9)."""
    references = [rule for rule in rules if rule.kind == FieldKind.LOOKUP]
    keys = {(rule.lookup_id, rule.reference(record.values[rule.erp.name])) for record in erp for rule in references}
    ids = {(rule.lookup_id, str(record.values[rule.crm.name] or "")) for record in crm for rule in references}
    return Lookups.resolve([each for each in keys if each[1]], [each for each in ids if each[1]])
