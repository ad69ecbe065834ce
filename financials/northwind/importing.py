"""Brings Northwind into the financials.

It may be repeated: a record that already is as the file says is not written again.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext as _

from financials.models import CompanySettings, Contact, Customer, Salesperson
from financials.models.fields import normalized
from financials.models.record import ERPRecord
from financials.northwind.csvfile import Line, Refusal, UnusableFileError, read_lines
from financials.northwind.values import (
    CUSTOMER_COLUMNS,
    EMPLOYEE_COLUMNS,
    ORDER_COLUMNS,
    Row,
    Values,
    contact_no,
    contact_values,
    customer_values,
    salesperson_code,
    salesperson_values,
    usual_salespeople,
)

Outcome = Literal["created", "changed", "unchanged"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
Written = list[tuple[type[ERPRecord], Outcome]]


@dataclass
class ImportReport:
    """What an import did, as records by table and outcome, and the rows it refused."""

    counts: defaultdict[type[ERPRecord], dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(OUTCOMES, 0))
    )
    refusals: list[Refusal] = field(default_factory=list)

    def count(self, written: Written) -> None:
        """Count what a row did."""
        for model, outcome in written:
            self.counts[model][outcome] += 1


class RowRefusedError(Exception):
    """A row cannot go in; the message says why."""


def import_northwind(folder: Path) -> ImportReport:
    """Bring in the employees and customers of FOLDER; with an orders.csv, each customer's usual salesperson too.

    A row that cannot go in is reported, and the others go in. A customer goes in with its contact or not at all.

    Raises:
        UnusableFileError: the folder or one of its files is missing or has other columns; nothing was written.
    """
    if not folder.is_dir():
        raise UnusableFileError(_("There is no folder %(folder)s.") % {"folder": folder})
    report = ImportReport()
    employees = _readable(folder / "employees.csv", EMPLOYEE_COLUMNS, report)
    customers = _readable(folder / "customers.csv", CUSTOMER_COLUMNS, report)
    orders = _readable(folder / "orders.csv", ORDER_COLUMNS, report) if (folder / "orders.csv").exists() else []
    report.count(_ensure_company())
    _bring_in(employees, "EmployeeID", _write_salesperson, report)
    owners = _known_owners(usual_salespeople(line.values for line in orders))
    _bring_in(customers, "CustomerID", lambda row: _write_customer(row, owners), report)
    return report


def _readable(path: Path, columns: tuple[str, ...], report: ImportReport) -> list[Line]:
    rows = list(read_lines(path, columns))
    report.refusals += [row for row in rows if isinstance(row, Refusal)]
    return [row for row in rows if isinstance(row, Line)]


def _known_owners(employees: dict[str, str]) -> dict[str, str]:
    """Salespeople's codes by customer, without those whose own row was refused."""
    known = set(Salesperson.objects.values_list("code", flat=True))
    codes = {customer: salesperson_code(employee) for customer, employee in employees.items()}
    return {customer: code for customer, code in codes.items() if code in known}


def _ensure_company() -> Written:
    if CompanySettings.objects.exists():
        return [(CompanySettings, "unchanged")]
    CompanySettings.objects.create(
        company_name="Northwind Traders",
        lcy_code="USD",
        local_currency_symbol="$",
        local_currency_description="US dollar",
    )
    return [(CompanySettings, "created")]


def _bring_in(lines: list[Line], key: str, write: Callable[[Row], Written], report: ImportReport) -> None:
    first: dict[str, int] = {}
    for line in lines:
        try:
            _refuse_doubtful_key(key, line, first)
            with transaction.atomic():
                written = write(line.values)
        except RowRefusedError as error:
            report.refusals.append(Refusal(line.file, line.number, str(error)))
        else:
            report.count(written)


def _refuse_doubtful_key(key: str, line: Line, first: dict[str, int]) -> None:
    value = normalized(line.values[key])
    if not value:
        raise RowRefusedError(_("%(column)s is missing") % {"column": key})
    if first.setdefault(value, line.number) != line.number:
        known = {"column": key, "value": value, "number": first[value]}
        raise RowRefusedError(_("%(column)s %(value)s is already in line %(number)s") % known)


def _write_salesperson(row: Row) -> Written:
    return [(Salesperson, _put(Salesperson, salesperson_code(row["EmployeeID"]), salesperson_values(row)))]


def _write_customer(row: Row, owners: dict[str, str]) -> Written:
    no = normalized(row["CustomerID"])
    owner = {"salesperson_code": owners[no]} if no in owners else {}
    customer = _put(Customer, no, customer_values(row) | owner)
    if not row["ContactName"]:
        return [(Customer, customer)]
    contact = _put(Contact, contact_no(no), contact_values(row))
    # The two name each other, so the customer's half comes last.
    linked = _put(Customer, no, {"primary_contact_no": contact_no(no)})
    return [(Customer, linked if customer == "unchanged" else customer), (Contact, contact)]


def _put(model: type[ERPRecord], key: str, values: Values) -> Outcome:
    """Make the record KEY have these values, and say what that took.

    Raises:
        RowRefusedError: the table's own rules refuse them.
    """
    record = model.objects.filter(**{model.key_field: key}).first()
    outcome: Outcome = "changed" if record else "created"
    record = record or model(**{model.key_field: key})
    if outcome == "changed" and all(_stored_as(record, name, value) for name, value in values.items()):
        return "unchanged"
    for name, value in values.items():
        setattr(record, name, value)
    try:
        record.full_clean()
    except ValidationError as error:
        raise RowRefusedError(_reasons(model, error)) from error
    record.save()
    return outcome


def _stored_as(record: ERPRecord, name: str, value: object) -> bool:
    return bool(getattr(record, name) == _columns(record)[name].to_python(value))


def _reasons(model: type[ERPRecord], error: ValidationError) -> str:
    """The reasons in one line, each with the caption of its field."""
    columns = _columns(model)
    return "; ".join(
        f"{columns[name].verbose_name}: {' '.join(messages)}" if name in columns else " ".join(messages)
        for name, messages in error.message_dict.items()
    )


def _columns(model: ERPRecord | type[ERPRecord]) -> "dict[str, models.Field[Any, Any]]":
    return {column.name: column for column in model._meta.concrete_fields}
