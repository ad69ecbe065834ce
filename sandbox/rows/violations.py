"""Unique indexes that a write violated, as the errors that the service gives (9.2)."""

import re

from sandbox import errors
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Table


def violation(table: Table, message: str) -> DataverseError:
    """Translate a violated unique index into the error that the service gives (9.2)."""
    columns = _columns(table, message)
    if columns == [table.id]:
        return errors.duplicate_record()
    if len(columns) == 1 and columns[0] in table.unique:
        code = table.unique[columns[0]]
        # Only a duplicate record proper is a failed precondition (9.2).
        return DataverseError(
            412 if code == errors.DUPLICATE_RECORD else 400,
            code,
            f"A record with the same value for {columns[0]} already exists.",
        )
    key = next((key.name for key in table.keys.values() if list(key.columns) == columns), "")
    text = f"Entity Key {key} violated. A record with the same value for {', '.join(columns)} already exists."
    return DataverseError(412, errors.DUPLICATE_KEY, text)


def _columns(table: Table, message: str) -> list[str]:
    """Return the columns of the index in SQLite's message; one over texts is named there, not its columns."""
    named = re.search(rf"index '{re.escape(table.name)} (unique|key) (.+)'", message)
    if named is None:
        return [part.strip().rpartition(".")[2] for part in message.rpartition(":")[2].split(",")]
    if named[1] == "unique":
        return [named[2]]
    return list(table.keys[named[2]].columns)
