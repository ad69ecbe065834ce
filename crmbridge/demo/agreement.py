"""Whether both sides hold the same, found without the engine: both are read whole and put side by side.

The fields are listed here once more on purpose, so that a fault of the mappings or of the engine cannot hide itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from connection.dataverse.client import DataverseClient
from coupling.models import Coupling, CouplingState
from financials.models import (
    CompanySettings,
    Contact,
    Currency,
    Customer,
    PaymentTerms,
    Salesperson,
    ShipmentMethod,
    ShippingAgent,
)
from sync.models import Conflict, SynchError, Waiting

Facts = dict[UUID, dict[str, str]]

ADDRESS = {
    "address": "address1_line1",
    "address_2": "address1_line2",
    "post_code": "address1_postalcode",
    "city": "address1_city",
    "county": "address1_stateorprovince",
    "country_region_code": "address1_country",
    "e_mail": "emailaddress1",
    "fax_no": "fax",
    "home_page": "websiteurl",
    "phone_no": "telephone1",
}
CUSTOMER = {"name": "name", "contact": "address1_primarycontactname", **ADDRESS}
CONTACT = {
    "first_name": "firstname",
    "middle_name": "middlename",
    "surname": "lastname",
    "mobile_phone_no": "mobilephone",
    "pager": "pager",
    **ADDRESS,
}
SALESPERSON = {"name": "fullname", "e_mail": "internalemailaddress", "phone_no": "mobilephone"}
CURRENCY = {"code": "isocurrencycode", "symbol": "currencysymbol", "description": "currencyname"}
OPTIONS: Mapping[str, tuple[str, type[PaymentTerms | ShipmentMethod | ShippingAgent], str]] = {
    "paymenttermscode": ("payment_terms_code", PaymentTerms, "description"),
    "address1_freighttermscode": ("shipment_method_code", ShipmentMethod, "description"),
    "address1_shippingmethodcode": ("shipping_agent_code", ShippingAgent, "name"),
}
REAL_USERS = "isdisabled eq false and islicensed eq true and isintegrationuser eq false"
CUSTOMERS = "statecode eq 0 and customertypecode eq 3"
PEOPLE_WITH_ACCOUNT = "statecode eq 0 and _parentcustomerid_value ne null"


def disagreements(client: DataverseClient) -> list[str]:
    """Every way in which the two sides differ or are not done with each other, in plain words; none where they agree.

    Raises the errors of the client.
    """
    crm, erp = CRMFacts(client), ERPFacts()
    return [
        *_compare("SALESPEOPLE", erp.salespeople(), crm.users()),
        *_compare("CURRENCY", erp.currencies(), crm.currencies(), ours_only=True),
        *_compare("CUSTOMER", erp.customers(), crm.accounts()),
        *_compare("CONTACT", erp.contacts(), crm.contacts()),
        *_unfinished(),
    ]


def _compare(name: str, erp: Facts, crm: Facts, *, ours_only: bool = False) -> Iterator[str]:
    couplings = Coupling.objects.filter(mapping__name=name, state=CouplingState.COUPLED)
    partner = dict(couplings.values_list("erp_id", "crm_id"))
    if alone := erp.keys() - partner.keys():
        yield f"{name}: {len(alone)} records are in the ERP only"
    if (alone := crm.keys() - set(partner.values())) and not ours_only:
        yield f"{name}: {len(alone)} rows are in the CRM only"
    for erp_id, crm_id in partner.items():
        ours, theirs = erp.get(erp_id), crm.get(crm_id)
        if ours is None or theirs is None:
            yield f"{name}: {erp_id} and {crm_id} are coupled, but one of them is not there"
        else:
            yield from _differences(name, ours, theirs)


def _differences(name: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[str]:
    for field, value in ours.items():
        if theirs[field] != value:
            label = ours.get("name") or ours.get("surname") or ours.get("code")
            yield f"{name} {label}: {field} is “{value}” in the ERP and “{theirs[field]}” in the CRM"


def _unfinished() -> Iterator[str]:
    counts = {
        "couplings are pending": Coupling.objects.exclude(state=CouplingState.COUPLED).count(),
        "errors are open": SynchError.objects.filter(resolved_at__isnull=True).count(),
        "records wait for others": Waiting.objects.count(),
        "conflicts are open": Conflict.objects.filter(resolved_at__isnull=True).count(),
    }
    return (f"{count} {what}" for what, count in counts.items() if count)


class ERPFacts:
    """What the ERP holds, by record id: texts, and references as what people call the record that they point at."""

    def __init__(self) -> None:
        self._local_currency = CompanySettings.current().lcy_code
        self._mails = dict(Salesperson.objects.values_list("code", "e_mail"))
        self._customers = dict(Customer.objects.values_list("no", "name"))
        self._contacts = dict(Contact.objects.values_list("no", "name"))
        self._options = {
            column: dict(model.objects.values_list("code", text)) for column, (_, model, text) in OPTIONS.items()
        }

    def salespeople(self) -> Facts:
        """All salespeople."""
        return {person.pk: _texts(person, SALESPERSON) for person in Salesperson.objects.all()}

    def currencies(self) -> Facts:
        """All currencies."""
        return {currency.pk: _texts(currency, CURRENCY) for currency in Currency.objects.all()}

    def customers(self) -> Facts:
        """The customers that are not blocked."""
        return {each.pk: self._customer(each) for each in Customer.objects.filter(blocked=0)}

    def contacts(self) -> Facts:
        """The people who work for a customer."""
        people = Contact.objects.filter(type=1).exclude(customer_no="")
        return {each.pk: self._contact(each) for each in people}

    def _customer(self, customer: Customer) -> dict[str, str]:
        options = {
            field: self._options[column].get(getattr(customer, field), "") for column, (field, _, _) in OPTIONS.items()
        }
        own = {"credit limit": f"{customer.credit_limit_lcy:.2f}"}
        person = {"primary contact": self._contacts.get(customer.primary_contact_no, "")}
        return _texts(customer, CUSTOMER) | options | own | person | self._shared(customer)

    def _contact(self, contact: Contact) -> dict[str, str]:
        customer = {"customer": self._customers[contact.customer_no]}
        return _texts(contact, CONTACT) | customer | self._shared(contact)

    def _shared(self, record: Customer | Contact) -> dict[str, str]:
        """The references of both; a record without a salesperson leaves the owner to the CRM."""
        owner = {"owner": self._mails[record.salesperson_code]} if record.salesperson_code else {}
        return owner | {"currency": record.currency_code or self._local_currency}


class CRMFacts:
    """What the CRM holds, by row id, in the words of `ERPFacts`."""

    def __init__(self, client: DataverseClient) -> None:
        self._client = client
        self._local_currency = CompanySettings.current().lcy_code
        self._mails = self._names("systemuser", "internalemailaddress")
        self._currencies = self._names("transactioncurrency", "isocurrencycode")
        self._accounts = self._names("account", "name")
        self._contacts = self._names("contact", "fullname")
        columns = client.definition("account").columns
        self._labels = {column: columns[column].options for column in OPTIONS}

    def users(self) -> Facts:
        """The people who work in the CRM."""
        rows = self._rows("systemuser", [*SALESPERSON.values()], REAL_USERS)
        return {key: _columns(row, SALESPERSON) for key, row in rows}

    def currencies(self) -> Facts:
        """All currencies."""
        return {key: _columns(row, CURRENCY) for key, row in self._rows("transactioncurrency", [*CURRENCY.values()])}

    def accounts(self) -> Facts:
        """The active accounts that are customers."""
        names = [*CUSTOMER.values(), *OPTIONS, "creditlimit", "primarycontactid", "ownerid", "transactioncurrencyid"]
        return {key: self._account(row) for key, row in self._rows("account", names, CUSTOMERS)}

    def contacts(self) -> Facts:
        """The active people of an account."""
        names = [*CONTACT.values(), "parentcustomerid", "ownerid", "transactioncurrencyid"]
        return {key: self._contact(row) for key, row in self._rows("contact", names, PEOPLE_WITH_ACCOUNT)}

    def _account(self, row: Mapping[str, Any]) -> dict[str, str]:
        options = {field: self._labels[column].get(row[column], "") for column, (field, _, _) in OPTIONS.items()}
        own = {"credit limit": f"{row['creditlimit'] or 0:.2f}"}
        person = {"primary contact": self._contacts.get(row["_primarycontactid_value"], "")}
        return _columns(row, CUSTOMER) | options | own | person | self._shared(row)

    def _contact(self, row: Mapping[str, Any]) -> dict[str, str]:
        customer = {"customer": self._accounts[row["_parentcustomerid_value"]]}
        return _columns(row, CONTACT) | customer | self._shared(row)

    def _shared(self, row: Mapping[str, Any]) -> dict[str, str]:
        currency = self._currencies.get(row["_transactioncurrencyid_value"], self._local_currency)
        return {"owner": self._mails.get(row["_ownerid_value"], ""), "currency": currency}

    def _names(self, table: str, column: str) -> dict[str, str]:
        return {str(key): row[column] or "" for key, row in self._rows(table, [column])}

    def _rows(
        self, table: str, columns: list[str], condition: str | None = None
    ) -> Iterator[tuple[UUID, Mapping[str, Any]]]:
        key = self._client.definition(table).primary_id
        for page in self._client.pages(table, select=[key, *columns], filter=condition):
            yield from ((UUID(row[key]), row) for row in page)


def _texts(record: Any, names: Mapping[str, str]) -> dict[str, str]:
    return {field: str(getattr(record, field) or "") for field in names}


def _columns(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    return {field: str(row[column] or "") for field, column in names.items()}
