"""Pages of the mapped tables: a list and a record page that serve every table mapping."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db.models import F, Value
from django.db.models.functions import Lower, Replace
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.generic import TemplateView

from coupling.comparison import compare, erp_record, is_coupled
from coupling.crm_page import crm_page_address
from coupling.explain import why_not_coupled
from coupling.listing import FILTERS, RecordFilter, RecordListing, erp_model, permissions_to_see
from coupling.models import TableMapping


def mapping_by_slug(slug: str) -> TableMapping:
    """The table mapping that an address names (`shipment-method` is SHIPMENT METHOD).

    Raises:
        Http404: there is none, or its ERP table is not installed.
    """
    named = TableMapping.objects.annotate(slug=Replace(Lower(F("name")), Value(" "), Value("-")))
    mapping = get_object_or_404(named.prefetch_related("fields"), slug=slug)
    try:
        erp_model(mapping)
    except LookupError as error:
        raise Http404(f"{mapping.erp_table} is not installed.") from error
    return mapping


class MappedTableView(PermissionRequiredMixin, TemplateView):
    """A page about the ERP table of one mapping; asks for the right to see that table and its couplings."""

    @cached_property
    def mapping(self) -> TableMapping:
        """The mapping that the address names."""
        return mapping_by_slug(self.kwargs["table"])

    def get_permission_required(self) -> list[str]:
        """The view permissions of the ERP table and of couplings."""
        return permissions_to_see(self.mapping)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The mapping and the title of its list, such as "Customer List"."""
        record = capfirst(str(erp_model(self.mapping)._meta.verbose_name))
        list_title = _("%(record)s List") % {"record": record}
        return super().get_context_data(**kwargs) | {"mapping": self.mapping, "list_title": list_title}


class RecordListView(MappedTableView):
    """The list of one ERP table, such as the **Customer List** (S56). Higher rooms add filters of their own."""

    template_name = "coupling/record_list.html"
    filters: Sequence[RecordFilter] = FILTERS

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The page of the list that the query string asks for."""
        listing = RecordListing(self.mapping, self.request.GET.dict(), self.filters)
        return super().get_context_data(**kwargs) | {"listing": listing, "page": listing.page}


class RecordView(MappedTableView):
    """One ERP record beside what the CRM agreed on last, its coupling, and the way to its CRM page (S60)."""

    template_name = "coupling/record.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The record, its fields compared, its coupling or why it has none."""
        erp_id: UUID = self.kwargs["erp_id"]
        record = erp_record(self.mapping, erp_id)
        if record is None:
            raise Http404(_("The record does not exist, or was deleted."))
        coupling = self.mapping.couplings.filter(erp_id=erp_id).first()
        return super().get_context_data(**kwargs) | {
            "record": record,
            "erp_id": erp_id,
            "coupling": coupling,
            "fields": compare(self.mapping, record, coupling),
            "reasons": [] if is_coupled(coupling) else why_not_coupled(self.mapping, record),
            "crm_page": crm_page_address(self.mapping, coupling.crm_id) if coupling else "",
        }
