"""How much there is, and what a full synchronization would take under the service-protection limits (chapter 10)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil

from django.utils.formats import number_format
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from connection.dataverse.budget import DOCUMENTED, WINDOW
from connection.dataverse.client import DataverseClient
from connection.dataverse.query import query
from connection.dataverse.reading import MOST_ROWS_A_PAGE
from connection.dataverse.sizing import WRITING
from connection.preflight.finding import Finding, Group, Level
from coupling.preflight.erp_side import records_of
from coupling.preflight.ground import Subject

# Server time for a row that is created, from Microsoft's own samples (100 rows a second with CreateMultiple, 25 with
# single calls in a batch): orders of magnitude, and the CRM may be slower where plug-ins run.
SECONDS_A_ROW, SECONDS_A_SINGLE_ROW = 0.010, 0.040
# Nothing is published; a row of some twenty short columns with its indexes.
BYTES_A_ROW = 2_000
LONG = 3600
_shown = lazy(partial(number_format, force_grouping=True), str)


@dataclass(frozen=True, slots=True)
class Size:
    """One mapping: records of both sides, those coupled already, and how rows are written."""

    name: str
    erp: int
    crm: int
    coupled: int = 0
    is_written: bool = True
    is_bulk: bool = True
    can_match: bool = True

    @property
    def writes(self) -> int:
        """How many rows would be created at most: those that have no partner yet."""
        return max(0, self.erp - self.coupled) if self.is_written else 0

    @property
    def requests(self) -> int:
        """How many requests reading all rows and writing the new ones takes."""
        return ceil(self.crm / MOST_ROWS_A_PAGE) + ceil(self.writes / WRITING.start) + 1

    @property
    def seconds(self) -> float:
        """The least time that the limits on requests and on execution time allow."""
        execution = self.writes * (SECONDS_A_ROW if self.is_bulk else SECONDS_A_SINGLE_ROW)
        return max(execution / DOCUMENTED.seconds, self.requests / DOCUMENTED.requests) * WINDOW


def read_sizes(client: DataverseClient, subjects: Sequence[Subject]) -> list[Size]:
    """Count both sides, with one request and two queries a mapping. Raises what the client raises."""
    whole = [each for each in subjects if each.erp and each.table]
    counts = _totals(client, list(dict.fromkeys(each.mapping.crm_table for each in whole)))
    return [
        Size(
            each.name,
            records_of(each).count(),
            counts.get(each.mapping.crm_table, 0),
            each.mapping.couplings.count(),
            each.to_crm,
            bool(each.table and each.table.bulk_create),
            bool(each.keys),
        )
        for each in whole
    ]


def _totals(client: DataverseClient, tables: Sequence[str]) -> Mapping[str, int]:
    """How many rows the tables have; the CRM's figures may be a day old (dataverse-web-api.md 5.2)."""
    if not tables:
        return {}
    url = query("RetrieveTotalRecordCount(EntityNames=@p1)") + f"?@p1={json.dumps(list(tables))}"
    (answer,) = client.answers([url])
    found = answer.json()["EntityRecordCountCollection"]
    return dict(zip(found["Keys"], map(int, found["Values"]), strict=True))


def size_findings(sizes: Sequence[Size]) -> Iterator[Finding]:
    """What is on both sides, what a full synchronization takes, and where duplicates threaten."""
    for size in sizes:
        text = format_lazy(_("{erp} in the ERP, {crm} in Dynamics CRM."), erp=_shown(size.erp), crm=_shown(size.crm))
        yield Finding(Group.SIZES, Level.OK, text, table=size.name)
        if size.erp and size.crm and not size.can_match and not size.coupled:
            text = _(
                "Both sides hold data and nothing can be matched: a full synchronization would create everything twice."
            )
            fix = _("Mark a field mapping to match on, or couple the records by hand first.")
            yield Finding(Group.SIZES, Level.WARNING, text, fix, size.name)
    yield _total(sizes)


def _total(sizes: Sequence[Size]) -> Finding:
    seconds = sum(size.seconds for size in sizes)
    writes = sum(size.writes for size in sizes)
    minutes = max(1, ceil(seconds / 60))
    text = ngettext_lazy(
        "A full synchronization creates up to {rows} rows with {requests} requests, and takes {minutes} minute or "
        "more and {megabytes} MB of storage.",
        "A full synchronization creates up to {rows} rows with {requests} requests, and takes {minutes} minutes or "
        "more and {megabytes} MB of storage.",
        minutes,
    )
    megabytes = max(1, ceil(writes * BYTES_A_ROW / 1_000_000))
    requests = sum(size.requests for size in sizes)
    shown = {"rows": _shown(writes), "requests": _shown(requests), "megabytes": _shown(megabytes)}
    text = format_lazy(text, minutes=minutes, **shown)
    if seconds < LONG:
        return Finding(Group.SIZES, Level.OK, text)
    fix = _("Start it when few people work; it can be paused and resumes by itself.")
    return Finding(Group.SIZES, Level.NOTICE, text, fix)
