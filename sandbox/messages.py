"""Functions and actions that belong to no table: WhoAmI and the like (dataverse-web-api.md 5.2, 11, 16.1)."""

import uuid
from collections.abc import Callable
from typing import Any

from sandbox import defining, duplicating, errors, selling
from sandbox.metadata.attributes import attribute
from sandbox.metadata.definitions import entity
from sandbox.parameters import parameter
from sandbox.protocol import Answer
from sandbox.query.evaluating import choose
from sandbox.query.options import Options
from sandbox.rows.deleting import delete_many
from sandbox.rows.reading import Query
from sandbox.rows.values import GUID
from sandbox.service import Call
from sandbox.solutions.importing import (
    import_solution,
    import_solution_async,
    stage_and_upgrade,
    stage_solution,
)
from sandbox.solutions.layers import delete_and_promote

Json = dict[str, Any]
VERSION = "9.2.25063.00165"


def who_am_i(call: Call) -> Answer:
    """Return who calls, with the recommended degree of parallelism (1.4)."""
    with call.store.reading() as connection:
        unit = connection.execute(
            "SELECT businessunitid FROM systemuser WHERE systemuserid = ?", [call.user]
        ).fetchone()
        organization = connection.execute("SELECT organizationid FROM organization").fetchone()
    content = {
        "@odata.context": call.context("Microsoft.Dynamics.CRM.WhoAmIResponse"),
        "BusinessUnitId": unit[0] if unit else None,
        "UserId": call.user,
        "OrganizationId": organization[0] if organization else None,
    }
    return Answer.of(content)


def retrieve_version(call: Call) -> Answer:
    """Return the version of the service."""
    content = {"@odata.context": call.context("Microsoft.Dynamics.CRM.RetrieveVersionResponse"), "Version": VERSION}
    return Answer.of(content)


def total_record_count(call: Call) -> Answer:
    """Return how many rows each named table has. Raises DataverseError (400) for an unknown table."""
    names = parameter(call, "EntityNames")
    if not isinstance(names, list):
        raise errors.bad_request("RetrieveTotalRecordCount needs a list of EntityNames.")
    counts = []
    with call.store.reading() as connection:
        for name in names:
            table = call.catalog.find(str(name))
            if table is None:
                raise errors.bad_request(f"The entity with a name = '{name}' was not found.", "0x80041102")
            counts.append(Query(connection, call.catalog, table, Options()).count(limit=None))
    collection = {"Count": len(names), "IsReadOnly": False, "Keys": names, "Values": counts}
    context = call.context("Microsoft.Dynamics.CRM.RetrieveTotalRecordCountResponse")
    return Answer.of({"@odata.context": context, "EntityRecordCountCollection": collection})


def metadata_changes(call: Call) -> Answer:
    """Answer RetrieveMetadataChanges as far as the official SDK uses it: typed columns of tables by name (16.1)."""
    query = parameter(call, "Query")
    if not isinstance(query, dict):
        raise errors.bad_request("RetrieveMetadataChanges needs a Query.")
    wanted = _options(query)
    tables = choose([entity(table) for table in call.catalog], wanted)
    found = []
    for item in tables:
        table = call.catalog.table(item["LogicalName"])
        inner = query.get("AttributeQuery") or {}
        columns = choose([attribute(table, column) for column in table.columns.values()], _options(inner))
        names = _property_names(inner)
        item["Attributes"] = [_projected(column, names) for column in columns]
        found.append(_projected(item, _property_names(query)))
    context = call.context("Microsoft.Dynamics.CRM.RetrieveMetadataChangesResponse")
    stamp = str(uuid.uuid4())
    return Answer.of({"@odata.context": context, "ServerVersionStamp": stamp, "EntityMetadata": found})


def _property_names(query: Json) -> list[str]:
    return list((query.get("Properties") or {}).get("PropertyNames") or [])


def _projected(item: Json, names: list[str]) -> Json:
    always = ("MetadataId", "LogicalName", "@odata.type")
    return {name: value for name, value in item.items() if not names or name in names or name in always}


def _options(query: Json) -> Options:
    """Return the criteria of a metadata query as options with a filter."""
    conditions = (query.get("Criteria") or {}).get("Conditions") or []
    tests = [
        f"{c['PropertyName']} eq {_quoted(c['Value'])}" for c in conditions if c.get("ConditionOperator") == "Equals"
    ]
    return Options(filter=" and ".join(tests) or None)


def _quoted(value: Any) -> str:
    text = value.get("Value") if isinstance(value, dict) else value
    return "'" + str(text).replace("'", "''") + "'"


def bulk_delete(call: Call) -> Answer:
    """Delete the rows that the queries name and return a job id; the job is done when the answer is given.

    The service would work through the job later. Only conditions on the primary key are understood (16.1).
    """
    queries = call.request.json().get("QuerySet")
    if not isinstance(queries, list):
        raise errors.bad_request("BulkDelete needs a QuerySet.", errors.INVALID_ARGUMENT)
    with call.store.writing() as connection:
        for query in queries:
            table = call.catalog.find(str(query.get("EntityName")))
            if table is None:
                raise errors.bad_request("The entity of the query was not found.", "0x80041102")
            writer, identities = call.writer(connection), _named_ids(query, table.id)
            writer.require("Delete", table)
            writer.require_rows("Delete", table, identities)
            count = delete_many(writer, table, identities)
            call.count("deleted", count)
    context = call.context("Microsoft.Dynamics.CRM.BulkDeleteResponse")
    return Answer.of({"@odata.context": context, "JobId": str(uuid.uuid4())})


def _named_ids(query: Json, primary_key: str) -> list[str]:
    conditions = (query.get("Criteria") or {}).get("Conditions") or []
    for condition in conditions:
        if condition.get("AttributeName") == primary_key and condition.get("Operator") in ("In", "Equal"):
            values = (v.get("Value") if isinstance(v, dict) else v for v in condition.get("Values") or [])
            return [str(value).lower() for value in values if GUID.fullmatch(str(value))]
    raise errors.not_implemented("BulkDelete by anything but primary keys")


Handler = Callable[[Call], Answer]
FUNCTIONS: dict[str, Handler] = {
    "WhoAmI": who_am_i,
    "RetrieveVersion": retrieve_version,
    "RetrieveTotalRecordCount": total_record_count,
    "RetrieveMetadataChanges": metadata_changes,
    "RetrieveDuplicates": duplicating.retrieve_duplicates,
}
ACTIONS: dict[str, Handler] = {
    "BulkDelete": bulk_delete,
    "CreateEntities": defining.create_entities,
    "InsertOptionValue": defining.insert_option,
    "PublishXml": defining.publish,
    "PublishAllXml": defining.publish,
    "ImportSolution": import_solution,
    "ImportSolutionAsync": import_solution_async,
    "StageSolution": stage_solution,
    "StageAndUpgrade": stage_and_upgrade,
    "DeleteAndPromote": delete_and_promote,
    "UnpublishDuplicateRule": duplicating.unpublish_rule,
    **selling.UNBOUND,
}
