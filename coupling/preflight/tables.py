"""Whether changes can be followed, records be told apart, and rows be written in bulk. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.dataverse.metadata import TableDefinition
from connection.preflight.facts import Traits
from connection.preflight.finding import Finding, Group, Level, all_well, listed
from coupling.preflight.ground import Subject


def tracking_findings(subjects: Iterable[Subject], traits: Mapping[str, Traits]) -> list[Finding]:
    """Tables whose changes cannot be followed (dataverse-web-api.md 8; switching on is 3.6)."""
    off = [each for each in subjects if each.from_crm and each.table and not each.table.change_tracking]
    findings = [_tracking(each, traits[each.mapping.crm_table]) for each in off]
    return all_well(Group.CHANGE_TRACKING, findings, _("Dynamics CRM tells of changes in every table that is read."))


def _tracking(subject: Subject, traits: Traits) -> Finding:
    table = subject.mapping.crm_table
    text = format_lazy(_("Change tracking is switched off for the table “{table}”."), table=table)
    fix = _(
        "In Power Apps, open the properties of the table “{table}”, then Advanced options, and choose “Track changes”."
    )
    if not traits.can_track:
        fix = _("It cannot be switched on for “{table}”: set the direction of the mapping to To Integration Table.")
    return Finding(Group.CHANGE_TRACKING, Level.BLOCKER, text, format_lazy(fix, table=table), subject.name)


def key_findings(subjects: Iterable[Subject]) -> list[Finding]:
    """Mappings whose records cannot be told apart or found on the other side."""
    whole = list(subjects)
    findings = [*(each for subject in whole for each in _keys(subject)), *_open_to_duplicates(whole)]
    return all_well(Group.KEYS, findings, _("Records can be found on both sides."))


def _keys(subject: Subject) -> Iterator[Finding]:
    if subject.erp is None or subject.table is None:
        return
    names = {field.name: field for field in subject.erp._meta.concrete_fields}
    for name in (subject.mapping.erp_key, subject.mapping.erp_id_field, subject.mapping.erp_modified_field):
        if name not in names:
            text = format_lazy(
                _("The ERP table has no field “{field}”, by which its records are told apart."), field=name
            )
            yield Finding(Group.KEYS, Level.BLOCKER, text, _("Correct the key fields of the mapping."), subject.name)
    for name in (subject.mapping.erp_key, subject.mapping.erp_id_field):
        if name in names and not names[name].unique:
            text = format_lazy(_("Nothing makes the ERP field “{field}” unique."), field=name)
            fix = _("Make the field unique, or choose another key field in the mapping.")
            yield Finding(Group.KEYS, Level.WARNING, text, fix, subject.name)
    if not subject.keys:
        text = _("No field is marked to match on, so that records which are on both sides cannot be found.")
        fix = _("Mark a field mapping to match on, for example a number or an e-mail address.")
        yield Finding(Group.KEYS, Level.WARNING, text, fix, subject.name)


def _open_to_duplicates(subjects: Iterable[Subject]) -> Iterator[Finding]:
    """One notice for all whose match fields the CRM does not keep unique."""
    names = [each.name for each in subjects if each.keys and each.table and not _is_alternate_key(each, each.table)]
    if names:
        text = _("The match fields of {names} are no alternate keys in Dynamics CRM, which allows a value twice there.")
        fix = _("Nothing has to be done; an alternate key on them would keep duplicates out.")
        yield Finding(Group.KEYS, Level.NOTICE, format_lazy(text, names=listed(names)), fix)


def _is_alternate_key(subject: Subject, table: TableDefinition) -> bool:
    return any({key.crm_column for key in subject.keys} == set(columns) for columns in table.keys.values())


def bulk_findings(subjects: Iterable[Subject]) -> list[Finding]:
    """Tables that are written, and take rows only one at a time inside a batch (dataverse-web-api.md 7)."""
    slow = [each for each in subjects if each.to_crm and each.table and not each.table.bulk_create]
    text = _("Dynamics CRM takes rows of “{table}” one at a time: writing many of them is slower.")
    findings = [
        Finding(Group.BULK, Level.NOTICE, format_lazy(text, table=each.mapping.crm_table), table=each.name)
        for each in slow
    ]
    return all_well(Group.BULK, findings, _("The tables that are written were asked for bulk support."))
