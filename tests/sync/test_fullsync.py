"""The full synchronization: lines with reasons, order, failures, actions, and everything it survives (S70 to S84)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.utils import timezone

from connection.dataverse.client import DataverseClient
from connection.dataverse.errors import Unreachable
from connection.dataverse.writing import RowUpdate
from connection.errors import FixSetup
from connection.models import CRMConnection
from coupling.models import Coupling, CouplingState, FieldMapping, TableMapping
from financials.models import Customer
from sync import fullsync, recommendation, working
from sync.fullsync import CircleOfMappings, NotNow, prepare, start
from sync.models import (
    OPEN,
    FullSynchReviewLine,
    FullSynchronization,
    FullSynchState,
    JobKind,
    JobQueueEntry,
    JobQueueLogEntry,
    JobState,
    JobStatus,
    JobType,
    LogState,
    Recommendation,
    SynchJob,
)
from sync.recommendation import Advice
from sync.review import Review, ReviewLine
from sync.working import sweep, work_once
from tests.factories import ConnectionFactory, SynchErrorFactory, SynchJobFactory, WaitingFactory

pytestmark = pytest.mark.django_db

Lines = dict[str, FullSynchReviewLine]

# Twelve mappings: a diamond (COUNTRY, CURRENCY, SALES over CUSTOMER), a long arm, a loner, and a circle that is cut at
# an optional lookup (CUSTOMER and CONTACT).
GRAPH = {
    "COUNTRY": [],
    "CURRENCY": ["COUNTRY"],
    "SALES": ["COUNTRY"],
    "CUSTOMER": ["CURRENCY", "SALES", "?CONTACT"],
    "CONTACT": ["CUSTOMER"],
    "UNIT": [],
    "ITEM": ["UNIT"],
    "LIST": ["CURRENCY"],
    "PRICE": ["LIST", "ITEM"],
    "ORDER": ["CUSTOMER", "PRICE"],
    "INVOICE": ["ORDER"],
    "TERMS": [],
}


def work_off(limit: int = 200) -> None:
    """What workers and their supervisor do until nothing is due."""
    for _ in range(limit):
        if not work_once():
            sweep()
            if not work_once():
                return
    raise AssertionError("there was no end of it")


def lines(full: FullSynchronization) -> Lines:
    return {line.name: line for line in full.lines.select_related("entry", "mapping")}


def statuses(full: FullSynchronization) -> dict[str, str]:
    return {name: line.entry.status if line.entry else "" for name, line in lines(full).items()}


def state(full: FullSynchronization) -> str:
    full.refresh_from_db()
    return full.state


@pytest.fixture
def graph(db: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, TableMapping]:
    """The twelve mappings of GRAPH, each with a recommendation to synchronize fully."""
    ConnectionFactory.create()
    made = {
        name: TableMapping.objects.create(name=name, erp_table="financials.Customer", crm_table="account")
        for name in reversed(GRAPH)
    }
    for name, others in GRAPH.items():
        for other in others:
            target = made[other.removeprefix("?")]
            FieldMapping.objects.create(
                mapping=made[name],
                erp_field="name",
                crm_column=f"to_{target.name}".lower(),
                kind="lookup",
                lookup=target,
                clear_on_failed=other.startswith("?"),
            )
    monkeypatch.setattr(fullsync, "advise", lambda *_: Advice(Recommendation.FULL, "Because.", 1, 1))
    return made


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An engine that runs nothing, and fails where it is told to: `{"CUSTOMER": error}`."""
    faults: dict[str, Any] = {}

    def advance(execution: Any, client: object, order: object, may_go_on: Callable[[Any], bool]) -> bool:
        name = execution.entry.mapping.name
        job = SynchJobFactory.create(mapping=execution.entry.mapping, execution=execution, read=1)
        if fault := faults.get(name):
            fault(execution.entry) if callable(fault) else None
            if isinstance(fault, Exception):
                raise fault
        return may_go_on(job) or not execution.entry.request

    monkeypatch.setattr(working, "advance", advance)
    monkeypatch.setattr(working, "_client", lambda entry: None)
    return faults


