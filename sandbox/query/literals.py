"""Constants of a filter in the form that the store keeps a column's values."""

from decimal import Decimal
from typing import Any

from sandbox.errors import DataverseError, bad_request
from sandbox.metadata.columns import TEXT_TYPES, Column
from sandbox.rows.values import WrongTypeError, parse_date, parse_datetime, parse_guid, scaled
from sandbox.store.folding import fold


def incompatible(column: Column, value: Any) -> DataverseError:
    """Return the 400 for a constant that no value of the column can equal."""
    shown = str(value)[:100]
    return bad_request(f"A binary operator with incompatible types was detected: '{shown}' for '{column.name}'.")


def comparable(column: Column, value: Any) -> Any:
    """Return a literal in the form that the store keeps values of this column. Raises DataverseError (400)."""
    try:
        return _comparable(column, value)
    except (WrongTypeError, ValueError, TypeError, ArithmeticError) as error:
        raise incompatible(column, value) from error


def _comparable(column: Column, value: Any) -> Any:
    if column.is_lookup or column.type == "uniqueidentifier":
        return parse_guid(value)
    if column.type == "datetime":
        return parse_datetime(value)
    if column.type == "date":
        return parse_date(value)
    if column.type in TEXT_TYPES:
        if not isinstance(value, str):
            raise WrongTypeError
        return fold(value) if column.is_text else value
    if isinstance(value, bool) or column.type == "boolean":
        return _truth(column, value)
    if column.type == "money":
        return scaled(Decimal(str(value)))
    number = Decimal(str(value))
    return int(number) if number == int(number) else float(number)


def _truth(column: Column, value: Any) -> int:
    if column.type != "boolean" or str(value).lower() not in ("true", "false", "0", "1"):
        raise WrongTypeError
    return int(str(value).lower() in ("true", "1"))
