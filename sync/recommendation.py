"""What a full synchronization should do with a mapping, and why (F4.2, C1)."""

from typing import NamedTuple

from django.utils.formats import number_format
from django.utils.functional import Promise, lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from connection.dataverse.client import DataverseClient
from coupling.models import Coupling, CouplingState, Direction, TableMapping
from coupling.tables.erp import ERPTable
from sync.models import JobState, JobType, Recommendation, SynchJob


class Advice(NamedTuple):
    """A recommendation with its reason, and how many records each side holds."""

    recommendation: Recommendation
    reason: str | Promise
    erp: int
    crm: int


def advise(mapping: TableMapping, client: DataverseClient) -> Advice:
    """Count both sides and say what to do; costs one request.

    Raises:
        CRMBridgeError: the CRM cannot be asked.
    """
    erp, crm = ERPTable(mapping, []).count(), client.count(mapping.crm_table)
    coupled = Coupling.objects.filter(mapping=mapping, state=CouplingState.COUPLED).count()
    return Advice(*judge(mapping, erp, crm, coupled), erp, crm)


def judge(mapping: TableMapping, erp: int, crm: int, coupled: int) -> tuple[Recommendation, str | Promise]:
    """The recommendation for a mapping whose sides hold so many records, of which so many are coupled."""
    direction = Direction(mapping.direction)
    read = [count for goes, count in ((direction.to_crm, erp), (direction.from_crm, crm)) if goes]
    if not any(read):
        return Recommendation.NOTHING, _("There is nothing to send.")
    if coupled >= max(read):
        return Recommendation.FULL, _("Everything is coupled already; all values are compared.")
    if coupled:
        return Recommendation.FULL, lazy(_others_follow, str)(coupled)
    if not erp or not crm:
        return Recommendation.FULL, _("One side is empty.")
    if direction == Direction.FROM_CRM:
        return Recommendation.FULL, _("The CRM is the source; what matches is coupled, the others are created here.")
    # A new CRM holds its base currency and primary unit group, which say nothing about whether it has been in use.
    if crm == 1:
        return Recommendation.FULL, _("The CRM holds nothing but the record that it came with.")
    keys = set(mapping.fields.filter(is_match_key=True).values_list("erp_field", flat=True))
    if direction == Direction.TO_CRM and mapping.erp_key in keys:
        return Recommendation.FULL, _(
            "What has the same code on both sides is coupled, the others are created in the CRM."
        )
    if keys and _has_been_coupled(mapping):
        return Recommendation.FULL, _(
            "Coupling has run and left these records: they match nothing on the other side, and are created there."
        )
    if keys:
        return Recommendation.COUPLE, _(
            "Both sides hold records that are not coupled. Couple what matches first, so that nothing is made twice."
        )
    return Recommendation.COUPLE, _(
        "Both sides hold records that are not coupled, and no field is chosen to match them by. Choose one first, or "
        "everything would be made twice."
    )


def _others_follow(count: int) -> str:
    text = ngettext(
        "%(count)s record is coupled already; the others get a partner.",
        "%(count)s records are coupled already; the others get a partner.",
        count,
    )
    return text % {"count": number_format(count, force_grouping=True)}


def _has_been_coupled(mapping: TableMapping) -> bool:
    """Whether a run has tried to match the records, so that trying again would find nothing new."""
    return SynchJob.objects.filter(mapping=mapping, type=JobType.COUPLING, state=JobState.FINISHED).exists()
