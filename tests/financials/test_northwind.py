"""Northwind comes in, whole and truthfully reported."""

import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from financials.models import CompanySettings, Contact, Customer, Salesperson
from financials.northwind.values import split_name, usual_salespeople

pytestmark = pytest.mark.django_db
NORTHWIND = Path(__file__).parent.parent / "data" / "northwind"
GOOD = "AROUT,Around the Horn,Thomas Hardy,Owner,120 Hanover Sq.,London,,WA1 1DP,UK,(171) 555-7788,(171) 555-6750"


def run(folder: Path) -> tuple[int, str, str]:
    """Exit code, what was stated, and what was refused."""
    said, refused = StringIO(), StringIO()
    try:
        call_command("import_northwind", folder, stdout=said, stderr=refused)
    except SystemExit as ended:
        return int(str(ended.code)), said.getvalue(), refused.getvalue()
    return 0, said.getvalue(), refused.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of Northwind that a test may spoil."""
    return Path(shutil.copytree(NORTHWIND, tmp_path / "northwind"))


def with_customer_rows(folder: Path, *rows: str | bytes) -> None:
    """Leave only these rows in customers.csv."""
    header = (NORTHWIND / "customers.csv").read_bytes().splitlines()[0]
    encoded = [row if isinstance(row, bytes) else row.encode() for row in rows]
    (folder / "customers.csv").write_bytes(b"\n".join([header, *encoded]) + b"\n")


def test_the_whole_company_comes_in() -> None:
    assert run(NORTHWIND) == (
        0,
        "Company Settings: 1 created, 0 changed, 0 unchanged\n"
        "Salespeople: 9 created, 0 changed, 0 unchanged\n"
        "Customers: 91 created, 0 changed, 0 unchanged\n"
        "Contacts: 91 created, 0 changed, 0 unchanged\n",
        "",
    )
    assert (Customer.objects.count(), Contact.objects.count(), Salesperson.objects.count()) == (91, 91, 9)
    for record in (*Customer.objects.all(), *Contact.objects.all(), *Salesperson.objects.all()):
        record.full_clean()


def test_accents_and_addresses_are_intact() -> None:
    run(NORTHWIND)
    customer = Customer.objects.get(no="ANTON")
    assert (customer.name, customer.city) == ("Antonio Moreno Taquería", "México D.F.")
    assert (customer.country_region_code, customer.address) == ("MX", "Mataderos  2312")
    assert Customer.objects.get(no="BLONP").address == "24, place Kléber"


def test_each_customer_has_its_contact_person() -> None:
    run(NORTHWIND)
    customer = Customer.objects.get(no="ALFKI")
    contact = Contact.objects.get(no=customer.primary_contact_no)
    assert (contact.first_name, contact.surname, contact.name) == ("Maria", "Anders", "Maria Anders")
    assert (contact.customer_no, contact.company_name) == ("ALFKI", "Alfreds Futterkiste")
    assert (contact.job_title, customer.contact) == ("Sales Representative", "Maria Anders")
    assert not Contact.objects.exclude(customer_no__in=Customer.objects.values("no")).exists()


def test_employees_become_salespeople() -> None:
    run(NORTHWIND)
    nancy = Salesperson.objects.get(code="SP1")
    assert (nancy.name, nancy.e_mail) == ("Nancy Davolio", "nancy.davolio@northwind.example")
    assert (nancy.job_title, nancy.phone_no) == ("Sales Representative", "(206) 555-9857")


def test_the_company_has_a_local_currency_unless_there_was_one() -> None:
    CompanySettings.objects.create(company_name="Mine", lcy_code="NOK")
    run(NORTHWIND)
    assert CompanySettings.current().lcy_code == "NOK"


def test_a_second_import_changes_nothing() -> None:
    run(NORTHWIND)
    before = [list(model.objects.values()) for model in (Customer, Contact, Salesperson)]
    assert run(NORTHWIND) == (
        0,
        "Company Settings: 0 created, 0 changed, 1 unchanged\n"
        "Salespeople: 0 created, 0 changed, 9 unchanged\n"
        "Customers: 0 created, 0 changed, 91 unchanged\n"
        "Contacts: 0 created, 0 changed, 91 unchanged\n",
        "",
    )
    assert [list(model.objects.values()) for model in (Customer, Contact, Salesperson)] == before


def test_a_changed_row_changes_its_record_only(folder: Path) -> None:
    run(folder)
    before = {customer.no: customer.system_modified_at for customer in Customer.objects.all()}
    file = folder / "customers.csv"
    file.write_text(file.read_text().replace("Alfreds Futterkiste", "Alfreds Futterkrippe"))
    assert "Customers: 0 created, 1 changed, 90 unchanged" in run(folder)[1]
    after = {customer.no: customer.system_modified_at for customer in Customer.objects.all()}
    assert [no for no in after if after[no] != before[no]] == ["ALFKI"]
    assert Contact.objects.get(customer_no="ALFKI").company_name == "Alfreds Futterkrippe"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",No Id,A B,Owner,,,,,,,", "CustomerID is missing"),
        ("NONAM,,A B,Owner,,,,,,,", "Name: This field cannot be blank."),
        (f"LONGN,{'x' * 101},A B,Owner,,,,,,,", "Name: Ensure this value has at most 100 characters (it has 101)."),
        ("LONGT,Long Title,A B,A title that is longer than thirty,,,,,,,", "Job Title: Ensure this value has at most"),
        ("SHORT,Short,A B", "3 columns instead of 11"),
        ("LONGR,Long,A B,Owner,,,,,,,,,", "13 columns instead of 11"),
        (b"LATIN,M\xe9xico,A B,Owner,,,,,,,", "not UTF-8 text; save the file as UTF-8"),
        (b"NULLS,Nu\x00ll,A B,Owner,,,,,,,", "contains a NUL character"),
        ('QUOTE,"Broken" quote,A B,Owner,,,,,,,', "the quotes or commas are broken"),
        ("AROUT,Around again,A B,Owner,,,,,,,", "CustomerID AROUT is already in line 2"),
    ],
)
def test_a_malformed_row_is_reported_and_the_others_go_in(folder: Path, row: str | bytes, reason: str) -> None:
    last = "BOLID,Bólido,Martín Sommer,Owner,,,,,,,"
    with_customer_rows(folder, GOOD, row, last)
    code, said, refused = run(folder)
    assert code == 1
    assert refused.startswith(f"customers.csv, line 3: {reason}")
    assert "Customers: 2 created" in said
    assert "Contacts: 2 created" in said
    assert list(Customer.objects.values_list("no", "name")) == [("AROUT", "Around the Horn"), ("BOLID", "Bólido")]


def test_lines_are_counted_through_values_of_several_lines(folder: Path) -> None:
    with_customer_rows(folder, 'BOLID,Bólido,A B,Owner,"one\ntwo",,,,,,', "SHORT")
    assert "customers.csv, line 4: 1 columns instead of 11" in run(folder)[2]


def test_a_file_with_a_byte_order_mark_is_read(folder: Path) -> None:
    file = folder / "customers.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert run(folder)[0] == 0


def test_a_customer_without_a_contact_person_goes_in_alone(folder: Path) -> None:
    with_customer_rows(folder, "ALONE,Alone,,,,,,,,,")
    assert run(folder)[0] == 0
    assert Customer.objects.get().primary_contact_no == ""


def test_the_usual_salesperson_is_taken_from_the_orders(folder: Path) -> None:
    orders = "OrderID,CustomerID,EmployeeID\n1,ALFKI,3\n1,ALFKI,3\n1,ALFKI,3\n2,ALFKI,4\n3,ALFKI,4\n4,ANATR,77\n"
    (folder / "orders.csv").write_text(orders)
    run(folder)
    owners = dict(Customer.objects.values_list("no", "salesperson_code"))
    assert (owners["ALFKI"], owners["ANATR"], owners["ANTON"]) == ("SP4", "", "")


def test_of_equally_busy_salespeople_the_first_counts() -> None:
    rows = [{"OrderID": str(n), "CustomerID": "A", "EmployeeID": who} for n, who in enumerate(("5", "2", "2", "5"))]
    assert usual_salespeople(rows) == {"A": "2"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Maria Anders", ("Maria", "Anders")),
        ("José Pedro Freyre", ("José Pedro", "Freyre")),
        ("Isabel de Castro", ("Isabel", "de Castro")),
        ("Anna van der Berg", ("Anna", "van der Berg")),
        ("Cher", ("", "Cher")),
        ("", ("", "")),
    ],
)
def test_names_are_split_before_the_surname(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "There is no folder"),
        (lambda folder: (folder / "customers.csv").unlink(), r"customers\.csv cannot be read: No such file"),
        (lambda folder: (folder / "employees.csv").write_text("a,b\n"), r"employees\.csv has no column EmployeeID"),
        (lambda folder: (folder / "customers.csv").write_text(""), r"customers\.csv has no column CustomerID"),
    ],
)
def test_a_missing_file_or_column_is_a_plain_error(folder: Path, spoil: object, message: str) -> None:
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(CommandError, match=message):
        run(folder)
    assert not Salesperson.objects.exists()
