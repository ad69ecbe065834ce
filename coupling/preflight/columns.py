"""Whether the tables, fields and columns that the mappings name exist and fit each other. Pure."""

from collections.abc import Iterator, Sequence

from django.db import models
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.dataverse.drift import Drift, DriftKind
from connection.dataverse.metadata import LOOKUPS, ColumnDefinition
from connection.errors import Text
from connection.preflight.finding import Finding, Group, Level, listed
from coupling.models import FieldKind
from coupling.narrowing import has_field
from coupling.preflight.ground import Pair, Subject
from coupling.tables.crm import KINDS
from coupling.tables.table import Column

_OTHER_COLUMN = _("Choose another column in the field mapping, or disable it.")
_OTHER_FIELD = _("Choose another field in the field mapping, or disable it.")
# Dataverse fills these by itself where the caller does not.
_FILLED_BY_CRM = ("Owner", "State", "Status", "Uniqueidentifier", "Boolean")


def column_findings(subject: Subject) -> Iterator[Finding]:
    """What is wrong with the tables and columns of one mapping."""
    if subject.erp is None:
        text = format_lazy(_("The ERP table “{table}” is not installed."), table=subject.mapping.erp_table)
        yield _finding(
            subject, Level.BLOCKER, text, _("Correct the table's name in the mapping, or disable the mapping.")
        )
    if subject.table is None:
        text = format_lazy(_("Dynamics CRM has no table “{table}”."), table=subject.mapping.crm_table)
        fix = _("Import the solution if it is one of its tables; otherwise correct the mapping, or disable it.")
        yield _finding(subject, Level.BLOCKER, text, fix)
    if subject.erp is None or subject.table is None:
        return
    for pair in subject.pairs:
        yield from _pair_findings(subject, pair)
    yield from _setting_findings(subject)
    yield from _required_findings(subject)
    yield from _required_fields(subject, subject.erp)


def _pair_findings(subject: Subject, pair: Pair) -> Iterator[Finding]:
    erp, crm = subject.erp_columns.get(pair.field.erp_field), subject.column(pair)
    if erp is None:
        text = _("The ERP table has no field “{field}”.")
        yield _finding(subject, Level.BLOCKER, format_lazy(text, field=pair.field.erp_field), _OTHER_FIELD)
    if crm is None:
        text = _("Dynamics CRM has no column “{column}” in this table.")
        fix = _("Import or upgrade the solution if the column is one of its own; otherwise choose another column.")
        yield _finding(subject, Level.BLOCKER, format_lazy(text, column=pair.field.crm_column), fix)
    if erp is None or crm is None:
        return
    yield from _access_findings(subject, pair, crm)
    match pair.field.kind:
        case FieldKind.LOOKUP:
            yield from _lookup_findings(subject, pair, crm)
        case FieldKind.OPTION:
            if not crm.options:
                text = format_lazy(_("The column “{column}” has no options to choose from."), column=crm.name)
                yield _finding(subject, Level.BLOCKER, text, _OTHER_COLUMN)
        case _:
            yield from _value_findings(subject, pair, erp, crm)


def _access_findings(subject: Subject, pair: Pair, crm: ColumnDefinition) -> Iterator[Finding]:
    if pair.to_crm and not crm.can_create and not crm.can_update:
        text = format_lazy(_("The column “{column}” cannot be written: Dynamics CRM works it out."), column=crm.name)
        yield _finding(
            subject, Level.BLOCKER, text, _("Set the direction of the field mapping to From Integration Table.")
        )
    elif pair.to_crm and not crm.can_update:
        text = format_lazy(
            _("The column “{column}” can be written when a row is created, and not later."), column=crm.name
        )
        yield _finding(subject, Level.NOTICE, text)
    if not crm.can_read:
        text = format_lazy(_("The column “{column}” cannot be read."), column=crm.name)
        yield _finding(subject, Level.BLOCKER, text, _OTHER_COLUMN)


def _lookup_findings(subject: Subject, pair: Pair, crm: ColumnDefinition) -> Iterator[Finding]:
    target = pair.field.lookup
    assert target is not None  # lookup_names_its_mapping
    if crm.type not in LOOKUPS or target.crm_table not in crm.targets:
        text = _("The column “{column}” cannot refer to the table “{table}”.")
        text = format_lazy(text, column=crm.name, table=target.crm_table)
        yield _finding(subject, Level.BLOCKER, text, _("Choose another lookup mapping or another column."))
    if not target.is_enabled:
        text = _("“{field}” refers to records of {mapping}, which is disabled.")
        text = format_lazy(text, field=pair.field.erp_field, mapping=target.name)
        fix = _("Enable that mapping too; otherwise records that refer to uncoupled ones wait.")
        yield _finding(subject, Level.WARNING, text, fix)


