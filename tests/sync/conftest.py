"""What the engine's tests start from: Northwind, an empty CRM, the default mappings, a look at all of both sides."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import environ
import psycopg
import pytest
from django.core.management import call_command

from connection.dataverse.client import DataverseClient
from coupling.defaults.install import install_defaults
from coupling.models import Coupling, Direction, TableMapping
from coupling.options import couple_options
from financials.models import CompanySettings, Contact, Currency, Customer, Salesperson
from sync.engine.chain import synchronize_all
from sync.models import COUNTERS, JobState, SynchJob
from tests.sandbox_process import SandboxProcess

NORTHWIND = Path(__file__).parent.parent / "data" / "northwind"

ERP_TABLES = (Customer, Contact, Salesperson, Currency)
CRM_TABLES = ("account", "contact", "systemuser", "transactioncurrency")


@pytest.fixture
def own_database(sandbox: SandboxProcess, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a fresh installation: a database of its own of the kind that is under test."""
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment = {**inherited, "CRMBRIDGE_VAR": str(tmp_path), "LOG_LEVEL": "WARNING"}
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield environment
        return
    name = f"kill_{uuid4().hex}"
    settings = environ.Env.db_url_config(server)
    with psycopg.connect(server, autocommit=True) as postgres:
        postgres.execute(f"CREATE DATABASE {name}")
        try:
            path = f"{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT'] or 5432}/{name}"
            yield environment | {"DATABASE_URL": f"postgres://{path}"}
        finally:
            postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


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


@pytest.fixture
def northwind(company: CompanySettings) -> None:
    """91 customers, 91 contacts, 9 salespeople."""
    call_command("import_northwind", str(NORTHWIND), verbosity=0)


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
