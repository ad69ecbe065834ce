"""**Integration Table Mappings**: which tables are synchronized, and how each stands (S85, S86)."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.generic import TemplateView, View

from coupling.models import TableMapping
from coupling.prerequisites import parents
from crmbridge import home
from crmbridge.guide.progress import one_at_a_time, reconsider
from crmbridge.guide.tables import choices, needed_by, switch, with_prerequisites
from crmbridge.guide.task import SetupPage


class MappingListView(PermissionRequiredMixin, TemplateView):
    """Every mapping with both tables, direction and counts."""

    template_name = "crmbridge/window/mappings.html"
    permission_required = "coupling.view_tablemapping"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The lines, each with what runs before it."""
        mappings = list(TableMapping.objects.prefetch_related("fields"))
        before = _parents(mappings)
        lines = home.mapping_lines(self.request.user, mappings)
        rows = [(line, before.get(line.mapping.name, [])) for line in lines]
        return super().get_context_data(**kwargs) | {"rows": rows}


class SwitchMappingView(SetupPage, View):
    """Switches one mapping on with what it needs, or off where no other needs it (S20, S53)."""

    permission_required = "coupling.change_tablemapping"

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Switch to the state that the button names, and say what was done."""
        with transaction.atomic():
            one_at_a_time()
            mapping = get_object_or_404(TableMapping, pk=pk)
            if request.POST.get("to") == "on":
                self._say_on(mapping, switch_on(mapping))
            else:
                switch_off(mapping)
                self._say_off(mapping)
        return HttpResponseRedirect(reverse("guide:mappings"))

    def _say_on(self, mapping: TableMapping, switched: list[str]) -> None:
        if switched:
            text = ngettext("Switched on: %(names)s.", "Switched on with what it needs: %(names)s.", len(switched))
            messages.success(self.request, text % {"names": ", ".join(switched)})
        else:
            messages.info(self.request, _("%(mapping)s was on already.") % {"mapping": mapping})

    def _say_off(self, mapping: TableMapping) -> None:
        if mapping.is_enabled:
            messages.error(self.request, _("%(mapping)s stays on: others need it.") % {"mapping": mapping})
        else:
            messages.success(self.request, _("Switched off: %(names)s. Its couplings stay.") % {"names": mapping})


def switch_on(mapping: TableMapping) -> list[str]:
    """Switch the mapping on, with everything that it needs. Returns the names of those that were off."""
    names = with_prerequisites([mapping.name], choices())
    off = list(TableMapping.objects.filter(name__in=names, is_enabled=False))
    for each in off:
        switch(each, is_enabled=True)
    reconsider("data")
    mapping.refresh_from_db(fields=["is_enabled"])
    return [each.name for each in off]


def switch_off(mapping: TableMapping) -> list[str]:
    """Switch the mapping off, unless others that are on need it. Returns its name where it was switched."""
    offered = choices()
    enabled = set(TableMapping.objects.filter(is_enabled=True).values_list("name", flat=True))
    if not mapping.is_enabled or needed_by(enabled, offered)[mapping.name]:
        return []
    switch(mapping, is_enabled=False)
    reconsider("data")
    return [mapping.name]


def _parents(mappings: list[TableMapping]) -> dict[str, list[str]]:
    """Who runs before whom; nothing for mappings that need each other in a circle, which a run refuses by name."""
    try:
        return parents(mappings)
    except ValueError:
        return {}
