"""What a preflight finds: findings with their level, and the report of all of them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import IntegerChoices, TextChoices
from django.utils.functional import lazy
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from connection.errors import CRMBridgeError, RetryLater, Text


class Level(IntegerChoices):
    """How bad a finding is; only blockers stand in the way of going on."""

    OK = 0, gettext_lazy("OK")
    NOTICE = 1, gettext_lazy("Notice")
    WARNING = 2, gettext_lazy("Warning")
    BLOCKER = 3, gettext_lazy("Blocker")


class Group(TextChoices):
    """What a finding is about, in the order in which findings are read."""

    CONNECTION = "connection", gettext_lazy("Connection and synchronization user")
    RIGHTS = "rights", gettext_lazy("Rights")
    CURRENCIES = "currencies", gettext_lazy("Currencies")
    COLUMNS = "columns", gettext_lazy("Tables and fields")
    VALUES = "values", gettext_lazy("Values")
    CHANGE_TRACKING = "change_tracking", gettext_lazy("Change tracking")
    KEYS = "keys", gettext_lazy("Keys")
    BULK = "bulk", gettext_lazy("Bulk support")
    DUPLICATES = "duplicates", gettext_lazy("Duplicates")
    SIZES = "sizes", gettext_lazy("Sizes and time")
    SIDE_EFFECTS = "side_effects", gettext_lazy("Side effects")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found out: plain words, what to do about it, and the table that it concerns (if one)."""

    group: Group
    level: Level
    text: Text
    fix: Text = ""
    table: str = ""
    technical: str = ""

    @property
    def tone(self) -> str:
        """The colour that the level is shown in."""
        return _TONES[self.level]

    def __str__(self) -> str:
        where = f"{self.table}: " if self.table else ""
        return f"[{self.level.label}] {where}{self.text} {self.fix}".rstrip()

    def to_json(self) -> dict[str, str]:
        """The finding as JSON values, its words in the reader's language."""
        return {
            "group": self.group.value,
            "level": self.level.name.lower(),
            "table": self.table,
            "text": str(self.text),
            "fix": str(self.fix),
        }


# As the security role editor of the Power Platform calls them.
_VERBS: dict[str, Text] = {
    "Create": gettext_lazy("Create"),
    "Read": gettext_lazy("Read"),
    "Write": gettext_lazy("Write"),
    "Delete": gettext_lazy("Delete"),
    "Append": gettext_lazy("Append"),
    "AppendTo": gettext_lazy("Append To"),
    "Assign": gettext_lazy("Assign"),
}
_TONES = {Level.OK: "good", Level.NOTICE: "busy", Level.WARNING: "wait", Level.BLOCKER: "bad"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One right on one table: whether it is needed, and whether the synchronization user has it."""

    verb: str
    is_needed: bool
    is_held: bool

    @property
    def label(self) -> Text:
        """The right in the reader's words."""
        return _VERBS.get(self.verb, self.verb)

    @property
    def is_missing(self) -> bool:
        """Whether it is needed and not held."""
        return self.is_needed and not self.is_held


@dataclass(frozen=True, slots=True)
class RightsRow:
    """The rights on one table, one cell a verb."""

    table: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """Everything that was found, how many requests to the CRM it took, and how long.

    `was_stopped` tells that the CRM refused, so that the checks are not complete.
    """

    findings: Sequence[Finding] = ()
    rights: Sequence[RightsRow] = ()
    requests: int = 0
    seconds: float = 0.0
    was_stopped: bool = False

    @property
    def level(self) -> Level:
        """The worst level among the findings."""
        return max((finding.level for finding in self.findings), default=Level.OK)

    @property
    def is_ready(self) -> bool:
        """Whether nothing stands in the way."""
        return self.level < Level.BLOCKER

    @property
    def blockers(self) -> list[Finding]:
        """What has to be mended first."""
        return [finding for finding in self.findings if finding.level == Level.BLOCKER]

    @property
    def by_group(self) -> list[tuple[Group, list[Finding]]]:
        """The findings of each group that has any, the worst first."""
        grouped = [(group, [each for each in self.findings if each.group == group]) for group in Group]
        return [(group, sorted(found, key=lambda each: -each.level)) for group, found in grouped if found]

    def joined(self, other: "PreflightReport") -> "PreflightReport":
        """Both reports as one."""
        return PreflightReport(
            [*self.findings, *other.findings],
            [*self.rights, *other.rights],
            self.requests + other.requests,
            self.seconds + other.seconds,
            self.was_stopped or other.was_stopped,
        )

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values, its words in the reader's language."""
        return {
            "level": self.level.name.lower(),
            "is_ready": self.is_ready,
            "findings": [each.to_json() for _, group in self.by_group for each in group],
            "rights": [_rights_json(row) for row in self.rights],
            "requests": self.requests,
            "seconds": round(self.seconds, 2),
        }

    def __str__(self) -> str:
        lines = [f"{group.label}\n" + "\n".join(f"  {each}" for each in found) for group, found in self.by_group]
        return "\n".join([*lines, _("%(count)d requests to Dynamics CRM.") % {"count": self.requests}])


def _rights_json(row: RightsRow) -> dict[str, Any]:
    cells = {cell.verb: {"needed": cell.is_needed, "held": cell.is_held} for cell in row.cells}
    return {"table": row.table, "verbs": cells}


def all_well(group: Group, findings: Iterable[Finding], text: Text) -> list[Finding]:
    """The findings, or where there is none worse than a notice, what was looked at and found well before them."""
    found = list(findings)
    if any(each.level >= Level.WARNING for each in found):
        return found
    return [Finding(group, Level.OK, text), *found]


def from_error(group: Group, error: CRMBridgeError, table: str = "") -> Finding:
    """What stopped a check, as a finding: what was not checked is not ready, also where asking again will do."""
    fix = gettext_lazy("Run the checks again in a moment.") if isinstance(error, RetryLater) else error.fix
    return Finding(group, Level.BLOCKER, error.text, fix, table, error.technical)


def quoted(values: Iterable[object], most: int = 5) -> str:
    """Some examples, as they stand in a sentence: “A”, “B”, …"""
    listed = [f"“{value}”" for value in values]
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")


def _listed(names: Iterable[object]) -> str:
    return get_text_list([*map(str, names)], _("and"))


# Names as they stand in a sentence, put together in the reader's language: A, B and C.
listed = lazy(_listed, str)
