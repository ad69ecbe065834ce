"""What can keep a single record from being carried over, beyond what the CRM itself answers."""

from django.utils.translation import gettext_lazy as _

from connection.errors import FixRecord, RetryLater


class RecordChanged(RetryLater):
    """The record changed between reading and writing; it is read and judged again (I2)."""

    text = _("The record was changed while it was being synchronized.")


class RecordBusy(RetryLater):
    """The ERP's database could not write the record just now (a lock, a deadlock)."""

    text = _("The ERP was busy with the record.")


class ValueUnfit(FixRecord):
    """Something that is no number belongs where a number belongs, or a number is too large."""

    fix = _("Correct the value on the record, or the field mapping.")


class OptionUnmapped(FixRecord):
    """A code has no option, or an option no code (mappings.md G-2)."""

    fix = _("Map the value under Option mappings, or choose another value on the record.")


class PartnerMissing(FixRecord):
    """The record that this one is coupled to no longer exists."""

    text = _("The coupled record has been deleted on the other side.")
    fix = _("Delete the coupling, or restore the deleted record.")


class AmbiguousMatch(FixRecord):
    """More than one record could be the partner; creating another would make it worse."""

    text = _("More than one record on the other side matches.")
    fix = _("Couple the record by hand with the right one.")
