"""**CRM Full Synch. Review** in a real browser (S71 to S84), without a worker; the file beside it has one."""

import itertools
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from coupling.models import Direction, TableMapping
from sync import fullsync
from sync.models import (
    FullSynchReviewLine,
    FullSynchronization,
    FullSynchState,
    JobQueueEntry,
    JobQueueLogEntry,
    JobState,
    JobStatus,
    LogState,
    Priority,
)
from tests.factories import ConnectionFactory, SynchErrorFactory, SynchJobFactory

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = [
    ("CURRENCY", "Currency", "transactioncurrency", "to", [], "full", 12, 3),
    ("SALESPEOPLE", "Salesperson", "systemuser", "from", [], "full", 0, 9),
    ("CUSTOMER", "Customer", "account", "both", ["CURRENCY", "SALESPEOPLE"], "full", 20000, 35),
    ("CONTACT", "Contact", "contact", "both", ["CUSTOMER", "CURRENCY"], "couple", 20000, 400),
]


@pytest.fixture
def review(transactional_db: None, alice: User) -> FullSynchronization:
    """One in the middle: currencies done with a failure, salespeople failed, customers wait, contacts wait."""
    ConnectionFactory.create()
    full = FullSynchronization.objects.create(created_by=alice)
    made: dict[str, FullSynchReviewLine] = {}
    for place, (name, model, table, way, before, advice, erp, crm) in enumerate(TABLES):
        mapping = TableMapping.objects.create(
            name=name, erp_table=f"financials.{model}", crm_table=table, direction=way
        )
        made[name] = full.lines.create(
            name=name,
            mapping=mapping,
            direction=way,
            position=place,
            recommendation=advice,
            reason={"en": "Both sides hold records that are not coupled."},
            erp_count=erp,
            crm_count=crm,
        )
        made[name].depends_on.set([made[other] for other in before])
    return full


def run(full: FullSynchronization, name: str, status: JobStatus, state: JobState, **counters: int) -> JobQueueEntry:
    """Let a line be at work, or have ended."""
    line = full.lines.get(name=name)
    assert line.mapping
    started = timezone.now() - timedelta(seconds=40)
    entry = JobQueueEntry.objects.create(
        mapping=line.mapping,
        category=name,
        status=status,
        priority=Priority.FULL,
        is_full=True,
        started_at=started,
        earliest_start=timezone.now() + timedelta(hours=1),
        message={"en": "Dynamics CRM does not answer."} if status == JobStatus.ERROR else {},
    )
    FullSynchReviewLine.objects.filter(pk=line.pk).update(entry=entry)
    log = JobQueueLogEntry.objects.create(entry=entry, state=LogState.RUNNING, started_at=started, slices=2)
    way = Direction.FROM_CRM if line.direction == "from" else Direction.TO_CRM
    job = SynchJobFactory.create(
        mapping=line.mapping, execution=log, direction=way, state=state, started_at=started, **counters
    )
    if counters.get("failed"):
        SynchErrorFactory.create(mapping=line.mapping, job=job)
    return entry


def half_way(full: FullSynchronization, alice: User) -> None:
    run(full, "CURRENCY", JobStatus.FINISHED, JobState.FINISHED, read=12, inserted=11, failed=1)
    run(full, "SALESPEOPLE", JobStatus.FINISHED, JobState.FINISHED, read=9, inserted=9)
    run(full, "CUSTOMER", JobStatus.IN_PROCESS, JobState.RUNNING, read=7000, inserted=7000)
    started = timezone.now() - timedelta(seconds=60)
    FullSynchronization.objects.filter(pk=full.pk).update(
        state=FullSynchState.RUNNING, started_by=alice, started_at=started, resumed_at=started
    )


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


def test_s71_nothing_starts_before_start_is_chosen_and_start_returns_at_once(
    signed_in: Page, address: str, review: FullSynchronization
) -> None:
    signed_in.goto(f"{address}/full-synchronization/")
    expect(signed_in.get_by_role("heading", name="CRM Full Synch. Review")).to_be_visible()
    assert not JobQueueEntry.objects.exists()
    signed_in.get_by_role("button", name="Start").focus()
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_role("status")).to_contain_text("In Process")
    assert set(JobQueueEntry.objects.values_list("mapping__name", flat=True)) == {"CURRENCY", "SALESPEOPLE"}
    row = signed_in.get_by_role("row").filter(has=signed_in.get_by_role("rowheader", name="CUSTOMER"))
    expect(row).to_contain_text("Waits for CURRENCY, SALESPEOPLE")


