"""Addresses of the guide and of the window's tasks."""

from django.urls import path, register_converter

from crmbridge.guide import environment, mappings, parts, views, window
from crmbridge.guide.steps import STEPS

app_name = "guide"


class StepName:
    """The name of a step."""

    regex = "|".join(step.name for step in STEPS)

    def to_python(self, value: str) -> str:
        """The name as it stands."""
        return value

    def to_url(self, value: str) -> str:
        """The name as it stands."""
        return value


class TaskName(StepName):
    """The name of a step that is a task by hand too."""

    regex = "|".join(step.name for step in STEPS if step.by_hand)


register_converter(StepName, "step")
register_converter(TaskName, "task")

urlpatterns = [
    path("guide/", views.ResumeView.as_view(), name="resume"),
    path("guide/<step:name>/", views.step, name="step"),
    path("set-up/<task:name>/", views.task, name="task"),
    path("parts/address/", parts.address, name="address"),
    path("parts/tables/", parts.tables, name="tables"),
    path("parts/availability/", parts.availability, name="availability"),
    path("parts/roles/", parts.roles, name="roles"),
    path("parts/counts/", parts.counted, name="counts"),
    path("health/", window.HealthView.as_view(), name="health"),
    path("test/", window.TestView.as_view(), name="test"),
    path("enable/", window.EnableView.as_view(), name="enable"),
    path("disable/", window.DisableView.as_view(), name="disable"),
    path("environment/", environment.EnvironmentView.as_view(), name="environment"),
    path("defaults/", window.DefaultsView.as_view(), name="defaults"),
    path("mappings/", mappings.MappingListView.as_view(), name="mappings"),
    path("mappings/<int:pk>/switch/", mappings.SwitchMappingView.as_view(), name="switch_mapping"),
]
