"""Messages of duplicate detection: publish a rule, take it back, ask what a row would duplicate (4.9)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
from typing import Any

from sandbox import errors
from sandbox.addresses import RowAddress, parse_row
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Table
from sandbox.parameters import parameter
from sandbox.protocol import MAX_PAGE, Answer
from sandbox.query.options import Options
from sandbox.rows.duplicates import is_sound, published
from sandbox.rows.finding import require_id
from sandbox.rows.payload import reader
from sandbox.rows.reading import Among, Query
from sandbox.rows.values import GUID, Stored
from sandbox.service import Call
from sandbox.store.database import take_versions
from sandbox.store.schema import quoted

UNPUBLISHED, PUBLISHED = {"statecode": 0, "statuscode": 0}, {"statecode": 1, "statuscode": 2}
MOST_PUBLISHED = 5
Json = dict[str, Any]


def publish_rule(call: Call, identity: str) -> Answer:
    """Put a rule in force; the job that does so is done when the answer is given. Raises DataverseError (400)."""
    with call.store.writing() as connection:
        row = connection.execute(
            "SELECT name, baseentityname FROM duplicaterule WHERE duplicateruleid = ?", [identity]
        ).fetchone()
        count = "SELECT count(*) FROM duplicaterule WHERE statecode = 1 AND baseentityname = ? AND duplicateruleid <> ?"
        if connection.execute(count, [row[1], identity]).fetchone()[0] >= MOST_PUBLISHED:
            raise _refused(f"At most {MOST_PUBLISHED} rules can be published for '{row[1]}'.")
        if not is_sound(connection, call.catalog, identity):
            raise _refused("The rule has no conditions, or names tables or columns that do not exist.")
        _set_state(call, identity, PUBLISHED)
        job = _job(call, f"Publish: {row[0]}")
    return Answer.of(
        {"@odata.context": call.context("Microsoft.Dynamics.CRM.PublishDuplicateRuleResponse"), "JobId": job}
    )


def unpublish_rule(call: Call) -> Answer:
    """Take a rule out of force."""
    identity = str(call.request.json().get("DuplicateRuleId", "")).lower()
    with call.store.reading() as connection:
        require_id(connection, RowAddress(call.catalog.table("duplicaterule"), identity))
    _set_state(call, identity, UNPUBLISHED)
    return Answer.none()


def _refused(message: str) -> DataverseError:
    return DataverseError(400, errors.INVALID_ARGUMENT, message)


def _set_state(call: Call, identity: str, state: dict[str, int]) -> None:
    table = call.catalog.table("duplicaterule")
    with call.store.writing() as connection:
        writer = call.writer(connection)
        writer.require("Write", table)
        version = take_versions(connection, 1)[0]
        stamps: dict[str, Stored] = {"modifiedon": writer.now, "modifiedby": writer.user, "versionnumber": version}
        writer.store_changes(table, [{**state, **stamps, table.id: identity}])
        call.count("updated")


def _job(call: Call, name: str) -> str:
    """Keep what was done as a system job that has succeeded."""
    table = call.catalog.table("asyncoperation")
    with call.store.writing() as connection:
        writer = call.writer(connection).on_behalf()
        job = writer.create(table, [{"name": name}])[0]
        writer.update(table, [(job, {"statecode": 3, "statuscode": 30, "completedon": writer.now})])
    return job


# -- asking


def retrieve_duplicates(call: Call) -> Answer:
    """Return the rows of a table that the given row would duplicate, page by page. Raises DataverseError (400)."""
    entity, paging = parameter(call, "BusinessEntity"), parameter(call, "PagingInfo")
    matching = call.catalog.find(str(parameter(call, "MatchingEntityName")))
    if not isinstance(entity, dict) or matching is None or not isinstance(paging, dict):
        raise errors.bad_request("RetrieveDuplicates needs BusinessEntity, MatchingEntityName and PagingInfo.")
    call.access.require("Read", matching)
    count, page = _whole(paging, "Count", MAX_PAGE), _whole(paging, "PageNumber", 1)
    table, values = _entity(call, entity)
    with call.store.reading() as connection:
        found = sorted(_duplicates(call, table, values, matching))
        chosen = Among(found[(page - 1) * count : page * count])
        query = Query(
            connection, call.catalog, matching, Options(), call.preferences.annotations, call.user, call.access
        )
        rows = json.loads(b"[%s]" % query.page(max(count, 1), None, chosen).json)
    typed = [{"@odata.type": f"#Microsoft.Dynamics.CRM.{matching.name}", **row} for row in rows]
    return Answer.of({"@odata.context": call.context("crmbaseentity"), "value": typed})


def _whole(paging: Json, name: str, default: int) -> int:
    number = paging.get(name) or default
    if type(number) is not int or not 0 < number <= MAX_PAGE:
        raise errors.bad_request(f"The {name} of PagingInfo must be a number from 1 to {MAX_PAGE}.")
    return number


def _entity(call: Call, entity: Json) -> tuple[Table, dict[str, Stored]]:
    """Return the table and the values of a row that is given by its columns, by its address or by its id."""
    if isinstance(entity.get("@odata.id"), str):
        address = parse_row(call.catalog, entity["@odata.id"])
        with call.store.reading() as connection:
            return address.table, _stored(call, address.table, require_id(connection, address))
    name = str(entity.get("@odata.type", "")).lstrip("#").removeprefix("Microsoft.Dynamics.CRM.")
    table = call.catalog.find(name)
    if table is None:
        raise errors.bad_request("The BusinessEntity must name its type under '@odata.type'.")
    values = reader(table, creating=True).read(entity).values
    identity = values.get(table.id)
    if isinstance(identity, str) and GUID.fullmatch(identity):
        values = {**_stored(call, table, identity), **values}
    return table, values


def _stored(call: Call, table: Table, identity: str) -> dict[str, Stored]:
    with call.store.reading() as connection:
        sql = f"SELECT * FROM {quoted(table.name)} WHERE {quoted(table.id)} = ?"
        cursor = connection.execute(sql, [identity])
        row = cursor.fetchone()
        return dict(zip((item[0] for item in cursor.description), row, strict=True)) if row else {}


def _duplicates(call: Call, table: Table, values: dict[str, Stored], matching: Table) -> set[str]:
    named = ", ".join(f"? AS {quoted(name)}" for name in table.columns)
    given = [values.get(name) for name in table.columns]
    found: set[str] = set()
    with call.store.reading() as connection:
        for rule in published(connection, call.catalog, table):
            if rule.matching is matching:
                sql = f"{rule.pairs(f'(SELECT {named})', table.id if matching is table else '')} LIMIT {MAX_PAGE}"
                found |= {row[0] for row in connection.execute(sql, given)}
    return found
