"""The demo's acts in their order: connect, couple, synchronize, change both sides, synchronize again, compare."""

import io
from collections.abc import Sequence

from django.core.management import call_command
from django.urls import reverse

from connection.dataverse.client import DataverseClient
from connection.models import CRMConnection
from coupling.crm_page import crm_page_address
from coupling.models import Coupling, TableMapping
from coupling.prerequisites import in_order
from crmbridge.demo.agreement import disagreements
from crmbridge.demo.changes import Edit, lost_edits, make_edits, plan_edits
from crmbridge.demo.crm_side import seed_crm
from crmbridge.demo.people import create_users
from crmbridge.demo.setting_up import set_up, somebody_else
from crmbridge.demo.stage import Stage
from crmbridge.demo.story import Story
from financials.demo import create_demo_company
from financials.models import Contact, Customer
from sync.engine.chain import synchronize_all
from sync.engine.run import couple
from sync.models import SynchJob
from sync.queue import enqueue_synchronization, wait_for

WORK_TIMEOUT = 120.0


def play(stage: Stage, story: Story, customers: int) -> bool:
    """Perform the whole demo. True where both sides hold the same in the end."""
    story.heading("Two systems that do not know each other")
    _set_up(stage, story, customers)
    client, others = CRMConnection.enabled().client(), somebody_else(stage.sandbox_details)
    story.step("CRM's own data", lambda: _fill_crm(others))
    story.heading("Connected, coupled, synchronized")
    story.step("Coupling", lambda: _couple(client))
    first: list[SynchJob] = []
    story.step("Full run", lambda: _synchronize(client, first))
    story.jobs(first)
    story.heading("Three changes on each side, and the worker")
    problems = _second_run(story, others) + disagreements(client)
    story.verdict(problems)
    return not problems


def tell_where_to_look(stage: Stage, story: Story, *, stays: bool) -> None:
    """Give the users, their one-time passwords, and the addresses to open."""
    story.heading("Look around" if stays else "Where to look, when it is started without --once")
    users = {f"Sign in as {name}": password for name, password in create_users().items()}
    story.facts(_addresses(stage) | users)


def _set_up(stage: Stage, story: Story, customers: int) -> None:
    story.step("Database", _migrate)
    story.step("Company", lambda: _make_company(customers))
    story.step("Dynamics CRM", lambda: f"a sandbox of it at {stage.start_sandbox()['address']}")
    story.step("Web and worker", lambda: _start_programs(stage))
    story.step("Connection", lambda: _connect(stage))


def _migrate() -> str:
    call_command("migrate", verbosity=0)
    return "ready"


def _make_company(customers: int) -> str:
    if not Customer.objects.exists():
        create_demo_company(customers)
    return f"{Customer.objects.count()} customers and {Contact.objects.count()} contacts in the ERP"


def _start_programs(stage: Stage) -> str:
    stage.start_worker()
    stage.start_web()
    return stage.address


def _connect(stage: Stage) -> str:
    """As the guide does it, with an administrator of the CRM who signs in once for the solution and once for roles."""
    connection = set_up(stage.sandbox_details, stage.address + reverse("connection:signed-in"))
    call_command("use_default_setup", stdout=io.StringIO())
    solution = f"solution {connection.solution_version} imported"
    return f"{connection.organization_name}, {solution}, {TableMapping.objects.count()} tables mapped"


def _fill_crm(client: DataverseClient) -> str:
    crm = seed_crm(client)
    return (
        f"{crm.users} users, {crm.accounts} accounts that the ERP has too, {crm.contacts} people that it does not know"
    )


def _couple(client: DataverseClient) -> str:
    jobs = [couple(mapping, client) for mapping in _mappings()]
    found = ", ".join(f"{job.mapping.name} {job.coupled}" for job in jobs)
    return f"same on both sides: {found}"


def _synchronize(client: DataverseClient, jobs: list[SynchJob]) -> str:
    before = client.requests_sent
    jobs += synchronize_all(_mappings(), client, full=True)
    return f"{sum(job.read for job in jobs)} records read, {client.requests_sent - before} requests to the CRM"


def _second_run(story: Story, client: DataverseClient) -> list[str]:
    edits = plan_edits()
    story.step("Changes", lambda: _make(edits, client))
    story.items([str(edit) for edit in edits])
    second: list[SynchJob] = []
    story.step("Second run", lambda: _synchronize_by_worker(second))
    story.jobs(second)
    return lost_edits(edits, client)


def _make(edits: Sequence[Edit], client: DataverseClient) -> str:
    make_edits(edits, client)
    return f"{len(edits)} made"


def _synchronize_by_worker(jobs: list[SynchJob]) -> str:
    ids = wait_for(enqueue_synchronization(), WORK_TIMEOUT)
    jobs += SynchJob.objects.filter(pk__in=ids).select_related("mapping").order_by("pk")
    return "done by the worker"


def _mappings() -> Sequence[TableMapping]:
    return in_order(TableMapping.objects.filter(is_enabled=True))


def _addresses(stage: Stage) -> dict[str, str]:
    addresses = {
        "Home": stage.address + reverse("home"),
        "Customer List": stage.address + reverse("coupling:records", args=["customer"]),
        "Administration": stage.address + reverse("admin:index"),
        "API": stage.address + "/api/v1/",
        "Dynamics CRM": f"{stage.sandbox_details['address']}/",
    }
    coupling = Coupling.objects.get(mapping__name="CUSTOMER", erp_id=Customer.objects.order_by("no")[0].pk)
    return addresses | {
        "One customer": stage.address + reverse("coupling:record", args=["customer", coupling.erp_id]),
        "… and in the CRM": crm_page_address(coupling.mapping, coupling.crm_id),
    }
