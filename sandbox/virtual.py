"""Small read-only lists that are no tables of the store: sdkmessages and sdkmessagefilters (7, 14.1)."""

from typing import Any

from sandbox import errors
from sandbox.bulk import MESSAGES
from sandbox.metadata.columns import metadata_id
from sandbox.protocol import Answer
from sandbox.query.evaluating import choose, project
from sandbox.service import Call

_ROW_MESSAGES = ("Create", "Update", "Delete", "Retrieve", "RetrieveMultiple")


def sdk_messages(call: Call) -> list[dict[str, Any]]:
    """Return the messages that can be sent to some table."""
    return [_message(name) for name in (*_ROW_MESSAGES, *MESSAGES)]


def _message(name: str) -> dict[str, Any]:
    return {"sdkmessageid": metadata_id("message", name), "name": name}


def sdk_message_filters(call: Call) -> list[dict[str, Any]]:
    """Return which message each table understands; bulk messages only where the table has them (7)."""
    found = []
    for table in call.catalog:
        for name in _ROW_MESSAGES + (MESSAGES if table.bulk else ()):
            message = _message(name)
            found.append(
                {
                    "sdkmessagefilterid": metadata_id("filter", table.name, name),
                    "primaryobjecttypecode": table.name,
                    "_sdkmessageid_value": message["sdkmessageid"],
                    "sdkmessageid": message,
                }
            )
    return found


SETS = {"sdkmessages": (sdk_messages, "sdkmessageid"), "sdkmessagefilters": (sdk_message_filters, "sdkmessagefilterid")}


def virtual_rows(call: Call, name: str) -> Answer:
    """Answer a query on one of the lists."""
    if call.request.method != "GET":
        raise errors.not_allowed(call.request.method)
    rows, key = SETS[name]
    expanded = [expansion.name for expansion in call.options.expand]
    found = [
        _plain(project(item, call.options, [key, *expanded]), expanded) for item in choose(rows(call), call.options)
    ]
    return Answer.of({"@odata.context": call.context(name), "value": found})


def _plain(item: dict[str, Any], expanded: list[str]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name in expanded or not isinstance(value, dict)}
