"""The pages that only show: all tables, and one table's rows."""

from urllib.parse import urlencode

from sandbox.metadata.catalog import Table
from sandbox.metadata.columns import Column
from sandbox.pages.reading import listing
from sandbox.pages.visit import Visit
from sandbox.protocol import Answer
from sandbox.query.options import Options
from sandbox.rows.reading import Query


def tables_page(visit: Visit) -> Answer:
    """List every table with its number of rows."""
    catalog = visit.service.catalog
    with visit.service.store.reading() as connection:
        counts = [(table, Query(connection, catalog, table, Options()).count(limit=None)) for table in catalog]
    return visit.page("tables.html", {"tables": sorted(counts, key=lambda pair: -pair[1])})


def _sort_link(visit: Visit, column: Column, sort: str) -> str:
    """Return the address that sorts by a column, the other way round when it is sorted so already."""
    wanted = f"-{column.name}" if sort == column.name else column.name
    kept = {"q": visit.parameters["q"]} if visit.parameters.get("q") else {}
    return "?" + urlencode({**kept, "sort": wanted})


def rows_page(visit: Visit, table: Table) -> Answer:
    """List a table's rows, searched and sorted as the address says."""
    search, sort = visit.parameters.get("q", "").strip(), visit.parameters.get("sort", "")
    with visit.service.store.reading() as connection:
        found = listing(connection, visit.service.catalog, table, search, sort, visit.parameters.get("after", ""))
    heads = [(column, "" if column.is_lookup else _sort_link(visit, column, sort)) for column in found.columns]
    kept = {name: value for name, value in (("q", search), ("sort", sort)) if value}
    following = "?" + urlencode({**kept, "after": found.following}) if found.following else ""
    context = {"table": table, "listing": found, "heads": heads, "search": search, "sort": sort.lstrip("-")}
    context |= {"following": following, "descending": sort.startswith("-"), "is_first": "after" not in visit.parameters}
    return visit.page("rows.html", context)
