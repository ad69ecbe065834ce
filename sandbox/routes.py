"""From an address to the code that answers it: the one dispatcher, used by the door and by `$batch`."""

import logging
import re

from sandbox import errors
from sandbox.addresses import row_address
from sandbox.batch import Batch
from sandbox.bound import bound_message
from sandbox.bulk import MESSAGES, bulk
from sandbox.changes import count_changes, is_tracked, tracked_rows
from sandbox.conditions.latency import kind_of
from sandbox.conditions.striking import strike
from sandbox.describing import entity_definitions, global_option_sets, relationship_definitions
from sandbox.errors import DataverseError, NotModifiedError
from sandbox.fetching import asks_otherwise, fetched_rows
from sandbox.messages import ACTIONS, FUNCTIONS
from sandbox.metadata.catalog import Table
from sandbox.metadata.csdl import document
from sandbox.paging import count_rows
from sandbox.properties import behind_row
from sandbox.protocol import Answer
from sandbox.resources import collection, single
from sandbox.selling import OF_TABLES
from sandbox.service import Call
from sandbox.solutions.layers import uninstall

logger = logging.getLogger(__name__)
_SEGMENT = re.compile(r"(\$?\w+)(?:\((.*)\))?", re.DOTALL)
_BOUND = "Microsoft.Dynamics.CRM."
_DEFINITIONS = {
    "EntityDefinitions": entity_definitions,
    "RelationshipDefinitions": relationship_definitions,
    "GlobalOptionSetDefinitions": global_option_sets,
}


def dispatch(call: Call) -> Answer:
    """Answer one request; errors become answers in Dataverse's shape, unexpected ones are logged and become 500."""
    answer = _answer(call)
    request, latency = call.request, call.service.latency
    answer.seconds += latency.seconds(kind_of(request.method, request.path), answer.rows, batched=call.batched)
    return answer


def _answer(call: Call) -> Answer:
    try:
        strike(call)
        return _route(call)
    except DataverseError as error:
        return Answer.error(error, detailed='odata.include-annotations="*"' in call.request.headers.get("prefer", ""))
    except NotModifiedError:
        return Answer(304)
    except RecursionError:
        return Answer.error(errors.bad_request("The request is nested too deeply."))
    except UnicodeError:
        return Answer.error(errors.bad_request("The request holds text that is not valid Unicode."))
    except Exception:
        logger.exception("%s %s failed", call.request.method, call.request.path)
        return Answer.error(DataverseError(500, errors.UNEXPECTED, "An unexpected error occurred."))


def _route(call: Call) -> Answer:
    segments = call.request.segments
    if not segments:
        return _service_document(call)
    match = _SEGMENT.fullmatch(segments[0])
    if match is None:
        raise errors.segment_not_found(segments[0])
    name, predicate = match[1], match[2]
    if name in _DEFINITIONS:
        return _DEFINITIONS[name](call, segments)
    table = call.catalog.by_set(name)
    if table is not None:
        return _table(call, table, predicate, segments[1:])
    return _unbound(call, name)


def _unbound(call: Call, name: str) -> Answer:
    """Answer what belongs to no table. Raises DataverseError (404) for a name that means nothing here."""
    if name == "$metadata":
        return Answer(200, document(call.catalog), {"Content-Type": "application/xml"})
    if name == "$batch":
        return Batch(call, dispatch).answer()
    for handlers, method in ((FUNCTIONS, "GET"), (ACTIONS, "POST")):
        if name in handlers:
            if call.request.method != method:
                raise errors.not_allowed(call.request.method)
            return handlers[name](call)
    raise errors.segment_not_found(name)


def _table(call: Call, table: Table, predicate: str | None, rest: list[str]) -> Answer:
    if predicate is not None:
        address = row_address(table, predicate)
        if rest and rest[0].startswith(_BOUND):
            return bound_message(call, address, rest[0].removeprefix(_BOUND).removesuffix("()"))
        if table.name == "solution" and call.request.method == "DELETE" and not rest:
            return uninstall(call, address)
        return behind_row(call, address, rest) if rest else single(call, address)
    if not rest and asks_otherwise(call):
        return fetched_rows(call, table)
    if not rest:
        tracked = call.request.method == "GET" and is_tracked(call)
        return tracked_rows(call, table) if tracked else collection(call, table)
    if rest == ["$count"]:
        return count_changes(call, table) if call.options.deltatoken else count_rows(call, table)
    message = rest[0].removeprefix(_BOUND)
    if rest[0].startswith(_BOUND) and message in MESSAGES:
        return bulk(call, table, message)
    if (table.name, message) in OF_TABLES and call.request.method == "POST":
        return OF_TABLES[table.name, message](call)
    raise errors.segment_not_found(rest[0])


def _service_document(call: Call) -> Answer:
    sets = [{"name": t.entity_set, "kind": "EntitySet", "url": t.entity_set} for t in call.catalog]
    return Answer.of({"@odata.context": f"{call.request.root}$metadata", "value": sets})
