"""Which registered steps a change concerns (14.1)."""

import sqlite3
from dataclasses import dataclass, field

WEBHOOK = 8
POST_OPERATION = 40
_SQL = """
SELECT m.name, f.primaryobjecttypecode, s.sdkmessageprocessingstepid, s.filteringattributes, s.mode,
       s.asyncautodelete, e.url, e.authtype, e.authvalue
FROM sdkmessageprocessingstep s JOIN sdkmessage m ON m.sdkmessageid = s.sdkmessageid
JOIN serviceendpoint e ON e.serviceendpointid = s.eventhandler
LEFT JOIN sdkmessagefilter f ON f.sdkmessagefilterid = s.sdkmessagefilterid
WHERE s.statecode = 0 AND s.stage = ? AND e.contract = ? ORDER BY s.rank, s.seq
"""


@dataclass(frozen=True)
class Step:
    """One registered step with the endpoint that it calls."""

    message: str
    table: str | None
    identity: str
    columns: frozenset[str]
    mode: int
    forgets: bool
    url: str
    auth_type: int
    auth_value: str = field(repr=False)

    def concerns(self, message: str, table: str, changed: set[str]) -> bool:
        """Return True when the step wants to know of this change."""
        if self.message != message or self.table not in (None, table):
            return False
        return message != "Update" or not self.columns or bool(self.columns & changed)


def registered(connection: sqlite3.Connection) -> list[Step]:
    """Return the steps that are in force, in their order."""
    steps = []
    for name, table, identity, columns, mode, forgets, url, kind, value in connection.execute(
        _SQL, [POST_OPERATION, WEBHOOK]
    ):
        named = frozenset(part.strip() for part in (columns or "").split(",") if part.strip())
        steps.append(Step(name, table, identity, named, mode, bool(forgets), url or "", kind or 0, value or ""))
    return steps
