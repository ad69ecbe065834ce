"""Solutions, users and their roles: what an administrator does in the CRM (dataverse-web-api.md 11, 12)."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

from connection.dataverse.errors import NotDataverse
from connection.dataverse.http import API, Http
from connection.dataverse.query import literal, query

_USER = (
    "systemuserid",
    "fullname",
    "domainname",
    "internalemailaddress",
    "applicationid",
    "isdisabled",
    "islicensed",
    "accessmode",
    "_businessunitid_value",
)
# System jobs of the kind “Import Solution Async Operation”, and those that are over (table `asyncoperation`).
_IMPORT_SOLUTION, _COMPLETED = 203, 3
_ROLE = "roleid,name,_roletemplateid_value,_parentrootroleid_value"


@dataclass(frozen=True, slots=True)
class User:
    """A row of `systemuser`."""

    id: UUID
    name: str
    login: str
    email: str
    application_id: UUID | None
    is_disabled: bool
    is_licensed: bool
    access_mode: int
    business_unit_id: UUID


@dataclass(frozen=True, slots=True)
class Role:
    """A security role as one business unit has it; `root_id` is the same in all of them."""

    id: UUID
    name: str
    template_id: UUID | None
    root_id: UUID


@dataclass(frozen=True, slots=True)
class ImportJob:
    """How far an import has come; once it is over, `failures` name each component with its error."""

    progress: int
    is_over: bool
    failures: tuple[str, ...]


class Administration:
    """What an administrator's client can do besides reading and writing rows. Raises the errors of `Http`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def solution_version(self, unique_name: str) -> str | None:
        """The version of the installed solution, or None where it is not installed."""
        rows = self._rows(query("solutions", select="version", filter=f"uniquename eq {literal(unique_name)}"))
        return str(rows[0]["version"]) if rows else None

    def begin_import(self, package: bytes, job_id: UUID) -> None:
        """Have the CRM import a package in the background; `job_id` is what to ask for it later."""
        body = {
            "CustomizationFile": base64.b64encode(package).decode(),
            "OverwriteUnmanagedCustomizations": True,
            "PublishWorkflows": True,
            "ImportJobId": str(job_id),
        }
        self._http.post("ImportSolutionAsync", body)

    def import_job(self, job_id: UUID) -> ImportJob | None:
        """How the import stands, or None where the CRM knows of none, or has not come to it yet."""
        address = query("importjobs", select="progress,completedon,data", filter=f"importjobid eq {job_id}")
        rows = self._rows(address)
        if not rows:
            return None
        row = rows[0]
        return ImportJob(int(row["progress"] or 0), row["completedon"] is not None, _failures(row["data"] or ""))

    def is_importing(self) -> bool:
        """Whether the import of a solution, ours or another, runs or waits for its turn."""
        condition = f"operationtype eq {_IMPORT_SOLUTION} and statecode ne {_COMPLETED}"
        return bool(self._rows(query("asyncoperations", select="asyncoperationid", filter=condition, top=1)))

    def user(self, id: UUID) -> User | None:
        """The user with this ID."""
        return next(iter(self._users(f"systemuserid eq {id}")), None)

    def users_of_application(self, application_id: UUID) -> list[User]:
        """The users that the application acts as: one, or none."""
        return self._users(f"applicationid eq {application_id}")

    def users_named(self, name: str) -> list[User]:
        """The users with this login or e-mail address."""
        return self._users(f"domainname eq {literal(name)} or internalemailaddress eq {literal(name)}")

    def roles_of(self, user_id: UUID) -> list[Role]:
        """The roles of a user, direct and through teams."""
        found = self._roles(f"systemusers({user_id})/systemuserroles_association?$select={_ROLE}")
        teams = self._rows(f"systemusers({user_id})/teammembership_association?$select=teamid")
        for team in teams:
            found += self._roles(f"teams({team['teamid']})/teamroles_association?$select={_ROLE}")
        return list({role.id: role for role in found}.values())

    def roles_in(self, business_unit_id: UUID, root_ids: Iterable[UUID]) -> list[Role]:
        """The roles as the business unit has them, given by their IDs in the root business unit."""
        ids = [f"roleid eq {id} or _parentrootroleid_value eq {id}" for id in root_ids]
        condition = f"_businessunitid_value eq {business_unit_id} and ({' or '.join(ids)})"
        return self._roles(query("roles", select=_ROLE, filter=condition))

    def roles_named(self, name: str, business_unit_id: UUID) -> list[Role]:
        """The roles that the business unit knows by this name."""
        condition = f"name eq {literal(name)} and _businessunitid_value eq {business_unit_id}"
        return self._roles(query("roles", select=_ROLE, filter=condition))

    def give_role(self, user_id: UUID, role_id: UUID) -> None:
        """Give a user one more role."""
        link = {"@odata.id": f"{self._http.address}{API}roles({role_id})"}
        self._http.post(f"systemusers({user_id})/systemuserroles_association/$ref", link)

    def _users(self, condition: str) -> list[User]:
        return [_user(row) for row in self._rows(query("systemusers", select=",".join(_USER), filter=condition))]

    def _roles(self, address: str) -> list[Role]:
        return [_role(row) for row in self._rows(address)]

    def _rows(self, address: str) -> list[dict[str, Any]]:
        try:
            rows: list[dict[str, Any]] = self._http.get(address).json()["value"]
        except (KeyError, ValueError, TypeError) as error:
            raise NotDataverse(technical=f"unexpected JSON: {error!r}") from None
        return rows


def _user(row: Mapping[str, Any]) -> User:
    return User(
        id=UUID(row["systemuserid"]),
        name=row["fullname"] or "",
        login=row["domainname"] or "",
        email=row["internalemailaddress"] or "",
        application_id=_id(row["applicationid"]),
        is_disabled=bool(row["isdisabled"]),
        is_licensed=bool(row["islicensed"]),
        access_mode=int(row["accessmode"] or 0),
        business_unit_id=UUID(row["_businessunitid_value"]),
    )


def _role(row: Mapping[str, Any]) -> Role:
    id = UUID(row["roleid"])
    return Role(id, row["name"], _id(row["_roletemplateid_value"]), _id(row["_parentrootroleid_value"]) or id)


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _failures(protocol: str) -> tuple[str, ...]:
    """What failed and why, from the XML protocol of an import: `crmbridge Reader: The role is invalid.`"""
    if not protocol or "<!DOCTYPE" in protocol or "<!ENTITY" in protocol:
        return ()
    try:
        root = ElementTree.fromstring(protocol)  # noqa: S314 -- declarations were refused above
    except ElementTree.ParseError:
        return ()
    return tuple(_failure(element, result) for element in root.iter() for result in _failed(element))


def _failed(element: ElementTree.Element) -> list[ElementTree.Element]:
    return [result for result in element.findall("result") if result.get("result") == "failure"]


def _failure(element: ElementTree.Element, result: ElementTree.Element) -> str:
    name = element.get("LocalizedName") or element.get("name") or element.get("id") or element.tag
    return f"{name}: {result.get('errortext') or result.get('errorcode')}"
