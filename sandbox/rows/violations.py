"""Unique indexes that a write violated, as the errors that the service gives (9.2)."""

from sandbox import errors
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Table


def violation(table: Table, message: str) -> DataverseError:
    """Translate a violated unique index into the error that the service gives (9.2)."""
    columns = [part.strip().rpartition(".")[2] for part in message.rpartition(":")[2].split(",")]
    if columns == [table.id]:
        return errors.duplicate_record()
    if len(columns) == 1 and columns[0] in table.unique:
        code = table.unique[columns[0]]
        return DataverseError(412, code, f"A record with the same value for {columns[0]} already exists.")
    key = next((key.name for key in table.keys.values() if list(key.columns) == columns), "")
    text = f"Entity Key {key} violated. A record with the same value for {', '.join(columns)} already exists."
    return DataverseError(412, errors.DUPLICATE_KEY, text)