def test_s78_s79_s80_s81_statuses_move_by_themselves_and_lead_to_what_they_are_about(
    signed_in: Page, address: str, review: FullSynchronization, alice: User
) -> None:
    half_way(review, alice)
    signed_in.goto(f"{address}/full-synchronization/")
    row = signed_in.get_by_role("row").filter(has=signed_in.get_by_role("rowheader", name="CUSTOMER"))
    expect(row).to_contain_text("7,000 / 20,035")
    expect(signed_in.locator(".progress-line")).to_contain_text("left")
    signed_in.locator("#pause").focus()
    entry = JobQueueEntry.objects.get(mapping__name="CUSTOMER")
    entry.log.get().synch_jobs.update(read=9000)
    expect(row).to_contain_text("9,000 / 20,035")
    expect(signed_in.locator("#pause")).to_be_focused()

    row.get_by_role("link", name="In Process").first.click()
    expect(signed_in).to_have_url(f"{address}/job-queue/{entry.pk}/")
    expect(signed_in.get_by_role("heading", name="Log")).to_be_visible()
    signed_in.go_back()
    currency = signed_in.get_by_role("row").filter(has=signed_in.get_by_role("rowheader", name="CURRENCY"))
    expect(currency).to_contain_text("1 record failed")
    currency.get_by_role("link", name="Error").click()
    expect(signed_in.get_by_text("The email is too long.")).to_be_visible()


def test_s82_a_failed_line_is_plain_to_see_and_its_dependants_say_whom_they_wait_for(
    signed_in: Page, address: str, review: FullSynchronization, alice: User
) -> None:
    half_way(review, alice)
    JobQueueEntry.objects.filter(mapping__name="CUSTOMER").update(
        status=JobStatus.ERROR, message={"en": "Dynamics CRM does not answer."}
    )
    fullsync.go_on()
    signed_in.goto(f"{address}/full-synchronization/")
    expect(signed_in.get_by_role("status")).to_contain_text("1 line failed")
    row = signed_in.get_by_role("row").filter(has=signed_in.get_by_role("rowheader", name="CONTACT"))
    expect(row).to_contain_text("waits for CUSTOMER, which failed")
    expect(signed_in.get_by_text("Dynamics CRM does not answer.")).to_be_visible()
    signed_in.get_by_role("button", name="Restart CUSTOMER").click()
    expect(signed_in.get_by_role("status")).to_contain_text("In Process")


def test_the_review_is_for_everyone_in_every_theme_and_width(
    signed_in: Page, address: str, review: FullSynchronization, alice: User
) -> None:
    half_way(review, alice)
    other = FullSynchronization.objects.create(is_current=False, state=FullSynchState.CANCELLED, created_by=alice)
    entry = JobQueueEntry.objects.get(mapping__name="CUSTOMER")
    for theme, path in itertools.product(
        ("light", "dark"),
        ("full-synchronization/", f"full-synchronization/{other.pk}/", "job-queue/", f"job-queue/{entry.pk}/"),
    ):
        signed_in.context.add_cookies([{"name": "theme", "value": theme, "url": address}])
        signed_in.goto(f"{address}/{path}")
        for width in (375, 1280):
            signed_in.set_viewport_size({"width": width, "height": 900})
            assert violations(signed_in) == [], (path, theme, width)
            assert signed_in.evaluate("document.documentElement.scrollWidth") <= width, (path, theme, width)


def test_without_one_the_page_says_what_it_is_for(signed_in: Page, address: str) -> None:
    signed_in.goto(f"{address}/full-synchronization/")
    expect(signed_in.get_by_text("Dynamics CRM is not connected.")).to_be_visible()
    assert violations(signed_in) == []
    signed_in.get_by_role("link", name="CRM Connection Setup").last.click()
    expect(signed_in).to_have_url(f"{address}/connection/")
    assert violations(signed_in) == []
