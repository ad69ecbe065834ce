"""How many records a side has inside a mapping's filter, counted by the side itself instead of read."""

from django.apps import apps

from connection.dataverse.client import DataverseClient
from coupling.narrowing import Lines, crm_condition, erp_records


def erp_count(table: str, lines: Lines = ()) -> int:
    """How many records of the ERP table (a model label) the filter lets in. Raises LookupError for no such table."""
    return int(erp_records(apps.get_model(table), lines).count())


def crm_count(client: DataverseClient, table: str, lines: Lines = ()) -> int:
    """How many rows of the CRM table the filter lets in. Raises what the client raises."""
    return client.count(table, crm_condition(client.definition(table), lines))
