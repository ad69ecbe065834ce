"""Turn a JSON value into what the store keeps, or refuse it as Dataverse would (dataverse-web-api.md 4.7, 9.2)."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox import errors
from sandbox.errors import DataverseError
from sandbox.metadata.columns import MONEY_SCALE, Column

Stored = str | int | float | None
Convert = Callable[[Any], Stored]
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_INT64 = 2**63


class WrongTypeError(ValueError):
    """The JSON value cannot be a value of the column at all."""


def iso(moment: datetime) -> str:
    """Return the moment as Dataverse writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_datetime(text: str) -> str:
    """Return the moment in UTC with whole seconds. Raises WrongTypeError."""
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise WrongTypeError from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return iso(moment)
    except OverflowError as error:
        raise WrongTypeError from error


def parse_date(text: str) -> str:
    """Return the day. Raises WrongTypeError."""
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except (ValueError, TypeError) as error:
        raise WrongTypeError from error


def parse_guid(text: str) -> str:
    """Return the id in lower case. Raises WrongTypeError."""
    if type(text) is not str or not GUID.fullmatch(text):
        raise WrongTypeError
    return text.lower()


def scaled(number: Decimal | float) -> int | float:
    """Return an amount as ten-thousandths, for comparing with stored money."""
    amount = Decimal(str(number)) * MONEY_SCALE
    return int(amount) if amount == int(amount) else float(amount)


def _text(column: Column) -> Convert:
    limit = column.max_length

    def convert(value: Any) -> Stored:
        if value is None or value == "":
            return None
        if type(value) is not str or "\0" in value:
            raise WrongTypeError
        if limit and len(value) > limit:
            raise _too_long(column)
        return value

    return convert


def _too_long(column: Column) -> DataverseError:
    message = (
        f"A validation error occurred.  The length of the '{column.name}' attribute of the '{column.table}' entity "
        f"exceeded the maximum allowed length of '{column.max_length}'."
    )
    return DataverseError(400, errors.TOO_LONG, message)


def _out_of_range(column: Column, value: Any, code: str) -> DataverseError:
    message = (
        f"A validation error occurred.  The value {value} of '{column.name}' on record of type '{column.table}' is "
        f"outside the valid range. Accepted Values: {column.minimum:.15g} to {column.maximum:.15g}"
    )
    return DataverseError(400, code, message)


def _in_range(column: Column, value: Decimal | int | float) -> bool:
    if column.minimum is None or column.maximum is None:
        return True
    return column.minimum <= value <= column.maximum


def _integer(column: Column) -> Convert:
    def convert(value: Any) -> Stored:
        if value is None:
            return None
        if type(value) is not int or not -_INT64 <= value < _INT64:
            raise WrongTypeError
        if not _in_range(column, value):
            raise _out_of_range(column, value, errors.INTEGER_RANGE)
        return value

    return convert


def _number(column: Column, value: Any) -> Decimal:
    """Return the value as an exact number within the column's range and precision."""
    if type(value) not in (int, float, Decimal):
        raise WrongTypeError
    number = Decimal(str(value))
    if not _in_range(column, number):
        raise _out_of_range(column, value, errors.DECIMAL_RANGE)
    return number


def _decimal(column: Column) -> Convert:
    quantum = Decimal(1).scaleb(-column.precision)

    def convert(value: Any) -> Stored:
        if value is None:
            return None
        return float(_number(column, value).quantize(quantum, ROUND_HALF_UP))

    return convert


def _money(column: Column) -> Convert:
    quantum = Decimal(1).scaleb(-column.precision)

    def convert(value: Any) -> Stored:
        if value is None:
            return None
        return int(_number(column, value).quantize(quantum, ROUND_HALF_UP) * MONEY_SCALE)

    return convert


def _boolean(_column: Column) -> Convert:
    def convert(value: Any) -> Stored:
        if value is None:
            return None
        if type(value) is not bool:
            raise WrongTypeError
        return int(value)

    return convert


def _option(column: Column) -> Convert:
    def convert(value: Any) -> Stored:
        if value is None:
            return None
        if type(value) is not int:
            raise WrongTypeError
        if value not in column.options:
            raise _no_option(column, value)
        return value

    return convert


def _no_option(column: Column, value: Any) -> DataverseError:
    message = (
        f"A validation error occurred.  The value '{value}' of '{column.name}' on record of type '{column.table}' is "
        f"outside the valid range. Accepted Values: {','.join(str(option) for option in column.options)}"
    )
    return DataverseError(400, errors.OPTION_RANGE, message)


def _multiselect(column: Column) -> Convert:
    single = _option(column)

    def convert(value: Any) -> Stored:
        if value is None or value == "":
            return None
        if type(value) is not str or not re.fullmatch(r"-?\d+(,-?\d+)*", value):
            raise WrongTypeError
        chosen = sorted({int(part) for part in value.split(",")})
        return ",".join(str(single(option)) for option in chosen)

    return convert


def _datetime(_column: Column) -> Convert:
    def convert(value: Any) -> Stored:
        return None if value is None else parse_datetime(value)

    return convert


def _date(_column: Column) -> Convert:
    def convert(value: Any) -> Stored:
        return None if value is None else parse_date(value)

    return convert


def _guid(_column: Column) -> Convert:
    def convert(value: Any) -> Stored:
        return None if value is None else parse_guid(value)

    return convert


_CONVERTERS: dict[str, Callable[[Column], Convert]] = {
    "string": _text,
    "memo": _text,
    "integer": _integer,
    "bigint": _integer,
    "decimal": _decimal,
    "double": _decimal,
    "money": _money,
    "boolean": _boolean,
    "picklist": _option,
    "state": _option,
    "status": _option,
    "multiselect": _multiselect,
    "datetime": _datetime,
    "date": _date,
    "uniqueidentifier": _guid,
}


def converter(column: Column) -> Convert:
    """Return the function that checks and converts one value of this column.

    It raises WrongTypeError for a value of the wrong kind and DataverseError for one outside the column's limits.
    """
    return _CONVERTERS[column.type](column)
