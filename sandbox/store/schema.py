"""The SQL tables and indexes that a catalog needs."""

import sqlite3
from collections.abc import Iterable, Iterator

from sandbox.metadata.catalog import Catalog, Table
from sandbox.metadata.columns import Column
from sandbox.store.folding import folded

_INTEGER_TYPES = frozenset({"integer", "bigint", "money", "boolean", "picklist", "state", "status"})
_REAL_TYPES = frozenset({"decimal", "double"})
_OWN_TABLES = """
CREATE TABLE IF NOT EXISTS "$setting" (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS "$deleted" (version INTEGER PRIMARY KEY, tablename TEXT NOT NULL, id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS "$deleted table" ON "$deleted" (tablename, version);
CREATE TABLE IF NOT EXISTS "$token" (digest TEXT PRIMARY KEY, client TEXT NOT NULL, expires REAL NOT NULL);
CREATE TABLE IF NOT EXISTS "$key" (tablename TEXT, name TEXT, columns TEXT NOT NULL, PRIMARY KEY (tablename, name));
CREATE TABLE IF NOT EXISTS "$link" (relationship TEXT, one TEXT, two TEXT, PRIMARY KEY (relationship, one, two));
CREATE INDEX IF NOT EXISTS "$link back" ON "$link" (relationship, two, one);
CREATE TABLE IF NOT EXISTS "$granted" (role TEXT, privilege TEXT, depth INTEGER, PRIMARY KEY (role, privilege));
CREATE TABLE IF NOT EXISTS "$component" (solution TEXT, kind TEXT, name TEXT, PRIMARY KEY (solution, kind, name));
CREATE TABLE IF NOT EXISTS "$definition" (seq INTEGER PRIMARY KEY, kind, name, spec TEXT, UNIQUE (kind, name));
CREATE TABLE IF NOT EXISTS "$revision" (product TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO "$setting" VALUES ('version', '1000'), ('oldest version', '0');
"""


def quoted(name: str) -> str:
    """Return the name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _declaration(column: Column) -> str:
    if column.type in _INTEGER_TYPES:
        kind = "INTEGER"
    elif column.type in _REAL_TYPES:
        kind = "REAL"
    elif column.type in ("string", "memo"):
        kind = "TEXT COLLATE NOCASE"
    else:
        kind = "TEXT"
    default = "" if column.default is None else f" DEFAULT {int(column.default)}"
    return f"{quoted(column.name)} {kind}{default}"


def declarations(table: Table) -> Iterator[tuple[str, str]]:
    """Yield (column name, SQL declaration) for every stored column but `seq`, the order of arrival."""
    for column in table.columns.values():
        yield column.name, _declaration(column) + (" NOT NULL" if column.name == table.id else "")
        if column.is_polymorphic:
            yield column.type_column, f"{quoted(column.type_column)} TEXT"


def _index(table: Table, name: str, columns: Iterable[str], *, unique: bool = False, where: str = "") -> str:
    """Return the statement for an index; texts are kept as they compare, so that a unique index judges alike."""
    kind = "UNIQUE INDEX" if unique else "INDEX"
    names = list(columns)
    texts = [column for column in names if table.columns[column].is_text]
    listed = ", ".join(folded(quoted(column)) if column in texts else quoted(column) for column in names)
    return f"CREATE {kind} IF NOT EXISTS {quoted(f'{table.name} {name}')} ON {quoted(table.name)} ({listed}){where}"


def _indexes(table: Table) -> Iterator[str]:
    yield _index(table, table.id, [table.id], unique=True)
    for column in table.columns.values():
        if column.index:
            # Most rows have no parent; a partial index costs them nothing and still serves `=`.
            where = f" WHERE {quoted(column.name)} IS NOT NULL" if column.is_lookup else ""
            yield _index(table, column.name, [column.name], where=where)
    for name in table.unique:
        yield _index(table, f"unique {name}", [name], unique=True)
    for key in table.keys.values():
        yield key_index(table, key.name, key.columns)


def key_index(table: Table, name: str, columns: Iterable[str]) -> str:
    """Return the statement that builds the unique index of an alternate key."""
    return _index(table, f"key {name}", columns, unique=True)


def _create_table(connection: sqlite3.Connection, table: Table) -> None:
    """Create the SQL table, or add the columns that its data file gained since the store was made."""
    known = {row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table.name)})")}
    if not known:
        body = ", ".join(["seq INTEGER PRIMARY KEY", *(sql for _, sql in declarations(table))])
        connection.execute(f"CREATE TABLE {quoted(table.name)} ({body})")
    else:
        for name, sql in declarations(table):
            if name not in known:
                connection.execute(f"ALTER TABLE {quoted(table.name)} ADD COLUMN {sql}")
    for statement in _indexes(table):
        _build_index(connection, statement)


def _build_index(connection: sqlite3.Connection, statement: str) -> None:
    """Build an index, again when an older store has another one under its name."""
    wanted = statement.replace("IF NOT EXISTS ", "")
    name = wanted.split('"')[1]
    found = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", [name]).fetchone()
    if found and found[0] != wanted:
        connection.execute(f"DROP INDEX {quoted(name)}")
    connection.execute(statement)


def create(connection: sqlite3.Connection, catalog: Catalog) -> None:
    """Bring the store to the shape of the catalog. Safe to run at every start."""
    for statement in _OWN_TABLES.strip().split("\n"):
        connection.execute(statement)
    for table in catalog:
        _create_table(connection, table)
