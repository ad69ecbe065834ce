"""What the CRM holds before it is connected: its own users, some of the ERP's customers, and people only it knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from faker import Faker

from connection.dataverse.client import DataverseClient
from connection.dataverse.errors import DuplicateKey
from financials.models import Customer, Salesperson

# Ids are made from this and the ERP's ids, so that a second seeding finds the first.
NAMESPACE = UUID("6f1b3f5e-5f57-4f0e-9d0a-3c9d2f6c7a11")
SEED = 20261122
ONE_IN = 5
"""Every so many-th customer is known to the CRM already."""


@dataclass(frozen=True, slots=True)
class CRMSide:
    """How much the CRM holds."""

    users: int
    accounts: int
    contacts: int


def seed_crm(client: DataverseClient) -> CRMSide:
    """Give the CRM a user for each salesperson, every fifth customer as an account, and contacts of half of those.

    The accounts carry the customer's exact name; some have another phone number, others lack it and the address.
    What is there already stays. Raises the errors of the client.
    """
    users = seed_users(client)
    known = list(Customer.objects.order_by("no")[::ONE_IN])
    names = Faker("no_NO")
    names.seed_instance(SEED)
    contacts = [_contact(customer, names) for customer in known[::2]]
    _create(client, "account", [_account(number, customer) for number, customer in enumerate(known)])
    _create(client, "contact", contacts)
    return CRMSide(users, len(known), len(contacts))


def seed_users(client: DataverseClient) -> int:
    """Give the CRM a user for each salesperson, who may own rows; returns how many there are.

    What is there already stays. Raises the errors of the client.
    """
    users = [_user(person, client.who_am_i().business_unit_id) for person in Salesperson.objects.all()]
    _create(client, "systemuser", users)
    _let_them_own_rows(client, [UUID(str(user["systemuserid"])) for user in users])
    return len(users)


def _let_them_own_rows(client: DataverseClient, users: Sequence[UUID]) -> None:
    """Make them salespeople: who has no role can own nothing in the CRM."""
    (role,) = client.administration.roles_named("Salesperson", client.who_am_i().business_unit_id)
    for user in users:
        if role.id not in {held.id for held in client.administration.roles_of(user)}:
            client.administration.give_role(user, role.id)


def _create(client: DataverseClient, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    for outcome in client.create_many(table, rows):
        if outcome.error and not isinstance(outcome.error, DuplicateKey):
            raise outcome.error


def _user(person: Salesperson, business_unit: UUID) -> dict[str, Any]:
    first, _, last = person.name.rpartition(" ")
    return {
        "systemuserid": _id(person.system_id, "systemuser"),
        "firstname": first,
        "lastname": last,
        "internalemailaddress": person.e_mail,
        "mobilephone": person.phone_no or None,
        "islicensed": True,
        "isintegrationuser": False,
        "businessunitid@odata.bind": f"/businessunits({business_unit})",
    }


def _account(number: int, customer: Customer) -> dict[str, Any]:
    row = {"accountid": _id(customer.system_id, "account"), "name": customer.name, "customertypecode": 3}
    if number % 3 == 0:
        return row | _filled({"telephone1": "+47 800 00 000", "address1_city": customer.city})
    if number % 3 == 1:
        return row | _filled({"websiteurl": customer.home_page, "fax": customer.fax_no or "+47 800 00 001"})
    return row | _filled({"telephone1": customer.phone_no, "address1_city": customer.city})


def _contact(customer: Customer, names: Faker) -> dict[str, Any]:
    first, last = names.first_name(), names.last_name()
    return {
        "contactid": _id(customer.system_id, "contact"),
        "firstname": first,
        "lastname": last,
        "emailaddress1": f"{customer.no.lower()}.purchasing@example.com",
        "mobilephone": names.numerify("+47 4## ## ###"),
        "parentcustomerid_account@odata.bind": f"/accounts({_id(customer.system_id, 'account')})",
    }


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _id(of: UUID, table: str) -> str:
    return str(uuid5(NAMESPACE, f"{table} {of}"))
