"""Tell registered steps of the changes of one writer: before and after a row is written, and after the commit (14)."""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from sandbox.metadata.catalog import Catalog, Table
from sandbox.rows.currencies import Values
from sandbox.store.schema import quoted
from sandbox.webhooks.context import Happening
from sandbox.webhooks.steps import SYNCHRONOUS, Step, registered

Change = tuple[str, Values]
Rows = dict[str, Values]


class Outbox(Protocol):
    """Where deliveries go."""

    def send(self, catalog: Catalog, steps: Iterable[Step], happening: Happening) -> None:
        """Deliver later."""

    def require(self, step: Step, happening: Happening) -> None:
        """Deliver now. Raises DataverseError (400) when the endpoint does not take it."""


@dataclass
class Telling:
    """Tells of changes made on an open write transaction; when it `bypasses`, no step runs with the operation."""

    connection: sqlite3.Connection
    catalog: Catalog
    user: str
    outbox: Outbox
    on_commit: Callable[[Callable[[], None]], None]
    bypasses: bool = False
    _before: Rows = field(default_factory=dict)

    @cached_property
    def _steps(self) -> list[Step]:
        return [step for step in registered(self.connection) if step.mode != SYNCHRONOUS or not self.bypasses]

    def before(self, message: str, table: Table, changes: Sequence[Change]) -> None:
        """Tell synchronous steps of rows about to be written. Raises DataverseError when one of them refuses."""
        concerned = self._concerned(message, table, changes)
        if any(image.before for step in concerned for image in step.images):
            self._before |= self._rows(table, changes)
        for identity, values in changes:
            happening = Happening(message, table, identity, values, self.user, self._before.get(identity))
            for step in concerned:
                if step.is_before and step.concerns(message, table.name, set(values)):
                    self.outbox.require(step, happening)

    def after(self, message: str, table: Table, changes: Sequence[Change]) -> None:
        """Tell the steps of rows that were written: the synchronous now, the others once that is committed."""
        concerned = [step for step in self._concerned(message, table, changes) if not step.is_before]
        wanted = any(image.after for step in concerned for image in step.images)
        now = self._rows(table, changes) if wanted else {}
        for identity, values in changes if concerned else ():
            before, after = self._before.get(identity), now.get(identity)
            happening = Happening(message, table, identity, values, self.user, before, after)
            steps = [step for step in concerned if step.concerns(message, table.name, set(values))]
            for step in steps:
                if step.mode == SYNCHRONOUS:
                    self.outbox.require(step, happening)
            self._later([step for step in steps if step.mode != SYNCHRONOUS], happening)

    def _later(self, steps: list[Step], happening: Happening) -> None:
        if steps:
            self.on_commit(lambda: self.outbox.send(self.catalog, steps, happening))

    def _concerned(self, message: str, table: Table, changes: Sequence[Change]) -> list[Step]:
        written = {name for _, values in changes for name in values} if self._steps else set()
        return [step for step in self._steps if step.concerns(message, table.name, written)]

    def _rows(self, table: Table, changes: Sequence[Change]) -> Rows:
        sql = f"SELECT * FROM {quoted(table.name)} WHERE {quoted(table.id)} IN (SELECT value FROM json_each(?))"
        cursor = self.connection.execute(sql, [json.dumps([identity for identity, _ in changes])])
        names = [item[0] for item in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        return {str(row[table.id]): row for row in rows}
