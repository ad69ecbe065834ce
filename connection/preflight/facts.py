"""What the preflight knows of the CRM whatever is mapped: the synchronization user, its rights, the environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

from django.utils import timezone

from connection.dataverse.answer import Answer
from connection.dataverse.client import DataverseClient
from connection.dataverse.query import is_in, literal, query
from connection.errors import CRMBridgeError, FixSetup
from connection.solution.content import shipped

ADMINISTRATOR_TEMPLATE = "627090ff-40a3-4053-8790-584edc5be201"
CUSTOMIZER_TEMPLATE = "119f245c-3cc8-4b62-b31c-d1a046ced15d"
ROLES = "systemuserroles_association($select=name,_roletemplateid_value)"
TEAM_ROLES = "teamroles_association($select=name,_roletemplateid_value)"


class Depth(IntEnum):
    """How far a privilege reaches; a missing one not at all (dataverse-web-api.md 11)."""

    NONE = 0
    BASIC = 1
    LOCAL = 2
    DEEP = 3
    GLOBAL = 4


@dataclass(frozen=True, slots=True)
class Role:
    """A security role; `template` tells the ones that every environment ships, whatever their translated name."""

    name: str
    template: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """A user who works for us in the CRM, with its roles of its own and of its teams."""

    id: UUID
    name: str
    is_disabled: bool = False
    is_licensed: bool = True
    is_application: bool = True
    roles: Sequence[Role] = ()

    @property
    def is_administrator(self) -> bool:
        """Whether one of its roles is System Administrator."""
        return any(role.template == ADMINISTRATOR_TEMPLATE for role in self.roles)


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment as the synchronization user sees it. `ahead` is how far the CRM's clock is before ours."""

    user: User
    version: str = ""
    is_disabled: bool = False
    is_audited: bool = False
    ahead: timedelta = timedelta()
    organization_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Privilege:
    """What there is to be allowed on a table: `verb` as the metadata calls it (Create, AppendTo)."""

    id: str
    name: str
    verb: str


@dataclass(frozen=True, slots=True)
class Traits:
    """What a table's definition says beyond its columns; all blank where the CRM has no such table."""

    privileges: Mapping[str, Privilege] = field(default_factory=dict)
    can_track: bool = False
    is_audited: bool = False


def read_environment(client: DataverseClient) -> Environment:
    """Ask who we are and where, with three requests. Raises what the client raises."""
    me = client.who_am_i()
    theirs, ours = client.moment(), timezone.now()
    user, teams, version, organizations = client.answers(
        [
            *_of_user(me.user_id),
            "RetrieveVersion()",
            query("organizations", select="name,isdisabled,isauditenabled", top=1),
        ]
    )
    organization = (_rows(organizations) or [{}])[0]
    return Environment(
        _user(me.user_id, user, teams),
        str(version.json().get("Version", "")),
        bool(organization.get("isdisabled")),
        bool(organization.get("isauditenabled")),
        _difference(theirs, ours),
        me.organization_id,
    )


def read_user(client: DataverseClient, user: UUID) -> User:
    """Another user, with one request. Raises what the client raises, and what the CRM refuses."""
    return _user(user, *client.answers(_of_user(user)))


def _of_user(user: UUID) -> list[str]:
    columns = "fullname,isdisabled,islicensed,accessmode,applicationid"
    return [
        query(f"systemusers({user})", select=columns, expand=ROLES),
        query(f"systemusers({user})/teammembership_association", select="name", expand=TEAM_ROLES),
    ]


def _user(id_: UUID, found: Answer, teams: Answer) -> User:
    if found.error:
        raise found.error
    row = found.json()
    owned = [row["systemuserroles_association"], *(team["teamroles_association"] for team in _rows(teams))]
    roles = [Role(role["name"], role.get("_roletemplateid_value") or "") for roles in owned for role in roles]
    return User(
        id_,
        row.get("fullname") or "",
        bool(row.get("isdisabled")),
        bool(row.get("islicensed")),
        bool(row.get("applicationid")),
        roles,
    )


def _rows(answer: Answer) -> list[dict[str, Any]]:
    """The rows of an answer; none where the user may not see them (what then is missing is found by the rights)."""
    return [] if isinstance(answer.error, FixSetup) else list(answer.json()["value"])


def _difference(theirs: datetime | None, ours: datetime) -> timedelta:
    return theirs - ours if theirs else timedelta()


def read_held(client: DataverseClient, user: UUID) -> dict[str, Depth]:
    """The depth of every privilege that the user has by its roles, by id. Raises what the client raises."""
    (answer,) = client.answers([f"systemusers({user})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()"])
    granted = answer.json()["RolePrivileges"]
    return {each["PrivilegeId"].lower(): Depth[each["Depth"].upper()] for each in granted}


def shipped_roles_with(privileges: Sequence[Privilege]) -> dict[str, list[str]]:
    """For each privilege the names of the solution's own roles that hold it."""
    roles = shipped().integration_roles
    return {each.id: [role.name for role in roles if each.name in role.privileges] for each in privileges}


def read_roles_with(client: DataverseClient, privileges: Sequence[Privilege]) -> dict[str, list[str]]:
    """For each privilege the roles that hold it: the solution's own, else the CRM's as far as the user may see them.

    System Administrator and Customizer are left out: they hold everything.
    """
    own = shipped_roles_with(privileges)
    privileges = [each for each in privileges if not own[each.id]]
    return own | (_read_roles_with(client, privileges) if privileges else {})


def _read_roles_with(client: DataverseClient, privileges: Sequence[Privilege]) -> dict[str, list[str]]:
    expand = "roleprivileges_association($select=name,_roletemplateid_value)"
    condition = is_in("privilegeid", [each.id for each in privileges])
    (answer,) = client.answers([query("privileges", select="privilegeid", filter=condition, expand=expand)])
    return {row["privilegeid"].lower(): _giving(row["roleprivileges_association"]) for row in _rows(answer)}


def _giving(roles: Sequence[Mapping[str, Any]]) -> list[str]:
    shipped = (ADMINISTRATOR_TEMPLATE, CUSTOMIZER_TEMPLATE)
    return sorted({role["name"] for role in roles if role.get("_roletemplateid_value") not in shipped})


def read_traits(client: DataverseClient, tables: Sequence[str]) -> dict[str, Traits]:
    """What the definitions of `tables` say, with one request. Raises what the client raises."""
    select = "LogicalName,Privileges,IsAuditEnabled,CanChangeTrackingBeEnabled"
    urls = [f"EntityDefinitions(LogicalName={literal(table)})?$select={select}" for table in tables]
    return dict(zip(tables, map(_traits, client.answers(urls)), strict=True)) if tables else {}


def _traits(answer: Answer) -> Traits:
    if answer.status == 404:
        return Traits()
    entity = answer.json()
    listed = entity.get("Privileges") or []
    return Traits(
        {
            each["PrivilegeType"]: Privilege(each["PrivilegeId"].lower(), each["Name"], each["PrivilegeType"])
            for each in listed
        },
        _managed(entity.get("CanChangeTrackingBeEnabled")),
        _managed(entity.get("IsAuditEnabled")),
    )


def _managed(value: Mapping[str, Any] | None) -> bool:
    return bool((value or {}).get("Value"))


def refusal(answer: Answer) -> CRMBridgeError | None:
    """Why an optional question got no answer: the CRM knows no such table, or the user may not ask."""
    return answer.error if isinstance(answer.error, FixSetup) else None
