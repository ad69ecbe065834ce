"""Plant the messages of the service, and which table understands which (dataverse-web-api.md 7, 14.1)."""

import sqlite3

from sandbox.metadata.catalog import Catalog
from sandbox.metadata.columns import metadata_id

_ROW_MESSAGES = ("Create", "Update", "Delete", "Retrieve", "RetrieveMultiple")
_BULK_MESSAGES = ("CreateMultiple", "UpdateMultiple", "UpsertMultiple")


def plant_messages(connection: sqlite3.Connection, catalog: Catalog) -> None:
    """Make every message and filter that does not exist yet; bulk messages only where the table has them."""
    messages = [(metadata_id("message", name), name) for name in _ROW_MESSAGES + _BULK_MESSAGES]
    sql = "INSERT OR IGNORE INTO sdkmessage (sdkmessageid, name, versionnumber) VALUES (?, ?, 1)"
    connection.executemany(sql, messages)
    filters = [
        (metadata_id("filter", table.name, name), table.name, metadata_id("message", name))
        for table in catalog
        for name in _ROW_MESSAGES + (_BULK_MESSAGES if table.bulk else ())
        if (table.name, name) != ("post", "Update")
    ]
    sql = (
        "INSERT OR IGNORE INTO sdkmessagefilter (sdkmessagefilterid, primaryobjecttypecode, sdkmessageid, "
        "versionnumber, iscustomprocessingstepallowed) VALUES (?, ?, ?, 1, 1)"
    )
    connection.executemany(sql, filters)
