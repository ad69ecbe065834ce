"""What the rows of Northwind's CSV files become in the financials: pure functions from a row to values."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, Final

from django.utils.text import slugify

EMPLOYEE_COLUMNS: Final = ("EmployeeID", "LastName", "FirstName", "Title", "HomePhone")
CUSTOMER_COLUMNS: Final = (
    "CustomerID",
    "CompanyName",
    "ContactName",
    "ContactTitle",
    "Address",
    "City",
    "Region",
    "PostalCode",
    "Country",
    "Phone",
    "Fax",
)
ORDER_COLUMNS: Final = ("OrderID", "CustomerID", "EmployeeID")

COUNTRY_CODES: Final = {
    "Argentina": "AR",
    "Austria": "AT",
    "Belgium": "BE",
    "Brazil": "BR",
    "Canada": "CA",
    "Denmark": "DK",
    "Finland": "FI",
    "France": "FR",
    "Germany": "DE",
    "Ireland": "IE",
    "Italy": "IT",
    "Mexico": "MX",
    "Norway": "NO",
    "Poland": "PL",
    "Portugal": "PT",
    "Spain": "ES",
    "Sweden": "SE",
    "Switzerland": "CH",
    "UK": "GB",
    "USA": "US",
    "Venezuela": "VE",
}
# Words that belong to the surname after them: Isabel | de Castro.
PARTICLES: Final = {"da", "de", "del", "den", "der", "di", "dos", "du", "la", "van", "von"}

Row = dict[str, str]
Values = dict[str, Any]


def salesperson_code(employee_id: str) -> str:
    """The code that an employee gets as a salesperson."""
    return f"SP{employee_id}"


def salesperson_values(row: Row) -> Values:
    """The salesperson that an employee becomes, with an e-mail address made up from the name."""
    first, last = row["FirstName"], row["LastName"]
    return {
        "name": f"{first} {last}".strip(),
        "e_mail": f"{slugify(first)}.{slugify(last)}@northwind.example",
        "phone_no": row["HomePhone"],
        "job_title": row["Title"],
    }


def address_values(row: Row) -> Values:
    """Where a customer is; its contact is found there too."""
    return {
        "address": row["Address"],
        "city": row["City"],
        "county": row["Region"],
        "post_code": row["PostalCode"],
        "country_region_code": COUNTRY_CODES.get(row["Country"], row["Country"]),
        "phone_no": row["Phone"],
        "fax_no": row["Fax"],
    }


def customer_values(row: Row) -> Values:
    """The customer that a row becomes, apart from salesperson and primary contact."""
    return {"name": row["CompanyName"], "contact": row["ContactName"]} | address_values(row)


def contact_values(row: Row) -> Values:
    """The person that the customer of a row is reached through."""
    first, surname = split_name(row["ContactName"])
    person = {"first_name": first, "surname": surname, "job_title": row["ContactTitle"]}
    return person | {"customer_no": row["CustomerID"]} | address_values(row)


def contact_no(customer_no: str) -> str:
    """The number of a customer's contact: always the same, so that a repeated import finds it again."""
    return f"KT-{customer_no}"


def split_name(name: str) -> tuple[str, str]:
    """First name(s) and surname: the surname is the last word with the particles before it."""
    words = name.split()
    start = max(len(words) - 1, 0)
    while start > 1 and words[start - 1].lower() in PARTICLES:
        start -= 1
    return " ".join(words[:start]), " ".join(words[start:])


def usual_salespeople(orders: Iterable[Row]) -> dict[str, str]:
    """For each customer that ordered, the employee who took most of its orders (of equals the lowest id)."""
    taken = {(row["CustomerID"].upper(), row["EmployeeID"], row["OrderID"]) for row in orders}
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for customer, employee, _order in taken:
        counts[customer][employee] += 1
    return {customer: min(by, key=lambda employee: (-by[employee], employee)) for customer, by in counts.items()}
