"""Create, change and delete rows, one or many in the same few statements (dataverse-web-api.md 4.2-4.8, 7)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
import sqlite3
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property

from sandbox import errors
from sandbox.access import Access
from sandbox.metadata.catalog import Catalog, Table
from sandbox.rows import following, rules
from sandbox.rows.binding import resolve
from sandbox.rows.currencies import Currencies, Values
from sandbox.rows.duplicates import refuse_duplicates
from sandbox.rows.payload import Draft, Payload, reader
from sandbox.rows.values import iso
from sandbox.rows.violations import violation
from sandbox.store.database import take_versions
from sandbox.store.schema import quoted
from sandbox.webhooks.telling import Telling


def new_id() -> str:
    """Return an id that grows with time, which keeps the primary key's index compact at a million rows."""
    millis = time.time_ns() // 1_000_000
    return str(uuid.UUID(int=(millis << 80) | (0x7 << 76) | (uuid.uuid4().int & ((1 << 76) - 1))))


class Writer:
    """Writes rows for one user inside one transaction.

    Every method raises DataverseError, leaving it to the transaction to take everything back.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        catalog: Catalog,
        user: str,
        references: Mapping[str, str] | None = None,
        access: Access | None = None,
        telling: Telling | None = None,
        *,
        refuses_duplicates: bool = False,
    ) -> None:
        self._refuses_duplicates = refuses_duplicates
        self._owners: dict[str, Access] = {}
        self._telling = telling
        self.access = access
        self.connection = connection
        self.catalog = catalog
        self.user = user
        self.references = references or {}
        self.now = iso(datetime.now(UTC))

    def on_behalf(self) -> "Writer":
        """Return a writer for what the service itself does in the same transaction, whatever the user may do."""
        return Writer(self.connection, self.catalog, self.user)

    @cached_property
    def currencies(self) -> Currencies:
        """The rates at the moment of this write."""
        return Currencies.read(self.connection)

    @cached_property
    def _business_units(self) -> dict[str, str]:
        sql = "SELECT systemuserid, businessunitid FROM systemuser UNION ALL SELECT teamid, businessunitid FROM team"
        return dict(self.connection.execute(sql))

    def require(self, verb: str, table: Table) -> None:
        """Raise DataverseError (403) unless the user may do this; what the sandbox itself writes is not asked."""
        if self.access is not None:
            self.access.require(verb, table)

    def announce(self, message: str, table: Table, changes: Sequence[tuple[str, Values]]) -> None:
        """Tell of changes about to be made. Raises DataverseError when a registered step refuses them."""
        if self._telling is not None:
            self._telling.before(message, table, changes)

    def happened(self, message: str, table: Table, changes: Sequence[tuple[str, Values]]) -> None:
        """Tell of changes made. Raises DataverseError when a registered step refuses them."""
        if self._telling is not None:
            self._telling.after(message, table, changes)

    def _check_duplicates(self, table: Table, rows: Sequence[Values]) -> None:
        if self._refuses_duplicates:
            written = [(str(row[table.id]), set(row)) for row in rows]
            refuse_duplicates(self.connection, self.catalog, table, written)

    def _bind(self, table: Table, drafts: Sequence[Draft]) -> None:
        """Resolve lookups; to link rows takes Append on their table and AppendTo on those they are linked to (11)."""
        for target, identities in resolve(self.connection, self.catalog, self.references, drafts).items():
            self.require("Append", table)
            self.require("AppendTo", target)
            self.require_rows("AppendTo", target, list(identities))

    def require_rows(self, verb: str, table: Table, identities: Sequence[str]) -> None:
        """Raise DataverseError (403) unless the depth of the user's privilege reaches each of these rows (11)."""
        scope = self.access.scope(verb, table) if self.access is not None else None
        if scope is None:
            return
        sql = (
            f"SELECT {quoted(table.id)} FROM {quoted(table.name)} WHERE {quoted(table.id)} IN "
            f"(SELECT value FROM json_each(?)) AND {scope.condition(table)} IS NOT TRUE"
        )
        found = self.connection.execute(sql, [json.dumps(list(identities))]).fetchone()
        if found:
            raise errors.no_access(table.name, found[0])

    # -- creating

    def create(self, table: Table, payloads: Sequence[Payload]) -> list[str]:
        """Create rows and return their ids in order; a taken id or key raises 412."""
        self.require("Create", table)
        drafts = [reader(table, creating=True).read(payload) for payload in payloads]
        for draft in drafts:
            self._create_parents(draft)
        self._bind(table, drafts)
        versions = take_versions(self.connection, len(drafts))
        for draft, version in zip(drafts, versions, strict=True):
            self._complete_new(draft, version)
        changes = [(str(draft.values[table.id]), draft.values) for draft in drafts]
        self.announce("Create", table, changes)
        self._insert(table, [draft.values for draft in drafts])
        for draft in drafts:
            self._create_children(draft)
        identities = [identity for identity, _ in changes]
        self.require_rows("Create", table, identities)
        self._check_duplicates(table, [draft.values for draft in drafts])
        following.after_create(self, table, identities)
        self.happened("Create", table, changes)
        return identities

    def _create_parents(self, draft: Draft) -> None:
        for column, target, payload in draft.parents:
            draft.values[column.name] = self.create(self.catalog.table(target.table), [payload])[0]
            if column.is_polymorphic:
                draft.values[column.type_column] = target.table

    def _create_children(self, draft: Draft) -> None:
        for reference, payloads in draft.children:
            address = f"/{draft.table.entity_set}({draft.values[draft.table.id]})"
            bound = [{**payload, f"{reference.target.navigation}@odata.bind": address} for payload in payloads]
            self.create(self.catalog.table(reference.column.table), bound)

    def _complete_new(self, draft: Draft, version: int) -> None:
        table, values = draft.table, draft.values
        values.setdefault(table.id, None)
        values[table.id] = values[table.id] or new_id()
        if table.ownership == "UserOwned":
            self._complete_owner(table, values)
        rules.prepare(table, values, {}, self.connection)
        if table.priced:
            self.currencies.complete(table, values, {})
        rules.check_state(table, values, {"statecode": table.first_state, "statuscode": None})
        _join_names(table, values, {})
        self._stamp_new(values)
        values["versionnumber"] = version
        rules.check_required(table, values)
        rules.before_create(table, values, self.connection)

    def _complete_owner(self, table: Table, values: Values) -> None:
        if values.get("ownerid") is None:
            values["ownerid"], values["owneridtype"] = self.user, "systemuser"
        owner = str(values["ownerid"])
        is_team = values.get("owneridtype") == "team"
        if self.access is not None and owner != self.user and not is_team:
            self._access_of(owner).require_as_owner(table)
        values["owninguser"], values["owningteam"] = (None, owner) if is_team else (owner, None)
        values["owningbusinessunit"] = self._business_units.get(owner)

    def _access_of(self, owner: str) -> Access:
        """Return what an owner may do; asked once, since a page of rows mostly has few owners."""
        if owner not in self._owners:
            self._owners[owner] = Access.of(self.connection, owner)
        return self._owners[owner]

    def _stamp_new(self, values: Values) -> None:
        values["createdon"] = values["modifiedon"] = self.now
        if values.get("overriddencreatedon") is not None:
            values["createdon"], values["overriddencreatedon"] = values["overriddencreatedon"], self.now
        values["createdby"] = values["modifiedby"] = self.user

    def _insert(self, table: Table, rows: Iterable[Values]) -> None:
        for names, group in _by_columns(rows).items():
            listed = ", ".join(map(quoted, names))
            marks = ", ".join("?" * len(names))
            sql = f"INSERT INTO {quoted(table.name)} ({listed}) VALUES ({marks})"
            self._run(table, sql, [tuple(row.values()) for row in group])

    # -- changing

    def update(self, table: Table, changes: Sequence[tuple[str, Payload]], etag: str | None = None) -> None:
        """Change rows given by id; a missing one raises 404, another version than `etag` 412."""
        self.require("Write", table)
        drafts = [reader(table, creating=False).read(payload) for _, payload in changes]
        self._bind(table, drafts)
        existing = self._existing(table, [identity for identity, _ in changes])
        versions = take_versions(self.connection, len(drafts))
        rows = []
        for (identity, _), draft, version in zip(changes, drafts, versions, strict=True):
            before = existing.get(identity)
            if before is None:
                raise errors.does_not_exist(table.name, identity)
            check_version(before["versionnumber"], etag)
            rows.append(self._complete_change(draft, before, version) | {table.id: identity})
        self.require_rows("Write", table, [identity for identity, _ in changes])
        self._require_assign(table, [str(row[table.id]) for row in rows if "ownerid" in row])
        written = [(str(row[table.id]), row) for row in rows]
        self.announce("Update", table, written)
        self.store_changes(table, rows)
        self._check_duplicates(table, rows)
        following.after_update(self, table, [identity for identity, _ in changes])
        self.happened("Update", table, written)

    def _require_assign(self, table: Table, identities: Sequence[str]) -> None:
        """Another owner takes a privilege of its own, which must reach the rows as they are (11)."""
        if identities:
            self.require("Assign", table)
            self.require_rows("Assign", table, identities)

    def _complete_change(self, draft: Draft, before: Values, version: int) -> Values:
        table, values = draft.table, draft.values
        values.pop(table.id, None)
        if "ownerid" in values:
            self._complete_owner(table, values)
        rules.prepare(table, values, before, self.connection)
        if table.priced:
            self.currencies.complete(table, values, before)
        rules.check_state(table, values, before)
        _join_names(table, values, before)
        rules.before_update(table, values, before, self.connection)
        values["modifiedon"], values["modifiedby"] = self.now, self.user
        values["versionnumber"] = version
        return values

    def _existing(self, table: Table, identities: Sequence[str]) -> dict[str, Values]:
        """Return what the rules need of the rows as they are, by id."""
        names = _needed(table)
        sql = (
            f"SELECT {', '.join(map(quoted, names))} FROM {quoted(table.name)} "
            f"WHERE {quoted(table.id)} IN (SELECT value FROM json_each(?))"
        )
        rows = self.connection.execute(sql, [json.dumps(identities)])
        return {row[0]: dict(zip(names, row, strict=True)) for row in rows}

    def store_changes(self, table: Table, rows: Iterable[Values]) -> None:
        """Write rows that are complete; each holds its primary key last."""
        for names, group in _by_columns(rows).items():
            assigned = ", ".join(f"{quoted(name)} = ?" for name in names[:-1])
            sql = f"UPDATE {quoted(table.name)} SET {assigned} WHERE {quoted(names[-1])} = ?"
            self._run(table, sql, [tuple(row.values()) for row in group])

    def _run(self, table: Table, sql: str, rows: list[tuple[object, ...]]) -> None:
        try:
            self.connection.executemany(sql, rows)
        except sqlite3.IntegrityError as error:
            raise violation(table, str(error)) from error


