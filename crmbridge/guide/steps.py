"""The steps of the guide in their order."""

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _

from connection.errors import Text


@dataclass(frozen=True, slots=True)
class Step:
    """One page of the guide; `name` stands in its address. `by_hand` is its task's title in the window, where it is."""

    name: str
    title: Text
    by_hand: Text = ""


STEPS: Final = (
    Step("start", _("What will happen")),
    Step("address", _("Environment and sign-in"), _("Environment and sign-in")),
    Step("data", _("Data to synchronize"), _("Choose data to synchronize")),
    Step("solution", _("Import the solution"), _("Import or redeploy the solution")),
    Step("user", _("Synchronization user"), _("Synchronization user and roles")),
    Step("options", _("Options"), _("Item availability and sales orders")),
    Step("check", _("Preflight check"), _("Preflight check")),
    Step("finish", _("Finish")),
)
NAMES: Final = tuple(step.name for step in STEPS)
# Whatever changes before it must be looked at anew.
CHECK: Final = "check"


def after(name: str) -> str:
    """The name of the step that follows `name`."""
    return NAMES[NAMES.index(name) + 1]


def before(name: str) -> str:
    """The name of the step before `name`, or '' for the first."""
    place = NAMES.index(name)
    return NAMES[place - 1] if place else ""
