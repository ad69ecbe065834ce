"""Pages of jobs, errors and conflicts."""

import re
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from coupling.models import Direction
from financials.models import Customer
from sync.models import FullSynchronization, FullSynchState, JobQueueLogEntry, JobState, JobType, SynchJob
from tests.factories import (
    ChangeFactory,
    ConflictFactory,
    ConnectionFactory,
    CouplingFactory,
    FullSynchReviewLineFactory,
    JobQueueEntryFactory,
    KeyRangeFactory,
    SynchErrorFactory,
    SynchJobFactory,
    TableMappingFactory,
    WaitingFactory,
)

pytestmark = pytest.mark.django_db
# The bell looks each minute, whatever the page is about.
FOLLOWS = re.compile(r'hx-trigger="every [23]s')


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def test_jobs_are_narrowed_by_state_and_mapping(desk: Client) -> None:
    mapping = TableMappingFactory.create(name="CONTACT", erp_table="financials.Contact", crm_table="contact")
    running = SynchJobFactory.create(state=JobState.RUNNING, finished_at=None)
    other = SynchJobFactory.create(mapping=mapping)
    assert list(desk.get("/jobs/?state=running").context["object_list"]) == [running]
    assert list(desk.get("/jobs/?mapping=CONTACT").context["object_list"]) == [other]
    assert list(desk.get("/jobs/?state=nonsense").context["object_list"]) == [other, running]


def test_a_big_table_shows_who_shares_in_it_on_the_pages_of_its_job_and_entry_and_in_the_api(desk: Client) -> None:
    execution = JobQueueLogEntry.objects.create(entry=JobQueueEntryFactory.create())
    job = SynchJobFactory.create(state=JobState.RUNNING, finished_at=None, is_full=True, execution=execution)
    for number, position, owner in ((1, "end", ""), (2, "", "berg:17:abc"), (3, f"{uuid4()}", ""), (4, "", "")):
        KeyRangeFactory.create(job=job, number=number, position=position, lease_owner=owner, read=number * 10)
    for address in (f"/jobs/{job.pk}/", f"/job-queue/{execution.entry_id}/"):
        answer = desk.get(address)
        sharing, text = answer.context["sharing"], answer.content.decode()
        assert (sharing.total, sharing.done, [each.number for each in sharing.begun]) == (4, 1, [2, 3])
        assert "1 of 4 done" in text
        assert "berg:17" in text
        assert "berg:17:abc" not in text
        assert "waits for a worker" in text
    shared = desk.get(f"/api/v1/synch-jobs/{job.pk}/").json()["key_ranges"]
    assert shared[:2] == [
        {"number": 1, "is_done": True, "read": 10, "worker": ""},
        {"number": 2, "is_done": False, "read": 20, "worker": "berg:17"},
    ]
    job.ranges.all().delete()
    assert "Key ranges" not in desk.get(f"/jobs/{job.pk}/").content.decode()


def test_s79_s80_a_job_shows_its_result_for_its_direction(desk: Client) -> None:
    SynchJobFactory.create(direction=Direction.TO_CRM)
    SynchJobFactory.create(direction=Direction.FROM_CRM)
    text = desk.get("/jobs/").content.decode()
    assert "To Int. Table" in text
    assert "From Int. Table" in text


def test_a_job_shows_counters_errors_and_what_it_wrote(desk: Client) -> None:
    job = SynchJobFactory.create(read=1, failed=1)
    SynchErrorFactory.create(job=job)
    ChangeFactory.create(job=job)
    answer = desk.get(f"/jobs/{job.pk}/")
    text = answer.content.decode()
    assert ("failed", 1) in [(field.name, number) for field, number in answer.context["counters"]]
    assert "The email is too long." in text
    assert "+47 22 11 11 11" in text


def test_i12_a_list_of_jobs_hides_no_counter_that_counts(desk: Client) -> None:
    SynchJobFactory.create(read=5, skipped=5)
    assert "Coupled" not in desk.get("/jobs/").content.decode()
    SynchJobFactory.create(type=JobType.COUPLING, read=1500, coupled=300, skipped=1200)
    for address in ("/jobs/", "/"):
        text = desk.get(address).content.decode()
        assert 'optional">Coupled</th>' in text
        assert re.search(r'optional ?">300</td>', text)
        assert "Coupling" in text
    job = SynchJob.objects.get(coupled=300)
    assert "· Coupling</h1>" in desk.get(f"/jobs/{job.pk}/").content.decode()


