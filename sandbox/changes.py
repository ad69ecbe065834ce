"""Change tracking: the tracked first read, delta links, deleted rows and expiry (dataverse-web-api.md 8)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox import errors
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Table
from sandbox.paging import link, read_token, rows_answer, selection, write_token
from sandbox.protocol import MAX_PAGE, Answer
from sandbox.query.building import Statement
from sandbox.query.shape import Shaping
from sandbox.rows.reading import Page, Query
from sandbox.service import Call
from sandbox.store.database import setting
from sandbox.store.schema import quoted

_STAMP = "%m/%d/%Y %H:%M:%S"
_TOKEN = re.compile(r"(\d+)!(.+)")


def is_tracked(call: Call) -> bool:
    """Return True when the request reads a table with change tracking."""
    token = call.options.skiptoken or ""
    return call.preferences.track_changes or call.options.deltatoken is not None or 'istracking="True"' in token


def tracked_rows(call: Call, table: Table) -> Answer:
    """Answer a tracked read of a table: its first pages, or what changed since a delta token."""
    if not table.tracked:
        message = f"Change tracking is not enabled for entity '{table.name}'."
        raise DataverseError(400, errors.TRACKING_NOT_ENABLED, message)
    call.access.require("Read", table, "Global")
    for option in call.options.given:
        raise errors.bad_request(f'The "{option}" query parameter isn\'t supported when Change Tracking is enabled.')
    token = read_token(call.options.skiptoken) if call.options.skiptoken else {}
    with call.store.reading() as connection:
        if call.options.deltatoken is not None and "since" not in token:
            token = {"since": _since(connection, call.options.deltatoken)}
        if "since" in token:
            return _Delta(call, table, connection, token).answer()
        return _first_read(call, table, connection, token)


def count_changes(call: Call, table: Table) -> Answer:
    """Answer `set/$count?$deltatoken=…`."""
    call.access.require("Read", table, "Global")
    with call.store.reading() as connection:
        since = _since(connection, call.options.deltatoken or "")
        changed = f"SELECT count(*) FROM {quoted(table.name)} WHERE versionnumber > ?"
        deleted = 'SELECT count(*) FROM "$deleted" WHERE tablename = ? AND version > ?'
        number = connection.execute(changed, [since]).fetchone()[0]
        number += connection.execute(deleted, [table.name, since]).fetchone()[0]
    return Answer(200, f"\ufeff{number}".encode(), {"Content-Type": "text/plain"})


def _since(connection: sqlite3.Connection, token: str) -> int:
    """Return the version in a delta token. Raises DataverseError: nonsense, or 0x80044352 when it expired (8.3)."""
    match = _TOKEN.fullmatch(token)
    try:
        stamp = datetime.strptime(match[2], _STAMP).replace(tzinfo=UTC) if match else None
    except ValueError:
        stamp = None
    if match is None or stamp is None:
        raise errors.bad_request("The delta token is malformed.")
    row = connection.execute("SELECT expirechangetrackingindays FROM organization LIMIT 1").fetchone()
    lifetime = timedelta(days=row[0] if row and row[0] is not None else 7)
    expired = datetime.now(UTC) - stamp >= lifetime
    if expired or int(match[1]) < setting(connection, "oldest version"):
        message = "Version stamp associated with the client has expired. Please perform a full sync."
        raise DataverseError(400, errors.EXPIRED_VERSION_STAMP, message)
    return int(match[1])


def _delta_link(call: Call, version: int) -> str:
    return link(call.request, "$deltatoken", f"{version}!{datetime.now(UTC).strftime(_STAMP)}")


def _size(call: Call) -> int:
    return call.preferences.page_size or MAX_PAGE


def _first_read(call: Call, table: Table, connection: sqlite3.Connection, token: dict[str, Any]) -> Answer:
    """Return a page of all rows; the delta link starts where the first page was read, so that nothing falls between."""
    version = int(token["v"]) if token else setting(connection, "version")
    query = Query(connection, call.catalog, table, call.options, call.preferences.annotations, call.user, call.access)
    page = query.page(_size(call), token.get("p"))
    if page.position is None:
        closing = {"@odata.deltaLink": _delta_link(call, version)}
    else:
        number = int(token.get("n", 1)) + 1
        cookie = write_token({"p": list(page.position), "v": version, "n": number}, number, tracking=True)
        closing = {"@odata.nextLink": link(call.request, "$skiptoken", cookie)}
    return rows_answer(call, f"{table.entity_set}{selection(call.options)}", page, {}, closing)


@dataclass(slots=True)
class _Delta:
    """One page of changes: rows by version, then deletions. The token remembers how far both have been told."""

    call: Call
    table: Table
    connection: sqlite3.Connection
    token: dict[str, Any]

    def answer(self) -> Answer:
        size = _size(self.call)
        until = int(self.token.get("until", 0)) or setting(self.connection, "version")
        changed, last, count = self._changed(int(self.token["since"]), until, size)
        deleted, gone = self._deleted(int(self.token.get("gone", self.token["since"])), until, size - count)
        pieces = [piece for piece in (changed, ",".join(deleted).encode()) if piece]
        page = Page(b",".join(pieces), count + len(deleted), None)
        state = {"since": last, "gone": gone, "until": until, "n": int(self.token.get("n", 1)) + 1}
        closing = self._closing(state, more=page.count == size)
        context = f"{self.table.entity_set}{selection(self.call.options)}/$delta"
        return rows_answer(self.call, context, page, {}, closing)

    def _changed(self, since: int, until: int, size: int) -> tuple[bytes, int, int]:
        """Return the rows changed after a version as JSON, the last version told, and their number."""
        statement = Statement(self.call.catalog, self.call.user)
        source = statement.source(self.table)
        row = Shaping(statement, self.call.preferences.annotations).row(source, self.call.options)
        version = source.column("versionnumber")
        inner = (
            f"SELECT {row} AS j, {version} AS v FROM {source.sql} "
            f"WHERE {version} > {statement.bind(since)} AND {version} <= {statement.bind(until)} "
            f"ORDER BY {version} LIMIT {size}"
        )
        sql = f"SELECT CAST(group_concat(j, ',') AS BLOB), max(v), count(*) FROM ({inner})"
        found, last, count = self.connection.execute(sql, statement.values).fetchone()
        return found or b"", last or since, count

    def _deleted(self, since: int, until: int, size: int) -> tuple[list[str], int]:
        """Return the deleted rows after a version as JSON texts, and the last version told."""
        table = self.table
        sql = (
            'SELECT version, id FROM "$deleted" d WHERE tablename = ? AND version > ? AND version <= ? '
            f"AND NOT EXISTS (SELECT 1 FROM {quoted(table.name)} t WHERE t.{quoted(table.id)} = d.id) "
            "ORDER BY version LIMIT ?"
        )
        found = self.connection.execute(sql, [table.name, since, until, size]).fetchall()
        context = self.call.context(f"{table.entity_set}/$deletedEntity")
        items = [{"@odata.context": context, "id": identity, "reason": "deleted"} for _, identity in found]
        return [json.dumps(item, separators=(",", ":")) for item in items], found[-1][0] if found else since

    def _closing(self, state: dict[str, int], *, more: bool) -> dict[str, str]:
        if not more:
            return {"@odata.deltaLink": _delta_link(self.call, state["until"])}
        cookie = write_token(state, state["n"], tracking=True)
        return {"@odata.nextLink": link(self.call.request, "$skiptoken", cookie)}
