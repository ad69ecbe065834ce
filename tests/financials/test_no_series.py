"""Number series: what comes next, and that nobody gets what another has."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from financials.models import NoSeries
from financials.models.no_series import following


@pytest.mark.parametrize(
    ("number", "step", "expected"),
    [
        ("C00009", 1, "C00010"),
        ("C99999", 1, "C100000"),
        ("SP NO. 00000", 1, "SP NO. 00001"),
        ("2026-0010-A", 10, "2026-0020-A"),
    ],
)
def test_the_last_digits_count_up(number: str, step: int, expected: str) -> None:
    assert following(number, step) == expected


@pytest.mark.parametrize("number", ["", "ABC", "9" * 20])
def test_a_number_that_cannot_go_on_is_refused(number: str) -> None:
    with pytest.raises(ValidationError):
        following(number)


@pytest.mark.django_db
def test_numbers_follow_each_other_by_the_increment() -> None:
    NoSeries.objects.create(code="ITEM", last_no_used="I0100", increment_by=10)
    assert NoSeries.next_no("item") == "I0110"
    assert NoSeries.take("ITEM", 2) == ["I0120", "I0130"]
    assert NoSeries.take("ITEM", 0) == []
    assert NoSeries.objects.get().last_no_used == "I0130"


@pytest.mark.django_db
def test_an_unknown_series_is_named() -> None:
    with pytest.raises(ValidationError, match="There is no number series NOPE"):
        NoSeries.next_no("nope")


@pytest.mark.django_db(transaction=True)
def test_the_same_number_is_never_given_twice() -> None:
    if connection.vendor == "sqlite" and "mode=memory" in str(connection.settings_dict["NAME"]):
        pytest.skip("threads cannot share a SQLite database in memory")

    def take_ten(_thread: int) -> list[str]:
        try:
            return [NoSeries.next_no("CUST") for _ in range(10)]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        numbers = [number for taken in threads.map(take_ten, range(4)) for number in taken]
    assert sorted(numbers) == [f"C{number:05}" for number in range(1, 41)]
