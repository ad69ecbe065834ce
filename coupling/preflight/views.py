"""The preflight as a page, and as a part of other pages that fills itself in stage by stage."""

from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.views.generic import TemplateView

from connection.preflight.finding import Level
from coupling.preflight.check import Stage, checked


class PreflightView(PermissionRequiredMixin, TemplateView):
    """The page: the stages one after the other, or with `?whole` all of them in one answer (without JavaScript)."""

    http_method_names = ["get", "head"]
    template_name = "coupling/preflight/page.html"
    permission_required = "connection.change_crmconnection"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The whole report where it was asked for."""
        report = checked() if "whole" in self.request.GET else None
        return super().get_context_data(**kwargs) | {"report": report}


class StageView(PermissionRequiredMixin, TemplateView):
    """One stage and the place of the next one; after the last, what all of them come to.

    `worst` says how bad the stages before were, for that closing sentence; nothing depends on it.
    """

    http_method_names = ["get", "head"]
    template_name = "coupling/preflight/stage.html"
    permission_required = "connection.change_crmconnection"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the stage finds."""
        stage: Stage = self.kwargs["stage"]
        report = checked(stage)
        stages = list(Stage)
        is_last = report.was_stopped or stage == stages[-1]
        return super().get_context_data(**kwargs) | {
            "stage": stage,
            "report": report,
            "next": None if is_last else stages[stages.index(stage) + 1],
            "worst": Level(max(report.level, self._before())),
        }

    def _before(self) -> Level:
        worst = self.request.GET.get("worst", "")
        return Level(int(worst)) if worst in map(str, Level.values) else Level.OK
