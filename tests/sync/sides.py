"""Looking at and editing both sides of a pair, as an ERP user and a CRM salesperson would."""

from typing import Any
from uuid import UUID, uuid4

from connection.dataverse.client import DataverseClient
from connection.dataverse.writing import RowUpdate
from coupling.models import Coupling
from financials.models import Customer
from sync.models import COUNTERS, SynchJob


def account_id(no: str) -> UUID:
    """The id of the account that a customer is coupled with."""
    customer = Customer.objects.get(no=no)
    return Coupling.objects.get(mapping__name="CUSTOMER", erp_id=customer.system_id).crm_id


def account(crm: DataverseClient, no: str, *columns: str) -> dict[str, Any]:
    """The account coupled with a customer."""
    id_ = account_id(no)
    return crm.rows_by_id("account", [id_], select=columns)[id_]


def edit_account(crm: DataverseClient, no: str, **values: Any) -> UUID:
    """A CRM salesperson's edit."""
    id_ = account_id(no)
    (outcome,) = crm.update_many("account", [RowUpdate(id_, values, None)])
    assert outcome.error is None
    return id_


def new_account(crm: DataverseClient, **values: Any) -> UUID:
    """An account of the type Customer that a CRM salesperson creates."""
    id_ = uuid4()
    (outcome,) = crm.create_many("account", [{"accountid": str(id_), "customertypecode": 3, **values}])
    assert outcome.error is None
    return id_


def edit_customer(no: str, **values: Any) -> None:
    """An ERP user's edit."""
    customer = Customer.objects.get(no=no)
    for name, value in values.items():
        setattr(customer, name, value)
    customer.save()


def counters(job: SynchJob) -> dict[str, int]:
    """The counters that are not zero."""
    return {name: getattr(job, name) for name in COUNTERS if getattr(job, name)}
