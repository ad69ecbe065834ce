"""What all workers of a connection may send together (dataverse-web-api.md 10)."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connection.dataverse.budget import DOCUMENTED, Amount, Budget, Complaint, Report, Slice

START = 1_700_000_000.0
FEW = Amount(100, 20)


def ask(budget: Budget, now: float, member: str = "one", wanted: Amount = FEW) -> tuple[Budget, Slice]:
    return budget.exchanged(Report(member, wanted=wanted), now)


def spent_out(budget: Budget, now: float) -> Budget:
    given = Slice(Amount(1, 1), 1, 0, 0)
    while given.amount.allows_one:
        budget, given = ask(budget, now, wanted=DOCUMENTED)
    return budget


def test_a_slice_is_charged_before_it_is_used_and_its_rest_comes_back() -> None:
    budget, given = ask(Budget(), START)
    assert given.amount == FEW
    assert budget.total == given.amount
    rest = Amount(-given.amount.requests, -given.amount.seconds)
    budget, _ = budget.exchanged(Report("one", spent=rest, wanted=Amount()), START + 1)
    assert budget.total == Amount()


def test_bulk_work_leaves_a_reserve_to_people() -> None:
    left = DOCUMENTED - spent_out(Budget(), START).total
    assert left.requests >= 0.04 * DOCUMENTED.requests
    assert left.seconds >= 0.04 * DOCUMENTED.seconds


def test_workers_share_fairly() -> None:
    budget = spent_out(Budget(), START)
    budget = replace(budget, spent={step: amount.times(0.9) for step, amount in budget.spent.items()})
    for member in ("two", "three"):
        budget, _ = ask(budget, START, member, Amount())
    room = DOCUMENTED.times(0.95) - budget.total
    _, given = ask(budget, START, "two", DOCUMENTED)
    assert given.amount.seconds <= room.seconds / 3 + 0.001
    assert given.parallel == (52 - 4) // 3


def test_a_worker_that_is_gone_does_not_count() -> None:
    budget, _ = ask(Budget(), START, "one")
    _, given = ask(budget, START + 60, "two")
    assert given.parallel == 48


def test_what_left_the_window_can_be_spent_again() -> None:
    budget = spent_out(Budget(), START)
    _, given = ask(budget, START + 5)
    assert not given.amount.allows_one
    assert START + 5 < given.again_at <= START + 310
    _, given = ask(budget, START + 311)
    assert given.amount.allows_one


def test_a_complaint_holds_back_everybody_and_lowers_the_limit() -> None:
    budget, _ = ask(Budget(), START, wanted=DOCUMENTED)
    budget, _ = budget.exchanged(Report("one", complaint=Complaint("seconds", START + 24)), START)
    assert (budget.limits.seconds, budget.limits.requests) == (120, 6000)
    _, given = ask(budget, START + 1, "another")
    assert given.held_until == START + 24


def test_too_many_at_a_time_leaves_fewer_to_each() -> None:
    budget, _ = Budget().exchanged(Report("one", complaint=Complaint("parallel", START + 5)), START)
    assert ask(budget, START + 6)[1].parallel == 52 * 0.75 - 4


def test_a_limit_that_binds_is_tried_out_slowly_while_nobody_complains() -> None:
    budget = spent_out(Budget(), START)
    assert budget.limits == DOCUMENTED
    quiet = replace(budget, lowered_at=START - 300)
    tried, _ = ask(quiet, START + 20)
    tried, _ = ask(tried, START + 21)
    assert DOCUMENTED.seconds < tried.limits.seconds <= DOCUMENTED.seconds * 1.06
    assert ask(budget, START + 20)[0].limits == DOCUMENTED


def test_the_budget_survives_storing() -> None:
    budget, _ = ask(Budget(), START)
    assert Budget.from_json(json.loads(json.dumps(budget.to_json()))) == budget
    assert Budget.from_json({}) == Budget()


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 40), st.integers(0, 900), st.floats(0, 200)), max_size=60)
)
def test_no_series_of_workers_is_given_more_than_the_limits_of_the_time(
    asked: list[tuple[str, float, int, float]],
) -> None:
    budget, now = Budget(lowered_at=START), START
    for member, later, requests, seconds in asked:
        now = min(now + later, START + 299)
        budget, given = ask(budget, now, member, Amount(requests, seconds))
        assert given.amount.requests >= 0
        assert given.amount.seconds >= 0
    assert budget.total.requests <= DOCUMENTED.requests
    assert budget.total.seconds <= DOCUMENTED.seconds + 0.001


@pytest.mark.parametrize("wanted", [Amount(0, 0), Amount(1, 0), Amount(0, 1)])
def test_who_wants_nothing_gets_nothing(wanted: Amount) -> None:
    assert not ask(Budget(), START, wanted=wanted)[1].amount.allows_one