def check_version(version: object, etag: str | None) -> None:
    """Raise 412 unless the row has the version that `If-Match` names (dataverse-web-api.md 15)."""
    if etag not in (None, "*", f'W/"{version}"', f'"{version}"'):
        raise errors.version_mismatch()


def _by_columns(rows: Iterable[Values]) -> dict[tuple[str, ...], list[Values]]:
    """Group rows that write the same columns, so that each group is one prepared statement."""
    groups: dict[tuple[str, ...], list[Values]] = defaultdict(list)
    for row in rows:
        groups[tuple(row)].append(row)
    return groups


def _needed(table: Table) -> list[str]:
    names = [table.id, "versionnumber"]
    names += [name for name in ("statecode", "statuscode") if name in table.columns]
    names += ["transactioncurrencyid"] if table.priced else []
    names += [column.name for column in table.money]
    names += [part for column in table.joined for part in column.joined]
    names += [name for name in rules.needed(table) if name not in names]
    return names


def _join_names(table: Table, values: Values, before: Values) -> None:
    """Compute columns from their parts: names such as fullname, and addresses line by line (4.3, 4.8)."""
    for column in table.joined:
        if any(part in values for part in column.joined):
            parts = [values.get(part, before.get(part)) for part in column.joined]
            between = "\n" if column.type == "memo" else " "
            values[column.name] = between.join(str(part) for part in parts if part)[: column.max_length] or None
