"""What the solution brings, as the files of `package/` say it (mappings.md 0.5, 4.10, 4.11)."""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

FOLDER = Path(__file__).parent / "package"
Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `kind` is text, yes_no, money, decimal, date, moment or lookup."""

    schema: str
    kind: str
    labels: Labels
    length: int = 100
    precision: int = 2
    required: bool = False
    target: str = ""
    relationship: str = ""

    @property
    def name(self) -> str:
        """The logical name."""
        return self.schema.lower()


@dataclass(frozen=True, slots=True)
class Key:
    """An alternate key."""

    schema: str
    labels: Labels
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the solution, or with a `code` one of the CRM's own that gets more columns."""

    schema: str
    labels: Labels
    columns: tuple[Column, ...]
    keys: tuple[Key, ...] = ()
    plural: Labels = field(default_factory=dict)
    descriptions: Labels = field(default_factory=dict)
    entity_set: str = ""
    primary: str = ""
    code: int | None = None

    @property
    def name(self) -> str:
        """The logical name."""
        return self.schema.lower()

    @property
    def is_own(self) -> bool:
        """Whether the solution brings the table itself."""
        return self.code is None


@dataclass(frozen=True, slots=True)
class Role:
    """A security role, known in every environment by the same `id`; `is_for_people` ones are not the integration's."""

    id: UUID
    name: str
    privileges: tuple[str, ...]
    is_for_people: bool = False


@dataclass(frozen=True, slots=True)
class Publisher:
    """Whose prefix the names carry."""

    unique_name: str
    labels: Labels
    prefix: str
    option_prefix: int


@dataclass(frozen=True, slots=True)
class Solution:
    """Everything that is shipped."""

    unique_name: str
    version: str
    labels: Labels
    descriptions: Labels
    publisher: Publisher
    tables: tuple[Table, ...]
    roles: tuple[Role, ...]

    @property
    def integration_roles(self) -> tuple[Role, ...]:
        """The roles that the synchronization user needs."""
        return tuple(role for role in self.roles if not role.is_for_people)


@cache
def shipped() -> Solution:
    """The solution that comes with this version of crmbridge."""
    head = _read(FOLDER / "solution.json")
    return Solution(
        **head | {"publisher": Publisher(**head["publisher"])},
        tables=tuple(_table(_read(path)) for path in sorted((FOLDER / "tables").glob("*.json"))),
        roles=tuple(map(_role, _read(FOLDER / "roles.json"))),
    )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _table(said: dict[str, Any]) -> Table:
    keys = tuple(Key(key["schema"], key["labels"], tuple(key["columns"])) for key in said.pop("keys", ()))
    columns = tuple(Column(**column) for column in said.pop("columns"))
    return Table(columns=columns, keys=keys, entity_set=said.pop("set", ""), **said)


def _role(said: dict[str, Any]) -> Role:
    granted = {f"prv{verb}{name}" for grant in said["grants"] for name in grant["on"] for verb in grant["verbs"]}
    privileges = tuple(sorted(granted | set(said["privileges"])))
    return Role(UUID(said["id"]), said["name"], privileges, said.get("for_people", False))
