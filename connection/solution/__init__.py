"""The solution that crmbridge brings into Dynamics CRM: its content, its package, its state, its import."""

from connection.solution.building import build
from connection.solution.content import shipped
from connection.solution.importing import (
    ImportRunning,
    NewerInstalled,
    begin_import,
    latest_import,
    run_in_background,
    settle,
    settle_where_allowed,
)
from connection.solution.state import SolutionState, Standing, solution_state

__all__ = [
    "ImportRunning",
    "NewerInstalled",
    "SolutionState",
    "Standing",
    "begin_import",
    "build",
    "latest_import",
    "run_in_background",
    "settle",
    "settle_where_allowed",
    "shipped",
    "shipped_version",
    "solution_state",
]


def shipped_version() -> str:
    """The version of the solution that comes with this version of crmbridge."""
    return shipped().version
