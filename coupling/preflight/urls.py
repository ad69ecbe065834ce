"""Addresses of the preflight."""

from django.urls import path, register_converter

from coupling.preflight.check import Stage
from coupling.preflight.views import PreflightView, StageView

app_name = "preflight"


class StageName:
    """The name of a stage."""

    regex = "|".join(Stage.values)

    def to_python(self, value: str) -> Stage:
        """The stage."""
        return Stage(value)

    def to_url(self, value: str) -> str:
        """The name as it stands."""
        return str(value)


register_converter(StageName, "preflight_stage")

urlpatterns = [
    path("", PreflightView.as_view(), name="all"),
    path("<preflight_stage:stage>/", StageView.as_view(), name="stage"),
]
