"""Installations of their own, for tests that run the product's programs and kill them: nothing survives in another."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from django.db import connection
from psycopg.sql import SQL, Composed, Identifier

from tests.project.processes import environment

SET_UP = """
from pathlib import Path
from django.core.management import call_command
call_command("seed_financials", customers={customers})
call_command("connect", from_file=Path({details!r}))
call_command("use_default_setup")
"""
"""Fills an installation and connects it; to be run in it."""


class Template:
    """The test database as it was when it had just been migrated; a copy takes moments, and migrating seconds."""

    def __init__(self, folder: Path) -> None:
        self._server = os.environ["DATABASE_URL"] if connection.vendor == "postgresql" else ""
        self._file = folder / "template.sqlite3"
        self._name = f"{connection.settings_dict['NAME']}_template"
        if self._server:
            connection.close()
            self._copy(connection.settings_dict["NAME"], self._name)
        else:
            connection.ensure_connection()
            with closing(sqlite3.connect(self._file)) as copy:
                connection.connection.backup(copy)

    def drop(self) -> None:
        """Leave nothing on the server."""
        if self._server:
            self._drop(self._name)

    @contextmanager
    def installation(self, folder: Path, **more: str) -> Iterator[dict[str, str]]:
        """The environment of an installation that keeps everything in `folder`, but for its database on a server."""
        env = environment(folder, **more)
        if not self._server:
            folder.mkdir()
            shutil.copy(self._file, folder / "crmbridge.sqlite3")
            yield env
            return
        name = f"own_{uuid4().hex}"
        self._copy(self._name, name)
        try:
            address = urlunsplit(urlsplit(self._server)._replace(path=f"/{name}"))
            yield env | {"DATABASE_URL": address, "REDIS_URL": os.environ["REDIS_URL"]}
        finally:
            self._drop(name)

    def _copy(self, source: str, name: str) -> None:
        self._tell(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(source)))

    def _drop(self, name: str) -> None:
        self._tell(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def _tell(self, statement: Composed) -> None:
        with psycopg.connect(self._server, autocommit=True) as server:
            server.execute(statement)
