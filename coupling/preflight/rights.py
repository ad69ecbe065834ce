"""Which rights the mappings need, which the synchronization user has, and which role would give the rest. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.preflight.facts import Depth, Privilege, Traits
from connection.preflight.finding import Cell, Finding, Group, Level, RightsRow, all_well, listed, quoted
from coupling.preflight.ground import Subject

# The columns of the matrix, in the words of the metadata (PrivilegeType).
VERBS = ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign")
# What the connection reads whatever is mapped.
ALWAYS = (("organization", "Read"), ("systemuser", "Read"), ("role", "Read"), ("transactioncurrency", "Read"))

# What makes writing faster (the bulk messages) and the preflight complete; everything works without.
HELPFUL = tuple(
    (table, "Read")
    for table in ("sdkmessagefilter", "solution", "sdkmessageprocessingstep", "workflow", "duplicaterule")
)


@dataclass(frozen=True, slots=True)
class Need:
    """One right that is needed at a depth, and the mappings that need it; without a vital one nothing works."""

    table: str
    verb: str
    depth: Depth = Depth.GLOBAL
    mappings: tuple[str, ...] = ()
    is_vital: bool = True


def needs(subjects: Iterable[Subject]) -> list[Need]:
    """The rights that the mappings need, each once (dataverse-web-api.md 11; rows of every owner are synchronized)."""
    found: dict[tuple[str, str], dict[str, None]] = {each: {} for each in ALWAYS}
    for subject in subjects:
        for right in _needs_of(subject):
            found.setdefault(right, {})[subject.name] = None
    vital = [Need(table, verb, mappings=tuple(names)) for (table, verb), names in found.items()]
    return vital + [Need(table, verb, is_vital=False) for table, verb in HELPFUL if (table, verb) not in found]


def _needs_of(subject: Subject) -> Iterator[tuple[str, str]]:
    """Rows are read to be matched whatever the direction; a reference needs a right on both its ends."""
    table = subject.mapping.crm_table
    yield table, "Read"
    if not subject.to_crm:
        return
    yield table, "Create"
    yield table, "Write"
    for pair in subject.pairs:
        if pair.to_crm and pair.is_lookup and pair.field.lookup:
            yield table, "Append"
            yield pair.field.lookup.crm_table, "AppendTo"
            yield pair.field.lookup.crm_table, "Read"
            if pair.field.crm_column == "ownerid":
                yield table, "Assign"


def matrix(wanted: Sequence[Need], traits: Mapping[str, Traits], held: Mapping[str, Depth]) -> list[RightsRow]:
    """Every table with every right: needed, held, or missing."""
    tables = dict.fromkeys(need.table for need in wanted)
    by_right = {(need.table, need.verb): need for need in wanted}
    return [
        RightsRow(table, [_cell(verb, by_right.get((table, verb)), traits[table], held) for verb in VERBS])
        for table in tables
    ]


def _cell(verb: str, need: Need | None, traits: Traits, held: Mapping[str, Depth]) -> Cell:
    privilege = traits.privileges.get(verb)
    depth = need.depth if need else Depth.BASIC
    return Cell(verb, need is not None and privilege is not None, _has(privilege, depth, held))


def _has(privilege: Privilege | None, depth: Depth, held: Mapping[str, Depth]) -> bool:
    return privilege is not None and held.get(privilege.id, Depth.NONE) >= depth


def missing(
    wanted: Sequence[Need], traits: Mapping[str, Traits], held: Mapping[str, Depth]
) -> list[tuple[Need, Privilege]]:
    """The needs that the user's roles do not meet; a right that a table does not know is not needed on it."""
    named = [(need, traits[need.table].privileges.get(need.verb)) for need in wanted]
    return [(need, each) for need, each in named if each is not None and not _has(each, need.depth, held)]


def rights_findings(
    lacking: Sequence[tuple[Need, Privilege]], held: Mapping[str, Depth], giving: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """Each missing privilege with the roles that would give it."""
    findings = (_finding(need, each, held.get(each.id, Depth.NONE), giving.get(each.id, ())) for need, each in lacking)
    return all_well(Group.RIGHTS, findings, _("The synchronization user has every right that the mappings need."))


def _finding(need: Need, privilege: Privilege, depth: Depth, roles: Sequence[str]) -> Finding:
    text = _("The synchronization user lacks the privilege “{privilege}”.")
    fix = _("Add the privilege, for the whole organization, to a security role of the synchronization user.")
    if depth:
        text = _("The synchronization user has the privilege “{privilege}” for some rows only, not for all of them.")
        fix = _("Raise the privilege to the whole organization in a security role of the synchronization user.")
    elif roles:
        fix = _("Give the synchronization user one of these security roles: {roles}.")
        fix = format_lazy(fix, roles=quoted(roles, 3))
    text = format_lazy(text, privilege=privilege.name)
    if need.mappings:
        wanted = format_lazy(_("It is needed for {mappings}."), mappings=listed(need.mappings))
        text = format_lazy("{} {}", text, wanted)
    level = Level.BLOCKER if need.is_vital else Level.NOTICE
    return Finding(Group.RIGHTS, level, text, fix, need.table, privilege.name)
