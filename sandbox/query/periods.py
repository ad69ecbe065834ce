"""The spans of time that date functions of a filter mean: Today, LastXDays, OnOrAfter and their kin."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.errors import bad_request
from sandbox.rows.values import WrongTypeError, iso, parse_date, parse_datetime


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to but without `end`, in the form the store keeps moments; None is open."""

    start: str | None
    end: str | None


_UNITS = {
    "Minutes": timedelta(minutes=1),
    "Hours": timedelta(hours=1),
    "Days": timedelta(days=1),
    "Weeks": timedelta(7),
}
_DAY = timedelta(days=1)


def _month(day: datetime, offset: int) -> datetime:
    years, month = divmod(day.month - 1 + offset, 12)
    return day.replace(year=day.year + years, month=month + 1, day=1)


def _span(start: datetime, end: datetime) -> Period:
    return Period(iso(start), iso(end))


def _named(today: datetime) -> dict[str, tuple[datetime, datetime]]:
    """Return the periods that need no value, as seen on the given day."""
    week = today - timedelta(days=(today.weekday() + 1) % 7)
    year = today.replace(month=1, day=1)
    years = {offset: year.replace(year=year.year + offset) for offset in (-1, 0, 1, 2)}
    return {
        "Today": (today, today + _DAY),
        "Yesterday": (today - _DAY, today),
        "Tomorrow": (today + _DAY, today + 2 * _DAY),
        "Last7Days": (today - 7 * _DAY, today + _DAY),
        "Next7Days": (today, today + 8 * _DAY),
        "ThisWeek": (week, week + 7 * _DAY),
        "LastWeek": (week - 7 * _DAY, week),
        "NextWeek": (week + 7 * _DAY, week + 14 * _DAY),
        "ThisMonth": (_month(today, 0), _month(today, 1)),
        "LastMonth": (_month(today, -1), _month(today, 0)),
        "NextMonth": (_month(today, 1), _month(today, 2)),
        "ThisYear": (years[0], years[1]),
        "LastYear": (years[-1], years[0]),
        "NextYear": (years[1], years[2]),
    }


def _day(value: Any) -> datetime:
    return datetime.fromisoformat(parse_date(str(value))).replace(tzinfo=UTC)


_COMPARED: dict[str, Callable[[Any], Period]] = {
    "On": lambda value: _span(_day(value), _day(value) + _DAY),
    "OnOrAfter": lambda value: Period(_moment(value), None),
    "OnOrBefore": lambda value: Period(None, iso(_day(value) + _DAY)),
}


def _moment(value: Any) -> str:
    return iso(_day(value)) if len(str(value)) <= 10 else parse_datetime(str(value))


def period(name: str, value: Any, now: datetime | None = None) -> Period | None:
    """Return the period that a function means at the moment `now`, or None for an unknown function.

    Raises DataverseError (400) when the value is no date or number.
    """
    now = now or datetime.now(UTC)
    try:
        return _period(name, value, now)
    except (WrongTypeError, ValueError, TypeError, OverflowError) as error:
        raise bad_request(f"The value '{value}' does not fit the function '{name}'.") from error


def _period(name: str, value: Any, now: datetime) -> Period | None:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if name in _COMPARED:
        return _COMPARED[name](value)
    named = _named(today).get(name)
    if named:
        return _span(*named)
    for direction in ("LastX", "NextX", "OlderThanX"):
        if name.startswith(direction):
            return _counted(direction, name[len(direction) :], int(value), now)
    return None


def _counted(direction: str, unit: str, count: int, now: datetime) -> Period | None:
    if unit in _UNITS:
        earlier, later = now - count * _UNITS[unit], now + count * _UNITS[unit]
    elif unit in ("Months", "Years"):
        months = count * (12 if unit == "Years" else 1)
        earlier, later = (_shifted(now, months * sign) for sign in (-1, 1))
    else:
        return None
    # Stored moments are whole seconds: the present one belongs to the past.
    present = now + timedelta(seconds=1)
    spans = {"LastX": Period(iso(earlier), iso(present)), "NextX": Period(iso(now), iso(later))}
    return spans.get(direction, Period(None, iso(earlier)))


def _shifted(moment: datetime, months: int) -> datetime:
    first = _month(moment, months)
    last_day = (_month(first, 1) - _DAY).day
    return first.replace(day=min(moment.day, last_day))