def test_s71_s77_lines_are_made_in_order_with_reasons_and_nothing_starts(
    graph: dict[str, TableMapping], alice: User
) -> None:
    full = prepare(alice)
    work_off()
    made = list(full.lines.all())
    assert {line.name for line in made} == set(GRAPH)
    for line in made:
        needed = {other for other in GRAPH[line.name] if not other.startswith("?")}
        assert {each.name for each in line.depends_on.all()} == needed
        assert all(each.position < line.position for each in line.depends_on.all())
        assert line.reason_text == "Because."
    assert state(full) == FullSynchState.PREPARED
    assert not JobQueueEntry.objects.filter(interval_minutes=None).exists()
    assert prepare(alice) == full


def test_s72_no_line_starts_before_those_it_depends_on_have_finished(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User
) -> None:
    full = prepare(alice)
    # Among those that may run, one worker takes the oldest: here that is whoever comes last.
    full.lines.update(position=len(GRAPH) - F("position"))
    assert start(full, alice)
    first = {name for name, status in statuses(full).items() if status}
    assert first == {"COUNTRY", "UNIT", "TERMS"}
    work_off()
    assert state(full) == FullSynchState.FINISHED
    done = lines(full)
    for name, line in done.items():
        assert line.entry
        for other in line.depends_on.all():
            before = done[other.name].entry
            assert before
            assert before.finished_at
            assert line.entry.started_at
            assert before.finished_at <= line.entry.started_at, (other.name, name)
    assert not fullsync.current().is_current  # type: ignore[union-attr]


def test_s82_a_failed_line_holds_up_only_those_that_need_it_and_they_say_so(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User
) -> None:
    engine["SALES"] = FixSetup()
    full = prepare(alice)
    start(full, alice)
    work_off()
    assert state(full) == FullSynchState.STOPPED
    blocked = {name for name, status in statuses(full).items() if not status}
    assert blocked == {"CUSTOMER", "CONTACT", "ORDER", "INVOICE"}
    by_name = lines(full)
    assert [each.name for each in fullsync.waits_for(by_name["CUSTOMER"])] == ["SALES"]
    assert statuses(full)["SALES"] == JobStatus.ERROR
    assert statuses(full)["PRICE"] == JobStatus.FINISHED

    engine.clear()
    assert fullsync.restart_failed(full) == 1
    work_off()
    assert state(full) == FullSynchState.FINISHED
    assert set(statuses(full).values()) == {JobStatus.FINISHED}
    assert by_name["SALES"].entry
    assert by_name["SALES"].entry.log.count() == 2


def test_s82_records_that_failed_in_a_finished_line_hold_up_nobody(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User
) -> None:
    engine["CURRENCY"] = lambda entry: SynchJob.objects.filter(execution__entry=entry).update(failed=1)
    full = prepare(alice)
    start(full, alice)
    work_off()
    assert state(full) == FullSynchState.FINISHED


def test_s75_two_people_press_start_and_it_starts_once(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User, bob: User
) -> None:
    mine, theirs = prepare(alice), prepare(bob)
    assert mine == theirs
    assert (start(mine, alice), start(theirs, bob)) == (True, False)
    fullsync.go_on()
    assert JobQueueEntry.objects.count() == 3
    assert theirs.started_by == alice
    work_off()
    assert JobQueueEntry.objects.filter(interval_minutes=None).count() == len(GRAPH)


def test_c10_pause_resume_and_cancel(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User, bob: User
) -> None:
    full = prepare(alice)
    start(full, alice)
    engine["COUNTRY"] = lambda entry: fullsync.pause(FullSynchronization.objects.get(pk=full.pk), bob)
    work_off()
    assert state(full) == FullSynchState.PAUSED
    assert set(statuses(full).values()) == {JobStatus.ON_HOLD, ""}
    with pytest.raises(NotNow):
        fullsync.reset(full, alice)

    engine.clear()
    assert start(full, alice)
    engine["CURRENCY"] = lambda entry: fullsync.cancel(FullSynchronization.objects.get(pk=full.pk), bob)
    work_off()
    assert state(full) == FullSynchState.CANCELLED
    assert statuses(full)["INVOICE"] == ""
    assert not JobQueueEntry.objects.filter(status__in=OPEN, interval_minutes=None).exists()
    fresh = prepare(alice)
    assert fresh != full
    assert FullSynchronization.objects.count() == 2


