"""Inserts many rows at once. The engine writes several rows for each record that it moves, and Django's `bulk_create`
spends most of a push on building model instances and one long statement; this costs about a fifth of that.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, router
from django.db.models import Field, Model


def insert(model: type[Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert `rows`, each holding a value for every one of `names` (foreign keys by primary key).

    Fields that are not named get what the database gives them: name every field that has only a Django default.
    """
    # Not the proxy `django.db.connection`: it looks itself up again for every value.
    connection = connections[router.db_for_write(model)]
    fields: list[Field[Any, Any]] = [model._meta.get_field(name) for name in names]  # type: ignore[misc]
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    table = connection.ops.quote_name(model._meta.db_table)
    prepared = [
        [field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True)] for row in rows
    ]
    if prepared:
        with connection.cursor() as cursor:
            # Only names from the model's own definition stand in the statement; the values are bound.
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", prepared)  # noqa: S608
