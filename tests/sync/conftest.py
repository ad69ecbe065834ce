"""What the engine's tests start from: Northwind, an empty CRM, the default mappings, a look at all of both sides."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from connection.dataverse.client import DataverseClient
from coupling.defaults.install import install_defaults
from coupling.models import Coupling, Direction, TableMapping
from coupling.options import couple_options
from financials.models import CompanySettings, Contact, Currency, Customer, Salesperson
from financials.models.record import ERPRecord
from sync.engine.chain import synchronize_all
from sync.models import COUNTERS, JobState, SynchJob

NORTHWIND = Path(__file__).parent.parent / "data" / "northwind"

ERP_TABLES = (Customer, Contact, Salesperson, Currency)
CRM_TABLES = ("account", "contact", "systemuser", "transactioncurrency")


@pytest.fixture
def company(db: None) -> CompanySettings:
    """A company that keeps its books in NOK."""
    settings, _ = CompanySettings.objects.get_or_create(company_name="Northwind Traders", lcy_code="NOK")
    return settings


@pytest.fixture
def mappings(company: CompanySettings, crm: DataverseClient) -> dict[str, TableMapping]:
    """The default mappings, installed for the empty CRM."""
    install_defaults("NOK", "NOK")
    couple_options(crm)
    return {mapping.name: mapping for mapping in TableMapping.objects.all()}


@pytest.fixture(scope="session")
def brought_in() -> list[list[ERPRecord]]:
    """What the import of Northwind has made, once the first test has had it made."""
    return []


@pytest.fixture
def northwind(company: CompanySettings, brought_in: list[list[ERPRecord]]) -> None:
    """91 customers, 91 contacts, 9 salespeople."""
    for records in brought_in:
        type(records[0]).objects.bulk_create(deepcopy(records))
    if not brought_in:
        call_command("import_northwind", str(NORTHWIND), verbosity=0)
        brought_in += [list(model.objects.all()) for model in (Salesperson, Customer, Contact)]


@pytest.fixture
def run(crm: DataverseClient, mappings: dict[str, TableMapping]) -> Callable[..., dict[str, SynchJob]]:
    """Synchronize (all mappings, or those named) and return each one's first job by `MAPPING direction`."""

    def synchronize(*names: str, direction: Direction | None = None, full: bool = False) -> dict[str, SynchJob]:
        chosen = [mappings[name] for name in names or mappings]
        jobs = synchronize_all(chosen, crm, direction=direction, full=full)
        for job in jobs:
            job.refresh_from_db()
            assert job.state == JobState.FINISHED, job.message_text
            assert job.read == sum(getattr(job, name) for name in COUNTERS)  # I12
        first = {f"{job.mapping.name} {job.direction}": job for job in reversed(jobs)}
        return {name: first[name] for name in reversed(first)}

    return synchronize


@pytest.fixture
def whole_state(crm: DataverseClient) -> Callable[[], dict[str, Any]]:
    """Everything on both sides and between them, to compare before and after."""

    def look() -> dict[str, Any]:
        erp = {model.__name__: sorted(map(str, model.objects.values())) for model in ERP_TABLES}
        rows = {table: _rows(crm, table) for table in CRM_TABLES}
        couplings = Coupling.objects.values_list("mapping", "erp_id", "crm_id", "state")
        return {**erp, **rows, "couplings": sorted(couplings)}

    return look


def _rows(crm: DataverseClient, table: str) -> list[str]:
    definition = crm.definition(table)
    names = [column.name for column in definition.columns.values() if column.can_read]
    return sorted(str(sorted(row.items())) for page in crm.pages(table, select=names) for row in page)
