"""Whether the CRM has the solution, and whether it is the one that this version of crmbridge brings (S21, F5.14)."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from connection.clients import client_for
from connection.dataverse.client import DataverseClient
from connection.errors import CRMBridgeError
from connection.solution.content import shipped

if TYPE_CHECKING:
    from connection.models import CRMConnection


class Standing(TextChoices):
    """How the installed solution compares with the one that is shipped."""

    MISSING = "missing", _("Not installed")
    OUTDATED = "outdated", _("Older than this version of crmbridge brings")
    CURRENT = "current", _("Up to date")
    NEWER = "newer", _("Newer than this version of crmbridge brings")
    UNKNOWN = "unknown", _("Not known")


@dataclass(frozen=True, slots=True)
class SolutionState:
    """The installed and the shipped version; with an `error`, the installed one is the one that was last seen."""

    standing: Standing
    installed: str
    shipped: str
    error: CRMBridgeError | None = None

    @property
    def ok(self) -> bool:
        """Whether everything that crmbridge uses is there."""
        return self.standing in (Standing.CURRENT, Standing.NEWER)


def solution_state(connection: "CRMConnection") -> SolutionState:
    """What the synchronization user sees of the solution; the version is noted on `connection`. Raises nothing of ours.

    Where the user may not look (it has no role before it is given one), the import's administrator has looked last.
    """
    try:
        installed = installed_version(client_for(connection))
    except CRMBridgeError as error:
        if connection.solution_version:
            return replace(compared(connection.solution_version), error=error)
        return SolutionState(Standing.UNKNOWN, "", shipped().version, error)
    note_version(connection, installed)
    return compared(installed)


def installed_version(client: DataverseClient) -> str | None:
    """The version that is installed, if one is. Raises what the CRM says."""
    return client.administration.solution_version(shipped().unique_name)


def compared(installed: str | None) -> SolutionState:
    """How the installed version stands to the shipped one; one that is no version counts as outdated (F5.14)."""
    if installed is None:
        return SolutionState(Standing.MISSING, "", shipped().version)
    theirs, ours = _parts(installed), _parts(shipped().version)
    standing = Standing.CURRENT if theirs == ours else Standing.NEWER if theirs > ours else Standing.OUTDATED
    return SolutionState(standing, installed, shipped().version)


def note_version(connection: "CRMConnection", installed: str | None) -> None:
    """Remember which version was seen, unless the connection leads to another environment by now."""
    if connection.solution_version != (installed or ""):
        connection.solution_version = installed or ""
        connection.as_read("address").update(solution_version=connection.solution_version)


def _parts(version: str) -> tuple[int, ...]:
    """Four numbers that compare as versions do (dataverse-web-api.md 12); nothing for what is no version."""
    parts = version.split(".")
    if len(parts) > 4 or not all(part.isascii() and part.isdigit() for part in parts):
        return ()
    return (*map(int, parts), 0, 0, 0)[:4]