def test_c10_what_is_asked_during_a_failing_page_holds(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User
) -> None:
    full = prepare(alice)

    def then_fails(ask: Callable[[FullSynchronization, User], object]) -> Callable[[object], None]:
        def page(entry: object) -> None:
            ask(FullSynchronization.objects.get(pk=full.pk), alice)
            raise Unreachable

        return page

    start(full, alice)
    engine["COUNTRY"] = then_fails(fullsync.pause)
    work_off()
    assert (state(full), set(statuses(full).values())) == (FullSynchState.PAUSED, {JobStatus.ON_HOLD, ""})
    start(full, alice)
    engine["COUNTRY"] = then_fails(fullsync.cancel)
    work_off()
    assert (state(full), statuses(full)["COUNTRY"]) == (FullSynchState.CANCELLED, JobStatus.ERROR)
    assert not JobQueueEntry.objects.filter(status__in=OPEN, interval_minutes=None).exists()


def test_c10_start_takes_a_pause_back_before_the_page_is_over(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User
) -> None:
    full = prepare(alice)
    start(full, alice)

    def change_of_mind(entry: object) -> None:
        fullsync.pause(FullSynchronization.objects.get(pk=full.pk), alice)
        start(FullSynchronization.objects.get(pk=full.pk), alice)

    engine["COUNTRY"] = change_of_mind
    work_off()
    assert state(full) == FullSynchState.FINISHED


def test_s82_a_line_restarted_at_its_own_entry_goes_on_with_the_whole(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User, admin_client: Client
) -> None:
    engine["SALES"] = FixSetup()
    full = prepare(alice)
    start(full, alice)
    work_off()
    assert state(full) == FullSynchState.STOPPED
    sales = lines(full)["SALES"].entry
    assert sales
    admin_client.post(f"/job-queue/{sales.pk}/restart/")
    sweep()
    full.refresh_from_db()
    assert (full.state, full.finished_at) == (FullSynchState.RUNNING, None)
    engine.clear()
    work_off()
    assert state(full) == FullSynchState.FINISHED
    assert set(statuses(full).values()) == {JobStatus.FINISHED}


def test_c10_no_line_runs_while_the_whole_is_paused(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User
) -> None:
    engine["COUNTRY"] = FixSetup()
    full = prepare(alice)
    start(full, alice)
    work_once()
    fullsync.pause(full, alice)
    country = lines(full)["COUNTRY"]
    assert not Review.of(full).lines[country.position].can_restart
    with pytest.raises(fullsync.Paused):
        fullsync.restart_line(country)
    assert (state(full), statuses(full)["COUNTRY"]) == (FullSynchState.PAUSED, JobStatus.ERROR)
    engine.clear()
    start(full, alice)
    fullsync.restart_line(country)
    work_off()
    assert state(full) == FullSynchState.FINISHED


def test_c10_reset_goes_by_how_it_stands_now(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User
) -> None:
    engine["SALES"] = FixSetup()
    full = prepare(alice)
    start(full, alice)
    work_off()
    seen = FullSynchronization.objects.get(pk=full.pk)
    fullsync.restart_failed(full)
    with pytest.raises(NotNow):
        fullsync.reset(seen, alice)
    full.refresh_from_db()
    assert (full.state, full.is_current) == (FullSynchState.RUNNING, True)


def test_f4_2_full_synchronization_is_chosen_for_a_line_that_failed_or_had_nothing_to_do(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fullsync, "advise", lambda *_: Advice(Recommendation.COUPLE, "Both hold records.", 1, 1))
    full = prepare(alice)
    full.lines.filter(name="TERMS").update(recommendation=Recommendation.NOTHING)
    engine["SALES"] = FixSetup()
    start(full, alice)
    work_off()
    engine.clear()
    for name in ("SALES", "TERMS"):
        fullsync.recommend_full(lines(full)[name])
        work_off()
        line = lines(full)[name]
        assert line.entry
        assert (line.entry.is_full, line.entry.kind) == (True, JobKind.SYNCHRONIZE)
        assert (state(full), line.entry.status) == (FullSynchState.FINISHED, JobStatus.FINISHED)


def test_i7_the_review_tells_of_records_that_wait(graph: dict[str, TableMapping], alice: User) -> None:
    full = prepare(alice)
    waits = {"mapping": graph["CUSTOMER"], "waits_for": graph["CURRENCY"], "record_id": uuid4()}
    for key, is_optional in (("SEK", False), ("DKK", False), ("EUR", True)):
        WaitingFactory.create(**waits, waits_for_key=key, is_optional=is_optional)
    WaitingFactory.create(**waits | {"record_id": uuid4()}, is_optional=True)
    assert Review.of(full).waiting_records == 1


