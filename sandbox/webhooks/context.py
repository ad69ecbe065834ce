"""The RemoteExecutionContext that a webhook is sent, as the service writes it in JSON (14.2). Pure."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.metadata.catalog import Table
from sandbox.metadata.columns import MONEY_SCALE, Column
from sandbox.rows.currencies import Values
from sandbox.webhooks.steps import SYNCHRONOUS, Image, Step

_CONTRACTS = "http://schemas.microsoft.com/xrm/2011/Contracts"
MAX_SIZE = 256 * 1024
Json = dict[str, Any]


@dataclass(frozen=True)
class Happening:
    """A change of a row: the message, what is written into it and by whom, and the whole row before and after it.

    The two images are there when a step wants them, and when the row exists at that moment.
    """

    message: str
    table: Table
    identity: str
    values: Values = field(repr=False)
    user: str
    before: Values | None = field(default=None, repr=False)
    after: Values | None = field(default=None, repr=False)


def _date(text: str) -> str:
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"/Date({int(moment.timestamp() * 1000)})/"


def _reference(identity: object, table: object) -> Json:
    kind = f"EntityReference:{_CONTRACTS}"
    return {"__type": kind, "Id": identity, "KeyAttributes": [], "LogicalName": table, "Name": None, "RowVersion": None}


def _value(column: Column, values: Values) -> Any:
    value = values[column.name]
    if value is None:
        return None
    if column.is_lookup:
        named = values.get(column.type_column) if column.is_polymorphic else next(iter(column.targets), None)
        return _reference(value, named)
    match column.type:
        case "picklist" | "state" | "status":
            return {"__type": f"OptionSetValue:{_CONTRACTS}", "Value": value}
        case "money":
            return {"__type": f"Money:{_CONTRACTS}", "Value": float(value) / MONEY_SCALE}
        case "datetime" | "date":
            return _date(str(value))
        case "boolean":
            return bool(value)
    return value


def _target(happening: Happening) -> Json:
    table = happening.table
    if happening.message == "Delete":
        return _reference(happening.identity, table.name)
    return _entity(table, happening.identity, {**happening.values, table.id: happening.identity})


def _entity(table: Table, identity: str, values: Values) -> Json:
    known = [column for name in values if (column := table.columns.get(name)) is not None]
    return {
        "__type": f"Entity:{_CONTRACTS}",
        "Attributes": [{"key": column.name, "value": _value(column, values)} for column in known],
        "EntityState": None,
        "FormattedValues": [],
        "Id": identity,
        "KeyAttributes": [],
        "LogicalName": table.name,
        "RelatedEntities": [],
        "RowVersion": None,
    }


def _images(happening: Happening, row: Values | None, images: Iterable[Image]) -> list[Json]:
    """Return copies of the row with the columns that each image names; columns without a value are left out."""
    if row is None:
        return []
    table = happening.table
    filled: Values = {name: value for name, value in row.items() if value is not None}
    found = []
    for image in images:
        chosen: Values = {n: value for n, value in filled.items() if not image.columns or n in image.columns}
        values = _with_types(table, chosen, row) | {table.id: happening.identity}
        found.append({"key": image.alias, "value": _entity(table, happening.identity, values)})
    return found


def _with_types(table: Table, values: Values, row: Values) -> Values:
    """Return the values with the tables that polymorphic lookups among them point to."""
    types = [column.type_column for column in table.columns.values() if column.is_polymorphic and column.name in values]
    return values | {name: row[name] for name in types}


def context_of(happening: Happening, organization: tuple[str, str, str], step: Step) -> tuple[bytes, bool]:
    """Return the body for a webhook, and whether it was too large to hold everything.

    `organization` is its id, its name and the business unit of the user.
    """
    now = datetime.now(UTC)
    content: Json = {
        "BusinessUnitId": organization[2],
        "CorrelationId": str(uuid.uuid4()),
        "Depth": 1,
        "InitiatingUserId": happening.user,
        "InputParameters": [{"key": "Target", "value": _target(happening)}],
        "IsExecutingOffline": False,
        "IsInTransaction": step.mode == SYNCHRONOUS,
        "MessageName": happening.message,
        "Mode": step.mode,
        "OperationCreatedOn": f"/Date({int(now.timestamp() * 1000)}+0000)/",
        "OperationId": str(uuid.uuid4()),
        "OrganizationId": organization[0],
        "OrganizationName": organization[1],
        "OutputParameters": [],
        "ParentContext": None,
        "PostEntityImages": _images(happening, happening.after, (i for i in step.images if i.after)),
        "PreEntityImages": _images(happening, happening.before, (i for i in step.images if i.before)),
        "PrimaryEntityId": happening.identity,
        "PrimaryEntityName": happening.table.name,
        "RequestId": str(uuid.uuid4()),
        "SharedVariables": [],
        "Stage": step.stage,
        "UserId": happening.user,
    }
    body = json.dumps(content, ensure_ascii=False).encode()
    if len(body) <= MAX_SIZE:
        return body, False
    for name in ("ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages"):
        del content[name]
    return json.dumps(content, ensure_ascii=False).encode(), True
