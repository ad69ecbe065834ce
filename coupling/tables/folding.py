"""Lower case on every database alike: SQLite's own LOWER knows the letters A to Z only, and Ø is no less a letter."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import TextField
from django.db.models.functions import Lower
from django.db.models.sql.compiler import SQLCompiler

_NAME = "CRMBRIDGE_LOWER"


class Folded(Lower):
    """Text with its letters in lower case, as plain text whatever the field makes of what it is compared with."""

    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        """The SQL for SQLite, with the function that `teach` adds to each connection."""
        return self.as_sql(compiler, connection, function=_NAME, **context)


def teach(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Give a new SQLite connection a LOWER that knows every letter (receives Django's `connection_created`)."""
    if connection.vendor == "sqlite":
        connection.connection.create_function(_NAME, 1, _lower, deterministic=True)


def _lower(text: object) -> str | None:
    return None if text is None else str(text).lower()