def test_reset_recommend_and_restart_keep_what_was_as_history(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fullsync, "advise", lambda *_: Advice(Recommendation.COUPLE, "Both hold records.", 1, 1))
    full = prepare(alice)
    start(full, alice)
    work_off()
    country = lines(full)["COUNTRY"]
    assert country.entry
    assert not country.entry.is_full
    assert "COUNTRY" in Review.of(full).only_coupled
    fullsync.recommend_full(country)
    work_off()
    assert "COUNTRY" not in Review.of(full).only_coupled
    again = lines(full)["COUNTRY"]
    assert again.entry
    assert (again.entry.is_full, again.entry.status) == (True, JobStatus.FINISHED)
    assert state(full) == FullSynchState.FINISHED
    fresh = fullsync.reset(full, alice)
    assert fresh != full
    assert set(statuses(fresh).values()) == {""}
    assert full.lines.count() == fresh.lines.count() == len(GRAPH)
    with pytest.raises(NotNow):
        fullsync.restart_line(again)


def test_a_mapping_that_is_switched_off_or_deleted_meanwhile_ends_clearly(
    graph: dict[str, TableMapping], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = prepare(alice)
    start(full, alice)
    TableMapping.objects.filter(name="COUNTRY").update(is_enabled=False)
    FieldMapping.objects.filter(lookup__name="UNIT").delete()
    TableMapping.objects.get(name="UNIT").delete()
    TableMapping.objects.filter(name="TERMS").update(is_enabled=False)
    TableMapping.objects.filter(name="ITEM").update(is_enabled=False)
    work_off()
    assert state(full) == FullSynchState.STOPPED
    country = lines(full)["COUNTRY"].entry
    assert country
    assert "switched off" in country.message_text
    assert statuses(full)["ITEM"] == JobStatus.ERROR


def test_mappings_that_need_each_other_are_named(graph: dict[str, TableMapping], alice: User) -> None:
    FieldMapping.objects.update(clear_on_failed=False)
    with pytest.raises(CircleOfMappings) as caught:
        prepare(alice)
    assert "CONTACT" in caught.value.technical
    assert not FullSynchronization.objects.exists()


def test_s70_s73_s74_s83_northwind_is_synchronized_in_order_and_a_second_time_changes_nothing(
    northwind: None,
    mappings: dict[str, TableMapping],
    crm: DataverseClient,
    alice: User,
    whole_state: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Every slice ends after its first page, as after a killed worker; pages are small.
    monkeypatch.setattr(working, "SLICE", 0)
    monkeypatch.setattr("sync.engine.reading.PAGE_SIZE", 40)
    full = prepare(alice)
    assert lines(full)["CURRENCY"].recommendation == Recommendation.FULL
    start(full, alice)
    work_off()
    assert state(full) == FullSynchState.FINISHED, [each.message_text for each in JobQueueEntry.objects.all()]
    began = {name: line.entry.started_at for name, line in lines(full).items() if line.entry and line.entry.started_at}
    ended = {
        name: line.entry.finished_at for name, line in lines(full).items() if line.entry and line.entry.finished_at
    }
    assert ended["CURRENCY"] <= began["CUSTOMER"]  # S73
    assert ended["SALESPEOPLE"] <= began["CUSTOMER"]  # S74
    assert ended["CUSTOMER"] <= began["CONTACT"]
    customers = lines(full)["CUSTOMER"].entry
    assert customers
    log = customers.log.get()
    assert log.slices >= 3
    jobs = {job.direction: job for job in log.synch_jobs.all()}
    assert (jobs["to"].read, jobs["to"].inserted) == (91, 91)
    coupled = Coupling.objects.filter(mapping__name="CUSTOMER", state=CouplingState.COUPLED)
    assert coupled.count() == Customer.objects.count() == 91

    before = whole_state()
    second = prepare(alice)
    assert second != full
    start(second, alice)
    work_off()
    assert state(second) == FullSynchState.FINISHED
    assert whole_state() == before


def test_e15_a_pass_that_failed_goes_on_where_it_stopped(
    northwind: None,
    mappings: dict[str, TableMapping],
    crm: DataverseClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sync.engine.reading.PAGE_SIZE", 30)
    TableMapping.objects.exclude(name__in=("CURRENCY", "CUSTOMER")).update(is_enabled=False)
    full = prepare(alice)
    start(full, alice)
    work_once()
    real, calls = DataverseClient.create_many, []

    def flaky(client: DataverseClient, table: str, rows: Any) -> Any:
        calls.append(table)
        if len(calls) == 3:
            raise Unreachable()
        return real(client, table, rows)

    monkeypatch.setattr(DataverseClient, "create_many", flaky)
    work_off()
    customers = lines(full)["CUSTOMER"].entry
    assert customers
    assert (customers.status, customers.attempts) == (JobStatus.READY, 1)
    JobQueueEntry.objects.filter(pk=customers.pk).update(earliest_start=customers.created_at)
    work_off()
    assert state(full) == FullSynchState.FINISHED
    reads = [job.read for job in SynchJob.objects.filter(mapping__name="CUSTOMER", direction="to").order_by("pk")]
    assert sum(reads) == 91 + 30
    assert crm.count("account") == 91


def test_a_mapping_edited_in_the_middle_is_read_anew_so_that_no_new_column_passes_for_blank(
    northwind: None,
    mappings: dict[str, TableMapping],
    crm: DataverseClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = prepare(alice)
    start(full, alice)
    work_off()
    customer = Customer.objects.order_by("no")[0]
    Customer.objects.filter(pk=customer.pk).update(mobile_phone_no="555")
    coupling = Coupling.objects.get(mapping__name="CUSTOMER", erp_id=customer.system_id)
    crm.update_many("account", [RowUpdate(coupling.crm_id, {"telephone2": "777"}, None)])
    monkeypatch.setattr("sync.engine.reading.PAGE_SIZE", 40)
    monkeypatch.setattr(working, "SLICE", 0)
    second = prepare(alice)
    start(second, alice)
    while not SynchJob.objects.filter(
        mapping__name="CUSTOMER", direction="from", state="running", is_full=True
    ).exists():
        assert work_once()
    field = {"erp_field": "mobile_phone_no", "crm_column": "telephone2", "direction": "from"}
    FieldMapping.objects.filter(mapping=mappings["CUSTOMER"], crm_column="telephone2").delete()
    FieldMapping.objects.create(mapping=mappings["CUSTOMER"], **field)
    work_off()
    customer.refresh_from_db()
    assert customer.mobile_phone_no == "777"


@pytest.mark.parametrize(
    ("erp", "crm_count", "coupled", "direction", "expected"),
    [
        (0, 0, 0, "both", Recommendation.NOTHING),
        (0, 5, 0, "to", Recommendation.NOTHING),
        (5, 0, 0, "both", Recommendation.FULL),
        (5, 1, 0, "both", Recommendation.FULL),
        (5, 5, 0, "both", Recommendation.COUPLE),
        (5, 5, 2, "both", Recommendation.FULL),
        (5, 5, 5, "both", Recommendation.FULL),
        (5, 5, 0, "from", Recommendation.FULL),
    ],
)
def test_c1_the_recommendation_goes_by_what_is_there(
    db: None, erp: int, crm_count: int, coupled: int, direction: str, expected: Recommendation
) -> None:
    mapping = TableMapping.objects.create(name="X", erp_table="x.X", crm_table="x", direction=direction)
    advice, reason = recommendation.judge(mapping, erp, crm_count, coupled)
    assert advice == expected
    assert str(reason)


def test_f4_2_what_coupling_has_left_is_synchronized_fully_after_a_reset(db: None) -> None:
    mapping = TableMapping.objects.create(name="X", erp_table="x.X", crm_table="x")
    field = FieldMapping.objects.create(mapping=mapping, erp_field="name", crm_column="name", is_match_key=True)
    tried = SynchJobFactory.create(mapping=mapping, type=JobType.COUPLING, state=JobState.FAILED)
    assert recommendation.judge(mapping, 5, 5, 0)[0] == Recommendation.COUPLE
    SynchJob.objects.filter(pk=tried.pk).update(state=JobState.FINISHED)
    advice, reason = recommendation.judge(mapping, 5, 5, 0)
    assert advice == Recommendation.FULL
    assert "Coupling has run" in str(reason)
    FieldMapping.objects.filter(pk=field.pk).update(is_match_key=False)
    assert recommendation.judge(mapping, 5, 5, 0)[0] == Recommendation.COUPLE, "no field to match by: all made twice"


def test_c1_reasons_count_as_people_do(db: None) -> None:
    mapping = TableMapping.objects.create(name="X", erp_table="x.X", crm_table="x")
    said = [str(recommendation.judge(mapping, 2000, 2000, coupled)[1]) for coupled in (1, 1500, 2000)]
    assert [text.split(" coupled")[0] for text in said] == ["1 record is", "1,500 records are", "Everything is"]


def test_s77_a_line_says_that_it_has_begun_and_a_paused_one_that_it_rests(
    graph: dict[str, TableMapping], alice: User
) -> None:
    full = prepare(alice)
    start(full, alice)
    entry = lines(full)["COUNTRY"].entry
    assert entry
    job = SynchJobFactory.create(
        mapping=entry.mapping, execution=JobQueueLogEntry.objects.create(entry=entry), state=JobState.RUNNING
    )

    def country() -> ReviewLine:
        return next(line for line in Review.of(full).lines if line.line.name == "COUNTRY")

    JobQueueEntry.objects.filter(pk=entry.pk).update(status=JobStatus.IN_PROCESS)
    assert (country().is_reading, country().to_status.value) == (True, "running")
    assert Review.of(full).is_reading
    SynchJob.objects.filter(pk=job.pk).update(read=1)
    assert not country().is_reading
    fullsync.pause(full, alice)
    assert (country().to_status.value, country().entry_status.value) == ("on_hold", "on_hold")
    assert not Review.of(full).is_stopping


def test_s77_failures_of_an_earlier_attempt_stay_on_the_line(graph: dict[str, TableMapping], alice: User) -> None:
    full = prepare(alice)
    full.lines.update(erp_count=100, crm_count=0)
    start(full, alice)
    entry = lines(full)["COUNTRY"].entry
    assert entry
    for attempt, read, failed in ((JobState.FAILED, 60, 31), (JobState.RUNNING, 30, 1)):
        log = JobQueueLogEntry.objects.create(entry=entry, state=attempt)
        job = SynchJobFactory.create(mapping=entry.mapping, execution=log, state=attempt, read=read, failed=failed)
        # One record failed itself; the attempt that broke off counted the rest of its page as failed, too.
        SynchErrorFactory.create(mapping=entry.mapping, job=job)
    line = Review.of(full).lines[lines(full)["COUNTRY"].position]
    assert (line.failed, line.to_way.failed, line.done) == (2, 2, 90)
    entry.log.update(state=LogState.FINISHED)
    SynchJob.objects.filter(state=JobState.RUNNING).update(state=JobState.FINISHED, failed=0)
    line = Review.of(full).lines[lines(full)["COUNTRY"].position]
    assert (line.failed, line.to_status.value) == (1, "error")


def test_c10_the_rate_leaves_out_the_time_of_a_pause(
    graph: dict[str, TableMapping], engine: dict[str, Any], alice: User
) -> None:
    def rate() -> float | None:
        review = Review.of(FullSynchronization.objects.get(pk=full.pk))
        assert review.full.resumed_at
        return replace(review, now=review.full.resumed_at + timedelta(seconds=10)).rate

    full = prepare(alice)
    start(full, alice)
    work_once()
    SynchJob.objects.update(read=50)
    assert rate() == 5
    fullsync.pause(full, alice)
    long_ago = timezone.now() - timedelta(hours=12)
    FullSynchronization.objects.update(started_at=long_ago, resumed_at=long_ago)
    start(full, alice)
    assert rate() is None
    SynchJob.objects.update(read=100)
    assert rate() == 5


def test_s75_whoever_looks_is_told_why_nothing_moves(
    graph: dict[str, TableMapping], alice: User, admin_client: Client
) -> None:
    full = prepare(alice)
    program, page = f"/api/v1/full-synchronizations/{full.pk}/", f"/full-synchronization/{full.pk}/"
    assert admin_client.get(program).json()["at_rest"] is None
    assert "Jobs rest" not in admin_client.get(page).content.decode()
    CRMConnection.objects.update(is_enabled=False)
    assert admin_client.post(f"{program}start/").json()["state"] == "running"
    FullSynchronization.objects.update(resumed_at=timezone.now() - timedelta(hours=12))
    sweep()
    assert FullSynchronization.objects.filter(resumed_at__gt=timezone.now() - timedelta(hours=1)).exists()
    assert "is not connected to Dynamics CRM" in admin_client.get(program).json()["at_rest"]
    assert "Jobs rest: crmbridge is not connected" in admin_client.get(page).content.decode()
