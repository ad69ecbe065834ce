"""Currencies of rows: the default one, its rate as a snapshot, and amounts in base currency (4.7, 13.2)."""

import sqlite3
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sandbox.metadata.catalog import Table
from sandbox.rows.values import Stored

Values = dict[str, Stored]


@dataclass(frozen=True)
class Currencies:
    """The rates at the moment of a write: units of each currency per one unit of the base currency."""

    base: str | None
    rates: dict[str, float]

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> "Currencies":
        """Return the rates that the store holds now."""
        base = connection.execute("SELECT basecurrencyid FROM organization LIMIT 1").fetchone()
        rates = connection.execute("SELECT transactioncurrencyid, exchangerate FROM transactioncurrency")
        return cls(base[0] if base else None, {identity: rate for identity, rate in rates if rate})

    def complete(self, table: Table, values: Values, existing: Values) -> None:
        """Fill in currency, rate and base amounts of a row about to be written with `values` over `existing`."""
        touched = [column.name for column in table.money if column.name in values]
        if existing and not touched and "transactioncurrencyid" not in values:
            return
        currency = values.get("transactioncurrencyid", existing.get("transactioncurrencyid")) or self.base
        rate = self.rates.get(str(currency))
        if rate is None:
            return
        values["transactioncurrencyid"] = currency
        values["exchangerate"] = rate
        for column in table.money:
            amount = values.get(column.name, existing.get(column.name))
            if amount is not None or column.name in values:
                values[f"{column.name}_base"] = _in_base(amount, rate)


def _in_base(amount: Stored, rate: float) -> int | None:
    if amount is None:
        return None
    if rate == 1:
        return int(amount)
    return int((Decimal(str(amount)) / Decimal(str(rate))).quantize(Decimal(1), ROUND_HALF_UP))
