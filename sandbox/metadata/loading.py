"""Build the catalog from data files and from what was defined through the API since."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.metadata.catalog import Catalog, Key, Table
from sandbox.metadata.columns import Column, column_from

TABLES_FOLDER = Path(__file__).parent / "tables"
Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Definition:
    """Something defined through the API: a `table`, a `column` (named `table.column`), a `patch` of a table, an
    `association` or an `optionset`; `spec` has the form of the data files."""

    kind: str
    name: str
    spec: Spec


def _with_base_twins(table: str, columns: dict[str, Column]) -> dict[str, Column]:
    """Add to each money column its read-only amount in base currency (dataverse-web-api.md 4.7)."""
    twins: dict[str, Column] = {}
    for column in columns.values():
        twins[column.name] = column
        if column.type == "money":
            spec = {
                "type": "money",
                "label": f"{column.label} (Base)",
                "precision": 4,
                "create": False,
                "update": False,
            }
            twins[f"{column.name}_base"] = column_from(table, f"{column.name}_base", spec)
    return twins


def _table_from(spec: dict[str, Any], groups: dict[str, dict[str, Any]]) -> Table:
    described = dict(spec["columns"])
    if any(column["type"] == "money" for column in described.values()) and "priced" not in spec["include"]:
        described = groups["priced"] | described
    for group in spec["include"]:
        described |= {name: column for name, column in groups[group].items() if name not in described}
    columns = {name: column_from(spec["name"], name, column) for name, column in described.items()}
    return Table(
        name=spec["name"],
        schema=spec["schema"],
        entity_set=spec["set"],
        label=spec["label"],
        plural=spec["plural"],
        code=spec["code"],
        id=spec["id"],
        primary=spec["primary"],
        ownership=spec["ownership"],
        bulk=spec["bulk"],
        tracked=spec.get("tracked", True),
        trackable=spec.get("trackable", spec.get("tracked", True)),
        custom=spec.get("custom", False),
        key_property=spec.get("key property", spec["id"]),
        columns=_with_base_twins(spec["name"], columns),
        keys={name: Key(name, tuple(names)) for name, names in spec["keys"].items()},
        addressable=[tuple(names) for names in spec["addressable"]],
        unique=spec.get("unique", {}),
        listed=spec.get("list", [spec["primary"]]),
        form=spec.get("form", [spec["primary"]]),
    )


@cache
def _files(folder: Path) -> tuple[dict[str, Spec], dict[str, Spec], list[Spec]]:
    """Return the column groups, the tables and the many-to-many relationships of a folder."""
    groups = json.loads((folder / "_groups.json").read_text(encoding="utf-8"))
    files = sorted(path for path in folder.glob("*.json") if not path.name.startswith("_"))
    tables = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    associations = json.loads((folder / "_associations.json").read_text(encoding="utf-8"))
    return groups, {table["name"]: table for table in tables}, associations


def load_catalog(definitions: Iterable[Definition] = (), folder: Path = TABLES_FOLDER) -> Catalog:
    """Return a new catalog: the data files of a folder, with the definitions laid over them in order."""
    groups, files, associations = _files(folder)
    tables = {name: {**spec, "columns": dict(spec["columns"])} for name, spec in files.items()}
    links, option_sets = list(associations), {}
    for definition in definitions:
        match definition.kind:
            case "table":
                tables[definition.name] = {**definition.spec, "columns": dict(definition.spec["columns"])}
            case "patch":
                tables[definition.name] |= definition.spec
            case "column":
                _lay_over(tables, groups, definition)
            case "association":
                links.append(definition.spec)
            case "optionset":
                option_sets[definition.name] = definition.spec
    catalog = Catalog([_table_from(spec, groups) for spec in tables.values()], links)
    catalog.option_sets = option_sets
    return catalog


def _lay_over(tables: dict[str, Spec], groups: dict[str, Spec], definition: Definition) -> None:
    table, _, column = definition.name.partition(".")
    columns = tables[table]["columns"]
    shared: Spec = next((groups[group][column] for group in tables[table]["include"] if column in groups[group]), {})
    columns[column] = {**shared, **columns.get(column, {}), **definition.spec}
