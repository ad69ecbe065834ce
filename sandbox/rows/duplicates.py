"""Duplicate detection: published rules as joins of a row with those that it duplicates (dataverse-web-api.md 4.9).

The columns of rules and conditions mean what Microsoft's page "Duplicate rule tables" says. Detection is off for API
calls unless `MSCRM.SuppressDuplicateDetection: false` asks for it, and for all when the organization switched it off.
"""

# ruff: noqa: S608 - names in the SQL come from the catalog, values are bound

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.errors import duplicates_found
from sandbox.metadata.catalog import Catalog, Table
from sandbox.metadata.columns import Column
from sandbox.store.folding import folded
from sandbox.store.schema import quoted

# What `operatorcode` says; exact matches, same moments and same options compare the values as they are.
_SAME_FIRST, _SAME_LAST, _SAME_DATE, _SAME_LABEL = 1, 2, 3, 5
_RULES = """
SELECT duplicateruleid, matchingentityname, iscasesensitive, excludeinactiverecords FROM duplicaterule
WHERE statecode = 1 AND baseentityname = ? AND EXISTS (SELECT 1 FROM organization
    WHERE isduplicatedetectionenabled AND isduplicatedetectionenabledforonlinecreateupdate) ORDER BY seq
"""
_RULE = """
SELECT baseentityname, duplicateruleid, matchingentityname, iscasesensitive, excludeinactiverecords
FROM duplicaterule WHERE duplicateruleid = ?
"""
_CONDITIONS = """
SELECT baseattributename, matchingattributename, operatorcode, operatorparam, ignoreblankvalues
FROM duplicaterulecondition WHERE regardingobjectid = ? ORDER BY seq
"""
# The states in which rows of these tables are active; all others have one, 0.
_ACTIVE = {"quote": (0, 1), "salesorder": (0, 1, 4), "product": (0, 2, 3)}


@dataclass(frozen=True)
class Condition:
    """One comparison of a rule."""

    base: Column
    matching: Column
    operator: int
    length: int
    ignores_blank: bool

    def test(self, *, case_sensitive: bool) -> str:
        """Return the SQL that compares row `b` with row `m`."""
        here = self._form(f"b.{quoted(self.base.name)}", self.base, case_sensitive)
        there = self._form(f"m.{quoted(self.matching.name)}", self.matching, case_sensitive)
        return f"{there} = {here}" if self.ignores_blank else f"{there} IS {here}"

    def _form(self, sql: str, column: Column, case_sensitive: bool) -> str:
        """Return what is compared of a column."""
        if self.operator == _SAME_DATE:
            return f"substr({sql}, 1, 10)"
        if self.operator == _SAME_FIRST:
            sql = f"substr({sql}, 1, {self.length})"
        elif self.operator == _SAME_LAST:
            sql = f"substr({sql}, -{self.length})"
        elif self.operator == _SAME_LABEL:
            sql = _label(sql, column)
        elif not column.is_text:
            return sql
        return f"{sql} COLLATE BINARY" if case_sensitive else folded(sql)


def _label(sql: str, column: Column) -> str:
    labels = ((option.value, option.label.replace("'", "''")) for option in column.options.values())
    choices = " ".join(f"WHEN {value} THEN '{label}'" for value, label in labels)
    return f"CASE {sql} {choices} END" if choices else sql


@dataclass(frozen=True)
class Rule:
    """A published rule: which rows of a table duplicate which others."""

    matching: Table
    case_sensitive: bool
    only_active: bool
    conditions: tuple[Condition, ...]

    def concerns(self, changed: set[str]) -> bool:
        """Return True when one of these columns is compared."""
        return any(condition.base.name in changed for condition in self.conditions)

    def pairs(self, base: str, key: str) -> str:
        """Return the SQL of the ids that duplicate a row of `base`, a table or subquery with the primary key `key`."""
        tests = [condition.test(case_sensitive=self.case_sensitive) for condition in self.conditions]
        tests += [f"m.statecode IN {self._states()}"] if self.only_active and self.matching.has_state else []
        if key:
            tests.append(f"m.{quoted(self.matching.id)} IS NOT b.{quoted(key)}")
        return (
            f"SELECT m.{quoted(self.matching.id)} FROM {base} b JOIN {quoted(self.matching.name)} m "
            f"ON {' AND '.join(tests)}"
        )

    def _states(self) -> str:
        return "(" + ", ".join(map(str, _ACTIVE.get(self.matching.name, (0,)))) + ")"


def published(connection: sqlite3.Connection, catalog: Catalog, table: Table) -> list[Rule]:
    """Return the rules in force for new and changed rows of a table; one that names what is gone counts no more."""
    rules = [_rule(connection, catalog, table, row) for row in connection.execute(_RULES, [table.name]).fetchall()]
    return [rule for rule in rules if rule is not None]


def is_sound(connection: sqlite3.Connection, catalog: Catalog, rule: str) -> bool:
    """Return True when a rule has conditions, and names tables and columns that exist."""
    base, *row = connection.execute(_RULE, [rule]).fetchone()
    table = catalog.find(base)
    return table is not None and _rule(connection, catalog, table, tuple(row)) is not None


def _rule(connection: sqlite3.Connection, catalog: Catalog, table: Table, row: tuple[Any, ...]) -> Rule | None:
    identity, name, case_sensitive, only_active = row
    matching = catalog.find(name)
    if matching is None:
        return None
    conditions = list(_conditions(connection, identity, table, matching))
    known = tuple(condition for condition in conditions if condition is not None)
    if not known or len(known) < len(conditions):
        return None
    return Rule(matching, bool(case_sensitive), bool(only_active), known)


def _conditions(connection: sqlite3.Connection, rule: str, base: Table, matching: Table) -> Iterable[Condition | None]:
    found = connection.execute(_CONDITIONS, [rule]).fetchall()
    for here, there, operator, length, ignores_blank in found:
        columns = base.columns.get(here), matching.columns.get(there)
        if columns[0] is None or columns[1] is None:
            yield None
        else:
            # A rule with one condition never takes empty values for duplicates of each other.
            ignores = bool(ignores_blank) or len(found) == 1
            yield Condition(columns[0], columns[1], operator, length or 1, ignores)


def refuse_duplicates(
    connection: sqlite3.Connection, catalog: Catalog, table: Table, written: Iterable[tuple[str, set[str]]]
) -> None:
    """Raise DataverseError (412, 0x80040333) when one of the rows just written duplicates another.

    `written` names their ids and the columns that were written; only rules that compare one of those count.
    """
    rules = published(connection, catalog, table)
    if not rules:
        return
    listed = list(written)
    base = f"(SELECT * FROM {quoted(table.name)} WHERE {quoted(table.id)} IN (SELECT value FROM json_each(?)))"
    for rule in rules:
        identities = [identity for identity, changed in listed if rule.concerns(changed)]
        sql = f"{rule.pairs(base, table.id if rule.matching is table else '')} LIMIT 1"
        if identities and connection.execute(sql, [json.dumps(identities)]).fetchone():
            raise duplicates_found()
