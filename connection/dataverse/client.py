"""The face of the CRM: everything that the rest of the product asks of Dataverse."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.dataverse import bulk, reading
from connection.dataverse import changes as change_tracking
from connection.dataverse.administration import Administration
from connection.dataverse.answer import Answer
from connection.dataverse.batch import Part
from connection.dataverse.changes import ChangePage
from connection.dataverse.errors import MappingFault, NotDataverse
from connection.dataverse.http import Http
from connection.dataverse.metadata import TableDefinition, read_definition
from connection.dataverse.query import query
from connection.dataverse.reading import MOST_ROWS_A_PAGE, Row
from connection.dataverse.remembering import DefinitionStore, MemoryStore
from connection.dataverse.sizing import READING, BatchSize
from connection.dataverse.writing import Outcome, RowUpdate


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """Who we are in the CRM."""

    user_id: UUID
    business_unit_id: UUID
    organization_id: UUID


@dataclass(frozen=True, slots=True)
class Organization:
    """The environment and its base currency."""

    id: UUID
    name: str
    base_currency_id: UUID
    base_currency_code: str


class DataverseClient:
    """One environment. Every method raises the errors of `connection.dataverse.errors` unless it says otherwise.

    Columns to select may be named by logical name; lookups are then read as `_x_value`. Rows are JSON objects as the
    CRM sends them (`@odata.etag` included), numbers with decimals as Decimal.

    The `…_many` methods send several calls at a time, so the rows of one call must not depend on each other.
    """

    def __init__(self, http: Http, *, store: DefinitionStore | None = None) -> None:
        self._http = http
        self._store = store or MemoryStore()
        self._sizes: dict[tuple[str, str], BatchSize] = {}

    def interactive(self) -> "DataverseClient":
        """This client for somebody who waits: bulk work leaves room for it, and it is not kept waiting for long."""
        lane = copy.copy(self)
        lane._http = self._http.interactive()
        return lane

    def attended(self, meanwhile: Callable[[], None]) -> "DataverseClient":
        """This client for somebody who has other affairs to look after while it waits: `meanwhile` is called in his
        thread before every request, and some times a minute between."""
        attended = copy.copy(self)
        attended._http = self._http.attended(meanwhile)
        return attended

    @property
    def requests_sent(self) -> int:
        """How many requests this client has sent to the CRM."""
        return self._http.requests_sent

    @property
    def complaints_heard(self) -> int:
        """How many of them the CRM refused as too many (429)."""
        return self._http.traffic.complaints

    def who_am_i(self) -> WhoAmI:
        """Who the application is. The cheapest proof that everything works."""
        answer = self._http.get("WhoAmI").json()
        with _dataverse_only():
            return WhoAmI(UUID(answer["UserId"]), UUID(answer["BusinessUnitId"]), UUID(answer["OrganizationId"]))

    def moment(self) -> datetime | None:
        """What time it is in the CRM, to the second; None where it does not say."""
        stamp = self._http.get("WhoAmI").headers.get("Date")
        return parsedate_to_datetime(stamp) if stamp else None

    def answers(self, urls: Sequence[str]) -> list[Answer]:
        """Answers to GETs of up to 1 000 `urls` in one request, in order; a refused one is left to the caller."""
        return self._http.read_batch([Part("GET", url) for url in urls])

    def version(self) -> str:
        """The version of Dataverse, for example `9.2.24013.165`."""
        return str(self._http.get("RetrieveVersion()").json().get("Version", ""))

    def organization(self) -> Organization:
        """The environment, its name and base currency."""
        row = self._first("organizations", "organizationid,name,_basecurrencyid_value")
        currency = self._http.get(
            query(f"transactioncurrencies({row['_basecurrencyid_value']})", select="isocurrencycode")
        )
        with _dataverse_only():
            return Organization(
                UUID(row["organizationid"]),
                row["name"],
                UUID(row["_basecurrencyid_value"]),
                currency.json()["isocurrencycode"],
            )

    @property
    def administration(self) -> Administration:
        """What an administrator does: solutions, users, roles."""
        return Administration(self._http)

    def definition(self, table: str) -> TableDefinition:
        """What `table` is like, from the cache where it is there. Raises MappingFault where there is no such table."""
        return self._store.load(table) or self.refresh(table)

    def refresh(self, table: str) -> TableDefinition:
        """What `table` is like now: asks the CRM and renews the cache."""
        definition = read_definition(self._http, table)
        self._store.save(definition)
        return definition

    def pages(
        self,
        table: str,
        *,
        select: Sequence[str],
        filter: str | None = None,
        orderby: str | None = None,
        page_size: int = MOST_ROWS_A_PAGE,
    ) -> Iterator[list[Row]]:
        """All rows that meet the OData `filter`, page by page; end `orderby` with a unique column to be stable.

        Pages have at most `page_size` rows, and fewer where the CRM is slow or the rows are large.
        """
        with self._mapped(table) as definition:
            size = self._page_size(table, select)
            yield from reading.pages(
                self._http,
                definition,
                select=select,
                size=size,
                condition=filter,
                orderby=orderby,
                page_size=page_size,
            )

    def rows_by_id(self, table: str, ids: Sequence[UUID], *, select: Sequence[str]) -> dict[UUID, Row]:
        """The rows that exist, by id: one request for a thousand ids (I9)."""
        primary_id = self.definition(table).primary_id
        rows = self.rows_where_in(table, primary_id, ids, select=select)
        return {UUID(row[primary_id]): row for row in rows}

    def rows_where_in(
        self, table: str, column: str, values: Sequence[Any], *, select: Sequence[str], filter: str | None = None
    ) -> list[Row]:
        """The rows whose `column` is one of `values` and that meet `filter`: one request for a thousand values (I9)."""
        with self._mapped(table) as definition:
            size = self._page_size(table, select)
            return list(
                reading.rows_where_in(
                    self._http, definition, column, values, select=select, size=size, condition=filter
                )
            )

    def changes(
        self, table: str, *, select: Sequence[str], delta_link: str | None = None, page_size: int = MOST_ROWS_A_PAGE
    ) -> Iterator[ChangePage]:
        """What has changed since `delta_link` (all rows without one); see `ChangePage`. Raises DeltaExpired."""
        with self._mapped(table) as definition:
            size = self._page_size(table, select)
            yield from change_tracking.changes(
                self._http, definition, select=select, size=size, delta_link=delta_link, page_size=page_size
            )

    def create_many(self, table: str, rows: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Create rows that hold their chosen ids; see `bulk.create_many`. Raises only before anything is sent."""
        definition, size = self.definition(table), self._size(table, "create")
        return self._heeded(table, bulk.create_many(self._http, definition, rows, size=size))

    def update_many(self, table: str, updates: Sequence[RowUpdate]) -> list[Outcome]:
        """Update rows, never creating one; an outcome each, in their order. Raises only before anything is sent."""
        definition, size = self.definition(table), self._size(table, "update")
        return self._heeded(table, bulk.update_many(self._http, definition, updates, size=size))

    def upsert_many(self, table: str, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]) -> list[Outcome]:
        """Create or update rows found by the columns of an alternate `key`; an outcome each, in their order.

        Raises MappingFault where the table has no such key, before anything is sent.
        """
        definition, size = self.definition(table), self._size(table, "upsert")
        if set(key) not in map(set, definition.keys.values()):
            text = _("The table “{table}” has no alternate key of the columns {columns}.")
            raise MappingFault(format_lazy(text, table=table, columns=", ".join(key)))
        return self._heeded(table, bulk.upsert_many(self._http, definition, rows, key, size=size))

    def delete_many(self, table: str, ids: Sequence[tuple[UUID, str | None]]) -> list[Outcome]:
        """Delete rows in the version that was judged (or any); an outcome each. Raises only before anything is sent."""
        definition, size = self.definition(table), self._size(table, "delete")
        return self._heeded(table, bulk.delete_many(self._http, definition, ids, size=size))

    def count(self, table: str, filter: str | None = None) -> int:
        """How many rows meet the OData `filter`."""
        with self._mapped(table) as definition:
            return reading.count(self._http, definition, self._page_size(table, ["count"]), filter)

    def row_address(self, table: str, id: UUID) -> str:
        """The address at which a person opens the row."""
        return f"{self._http.address}/main.aspx?etn={table}&pagetype=entityrecord&id={id}"

    def probe(self) -> None:
        """Raise what stands between us and the server, without signing in."""
        self._http.probe()

    def sign_in(self) -> None:
        """Raise what stands between us and an access token."""
        self._http.sign_in()

    def can_read(self, table: str) -> None:
        """Raise what stands between us and the rows of `table`."""
        definition = self.definition(table)
        self._http.get(query(definition.entity_set, select=definition.primary_id, top=1)).json()

    def _first(self, entity_set: str, select: str) -> Row:
        rows = self._http.get(query(entity_set, select=select, top=1)).json().get("value")
        if not rows:
            raise NotDataverse(technical=f"{entity_set} is empty")
        return dict(rows[0])

    @contextmanager
    def _mapped(self, table: str) -> Iterator[TableDefinition]:
        """The definition of `table`; read anew next time if the CRM contradicts it (dataverse-web-api.md 17.1)."""
        try:
            yield self.definition(table)
        except MappingFault:
            self._store.forget(table)
            raise

    def _size(self, table: str, sort: str) -> BatchSize:
        """How many rows go into a call; tables differ in what their rows cost."""
        return self._sizes.setdefault((table, sort), BatchSize())

    def _page_size(self, table: str, select: Sequence[str]) -> BatchSize:
        """How many rows go into a page; rows cost as much as their columns."""
        return self._sizes.setdefault((table, ",".join(select)), BatchSize(READING))

    def _heeded(self, table: str, outcomes: list[Outcome]) -> list[Outcome]:
        if any(isinstance(outcome.error, MappingFault) for outcome in outcomes):
            self._store.forget(table)
        return outcomes


@contextmanager
def _dataverse_only() -> Iterator[None]:
    """Something that answers JSON without what we rely on is not Dataverse."""
    try:
        yield
    except (KeyError, ValueError, TypeError) as error:
        raise NotDataverse(technical=f"unexpected JSON: {error!r}") from None