def test_a_job_names_what_it_wrote_and_leads_to_its_job_queue_entry(desk: Client) -> None:
    entry = JobQueueEntryFactory.create()
    job = SynchJobFactory.create(mapping=entry.mapping, execution=JobQueueLogEntry.objects.create(entry=entry))
    coupling = CouplingFactory.create(mapping=entry.mapping)
    Customer.objects.create(system_id=coupling.erp_id, no="C1", name="Fjord AS")
    ChangeFactory.create(job=job, coupling=coupling)
    ChangeFactory.create(job=job, coupling__mapping=entry.mapping)
    text = desk.get(f"/jobs/{job.pk}/").content.decode()
    assert f'/job-queue/{entry.pk}/"' in text
    assert ">C1 Fjord AS</a>" in text


def test_numbers_on_home_lead_to_what_they_count(desk: Client) -> None:
    ConnectionFactory.create()
    waiting = WaitingFactory.create()
    SynchErrorFactory.create(mapping=waiting.mapping)
    Customer.objects.create(system_id=waiting.record_id, no="C2")
    home = desk.get("/").content.decode()
    assert '<a href="/errors/?mapping=CUSTOMER">1</a>' in home
    assert '<a href="/tables/customer/?show=waiting">1</a>' in home
    rows = desk.get("/tables/customer/?show=waiting").context["listing"].rows
    assert [row.id for row in rows] == [waiting.record_id]


def test_cancelling_a_full_synchronization_is_asked_for_twice(desk: Client) -> None:
    full = FullSynchReviewLineFactory.create().full_synchronization
    FullSynchronization.objects.update(state=FullSynchState.RUNNING)
    page = f"/full-synchronization/{full.pk}/cancel/"
    assert f'href="{page}"' in desk.get("/full-synchronization/").content.decode()
    assert "cannot be gone on with" in desk.get(page).content.decode()
    full.refresh_from_db()
    assert full.state == FullSynchState.RUNNING
    assert desk.post(page)["Location"] == "/full-synchronization/"
    full.refresh_from_db()
    assert full.state == FullSynchState.CANCELLED
    assert "ended already" in desk.post(page, follow=True).content.decode()


def test_errors_are_narrowed_and_lead_to_their_record(desk: Client) -> None:
    error = SynchErrorFactory.create()
    text = desk.get("/errors/?kind=fix_record").content.decode()
    assert f"/tables/customer/{error.record_id}/" in text
    assert "No error matches" in desk.get("/errors/?kind=bug").content.decode()


def test_error_texts_follow_the_readers_language(desk: Client) -> None:
    SynchErrorFactory.create()
    desk.post("/language/", {"language": "nb"})
    assert "E-postadressen er for lang." in desk.get("/errors/").content.decode()


def test_conflicts_show_base_ours_and_theirs(desk: Client) -> None:
    ConflictFactory.create()
    text = desk.get("/conflicts/").content.decode()
    for value in ("Berglunds</td>", "Berglunds snabbköp</td>", "Berglunds AB</td>"):
        assert value in text


def test_empty_lists_say_that_all_is_well(desk: Client) -> None:
    assert "No open errors" in desk.get("/errors/").content.decode()
    assert "No open conflicts" in desk.get("/conflicts/").content.decode()
    assert "Nothing has been synchronized yet" in desk.get("/jobs/").content.decode()


@pytest.mark.parametrize("address", ["/jobs/", "/errors/", "/conflicts/"])
def test_i9_lists_cost_the_same_with_more_lines(
    desk: Client, address: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    SynchErrorFactory.create()
    ConflictFactory.create()
    with django_assert_num_queries(9) as few:
        desk.get(address)
    SynchErrorFactory.create_batch(5)
    ConflictFactory.create_batch(5)
    with django_assert_num_queries(len(few)):
        desk.get(address)


def test_s81_pages_follow_a_job_while_it_runs(desk: Client) -> None:
    job = SynchJobFactory.create(state=JobState.RUNNING, finished_at=None, read=7)
    for address in ("/jobs/", f"/jobs/{job.pk}/"):
        assert FOLLOWS.search(desk.get(address).content.decode()), address
    SynchJob.objects.update(state=JobState.FINISHED)
    for address in ("/jobs/", f"/jobs/{job.pk}/"):
        assert not FOLLOWS.search(desk.get(address).content.decode()), address
