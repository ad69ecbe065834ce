"""Create, change and delete rows, one or many in the same few statements (dataverse-web-api.md 4.2-4.8, 7)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
import sqlite3
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property

from sandbox import errors
from sandbox.access import Access
from sandbox.addresses import RowAddress, parse_row
from sandbox.metadata.catalog import Catalog, Table
from sandbox.rows import following, rules
from sandbox.rows.currencies import Currencies, Values
from sandbox.rows.finding import find_id
from sandbox.rows.payload import Bind, Draft, Payload, reader
from sandbox.rows.values import iso
from sandbox.rows.violations import violation
from sandbox.store.database import take_versions
from sandbox.store.schema import quoted
from sandbox.webhooks.context import Happening
from sandbox.webhooks.steps import Step, registered

Tell = Callable[[list[Step], Happening], None]


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
        tell: Tell | None = None,
    ) -> None:
        self._tell = tell
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
        return dict(self.connection.execute("SELECT systemuserid, businessunitid FROM systemuser"))

    def require(self, verb: str, table: Table) -> None:
        """Raise DataverseError (403) unless the user may do this; what the sandbox itself writes is not asked."""
        if self.access is not None:
            self.access.require(verb, table)

    @cached_property
    def _steps(self) -> list[Step]:
        return registered(self.connection) if self._tell is not None else []

    def happened(self, message: str, table: Table, changes: Iterable[tuple[str, Values]]) -> None:
        """Tell the registered steps of changes; those who make the writer decide when."""
        if not self._steps or self._tell is None:
            return
        for identity, values in changes:
            steps = [step for step in self._steps if step.concerns(message, table.name, set(values))]
            if steps:
                self._tell(steps, Happening(message, table, identity, values, self.user))

    # -- creating

    def create(self, table: Table, payloads: Sequence[Payload]) -> list[str]:
        """Create rows and return their ids in order; a taken id or key raises 412."""
        self.require("Create", table)
        drafts = [reader(table, creating=True).read(payload) for payload in payloads]
        for draft in drafts:
            self._create_parents(draft)
        self._resolve([bind for draft in drafts for bind in draft.binds], drafts)
        versions = take_versions(self.connection, len(drafts))
        for draft, version in zip(drafts, versions, strict=True):
            self._complete_new(draft, version)
        self._insert(table, [draft.values for draft in drafts])
        for draft in drafts:
            self._create_children(draft)
        identities = [str(draft.values[table.id]) for draft in drafts]
        following.after_create(self, table, identities)
        self.happened("Create", table, [(str(draft.values[table.id]), draft.values) for draft in drafts])
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
            self._complete_owner(values)
        rules.prepare(table, values, {}, self.connection)
        if table.priced:
            self.currencies.complete(table, values, {})
        rules.check_state(table, values, {"statecode": table.first_state, "statuscode": None})
        _join_names(table, values, {})
        self._stamp_new(values)
        values["versionnumber"] = version
        rules.check_required(table, values)
        rules.before_create(table, values, self.connection)

    def _complete_owner(self, values: Values) -> None:
        if values.get("ownerid") is None:
            values["ownerid"], values["owneridtype"] = self.user, "systemuser"
        owner = str(values["ownerid"])
        values["owninguser"] = owner
        values["owningbusinessunit"] = self._business_units.get(owner)

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
        self._resolve([bind for draft in drafts for bind in draft.binds], drafts)
        existing = self._existing(table, [identity for identity, _ in changes])
        versions = take_versions(self.connection, len(drafts))
        rows = []
        for (identity, _), draft, version in zip(changes, drafts, versions, strict=True):
            before = existing.get(identity)
            if before is None:
                raise errors.does_not_exist(table.name, identity)
            check_version(before["versionnumber"], etag)
            rows.append(self._complete_change(draft, before, version) | {table.id: identity})
        self.store_changes(table, rows)
        following.after_update(self, table, [identity for identity, _ in changes])
        self.happened("Update", table, [(str(row[table.id]), row) for row in rows])

    def _complete_change(self, draft: Draft, before: Values, version: int) -> Values:
        table, values = draft.table, draft.values
        values.pop(table.id, None)
        if "ownerid" in values:
            self._complete_owner(values)
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

    # -- lookups

    def _resolve(self, binds: Iterable[Bind], drafts: Iterable[Draft]) -> None:
        """Put the ids that the bound addresses name into the drafts; a missing row raises 404."""
        resolved: dict[int, tuple[Table, str]] = {}
        wanted: dict[Table, set[str]] = defaultdict(set)
        for bind in binds:
            table, identity = self._target(bind)
            resolved[id(bind)] = (table, identity)
            wanted[table].add(identity)
        for table, identities in wanted.items():
            self._require(table, identities)
        for draft in drafts:
            for bind in draft.binds:
                table, identity = resolved[id(bind)]
                draft.values[bind.column.name] = identity
                if bind.column.is_polymorphic:
                    draft.values[bind.column.type_column] = table.name

    def _target(self, bind: Bind) -> tuple[Table, str]:
        address = parse_row(self.catalog, self._dereference(bind.address))
        allowed = bind.column.targets if bind.column.type == "owner" else {bind.target.table}
        if address.table.name not in allowed:
            message = f"A row of '{address.table.name}' cannot be bound to '{bind.target.navigation}'."
            raise errors.bad_payload(address.table.entity_set, message)
        return address.table, address.identity or self.find(address)

    def _dereference(self, address: str) -> str:
        """Return the address that `$<content-id>` stands for in a changeset (6.1)."""
        if not address.startswith("$"):
            return address
        name, slash, rest = address[1:].partition("/")
        if name not in self.references:
            raise errors.bad_request(f"Content-ID Reference: '${name}' does not exist in the batch context.")
        return self.references[name] + slash + rest

    def _require(self, table: Table, identities: set[str]) -> None:
        sql = (
            f"SELECT {quoted(table.id)} FROM {quoted(table.name)} "
            f"WHERE {quoted(table.id)} IN (SELECT value FROM json_each(?))"
        )
        found = {row[0] for row in self.connection.execute(sql, [json.dumps(list(identities))])}
        for identity in identities - found:
            raise errors.does_not_exist(table.name, identity)

    def find(self, address: RowAddress) -> str:
        """Return the id of the addressed row. Raises 404 when there is none."""
        return find_id(self.connection, address)


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
    """Compute columns such as fullname from their parts (4.8)."""
    for column in table.joined:
        if not before or any(part in values for part in column.joined):
            parts = [values.get(part, before.get(part)) for part in column.joined]
            values[column.name] = " ".join(str(part) for part in parts if part)[: column.max_length] or None