def _value_findings(subject: Subject, pair: Pair, erp: Column, crm: ColumnDefinition) -> Iterator[Finding]:
    kind = _kind(crm)
    if (pair.to_crm and not fits(erp.kind, kind)) or (pair.from_crm and not fits(kind, erp.kind)):
        text = _("“{field}” holds {erp} and “{column}” holds {crm}, which do not fit each other.")
        text = format_lazy(text, field=erp.name, erp=_KIND_NAMES[erp.kind], column=crm.name, crm=_KIND_NAMES[kind])
        yield _finding(subject, Level.BLOCKER, text, _OTHER_COLUMN)
    elif pair.to_crm and crm.precision is not None and (erp.decimals or 0) > crm.precision:
        text = _("“{field}” has {more} decimals and “{column}” takes {fewer}: amounts are rounded.")
        text = format_lazy(text, field=erp.name, more=erp.decimals, column=crm.name, fewer=crm.precision)
        yield _finding(subject, Level.NOTICE, text)


def _kind(crm: ColumnDefinition) -> str:
    kind = KINDS.get(crm.type, "text")
    return "date" if kind == "datetime" and crm.date_only else kind


_KIND_NAMES: dict[str, Text] = {
    "text": _("text"),
    "code": _("codes"),
    "integer": _("whole numbers"),
    "decimal": _("numbers"),
    "boolean": _("yes or no"),
    "date": _("dates"),
    "datetime": _("times"),
    "id": _("ids"),
}
_NUMBERS = ("integer", "decimal")


def fits(source: str, target: str) -> bool:
    """Whether values of one kind can be stored as another: anything as text, numbers as numbers, else the same kind."""
    if target in ("text", "code"):
        return source != "boolean"
    return source == target or (source in _NUMBERS and target in _NUMBERS)


def _setting_findings(subject: Subject) -> Iterator[Finding]:
    """Filters and templates name columns too."""
    assert subject.table is not None
    assert subject.erp is not None
    theirs = [line[0] for line in subject.mapping.crm_filter] + list(subject.mapping.crm_template)
    ours = [line[0] for line in subject.mapping.erp_filter] + list(subject.mapping.erp_template)
    gone = [name for name in theirs if name not in subject.table.columns]
    gone += [name for name in ours if not has_field(subject.erp, name)]
    if gone:
        text = format_lazy(_("A filter or template names fields that do not exist: {names}."), names=", ".join(gone))
        yield _finding(subject, Level.BLOCKER, text, _("Correct the filter or the template of the mapping."))


def _required_findings(subject: Subject) -> Iterator[Finding]:
    """Columns that must be filled in a new row, and that neither a field mapping nor the template fills."""
    assert subject.table is not None
    filled = {pair.field.crm_column for pair in subject.pairs if pair.to_crm} | set(subject.mapping.crm_template)
    wanted = [each for each in subject.table.columns.values() if each.required and each.can_create]
    names = [each.name for each in wanted if each.name not in filled and each.type not in _FILLED_BY_CRM]
    if subject.to_crm and names:
        text = _("New rows must have {columns}, which no field mapping and no template fills.")
        text = format_lazy(text, columns=listed(names))
        yield _finding(
            subject, Level.WARNING, text, _("Add a field mapping, or a value to the template for new CRM rows.")
        )


def _required_fields(subject: Subject, model: type[models.Model]) -> Iterator[Finding]:
    """The same for new ERP records."""
    filled = {pair.field.erp_field for pair in subject.pairs if pair.from_crm} | set(subject.mapping.erp_template)
    names = [each.name for each in model._meta.concrete_fields if _must_be_given(each) and each.name not in filled]
    if subject.from_crm and names:
        text = _("New ERP records must have {fields}, which no field mapping and no template fills.")
        text = format_lazy(text, fields=listed(names))
        yield _finding(
            subject, Level.WARNING, text, _("Add a field mapping, or a value to the template for new ERP records.")
        )


def _must_be_given(field: "models.Field[object, object]") -> bool:
    return field.editable and not field.blank and not field.has_default() and not field.primary_key


def drift_findings(subject: Subject, drifts: Sequence[Drift]) -> Iterator[Finding]:
    """What has changed in the columns that the mapping uses since they were read before (dataverse-web-api.md 17.1)."""
    used = {pair.field.crm_column for pair in subject.pairs}
    told = (DriftKind.COLUMN_GONE, DriftKind.COLUMN_NEW, DriftKind.TRACKING_OFF)  # said by the other checks, or no harm
    for drift in drifts:
        if drift.column in used and drift.kind not in told:
            level = Level.WARNING if drift.is_breaking else Level.NOTICE
            text = format_lazy("{} {}", _("The table has changed since it was read last."), drift.text)
            yield _finding(subject, level, text, _("Look at the field mapping of this column."))


def _finding(subject: Subject, level: Level, text: Text, fix: Text = "") -> Finding:
    return Finding(Group.COLUMNS, level, text, fix, subject.name)
