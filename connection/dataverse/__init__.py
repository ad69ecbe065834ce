"""The Dataverse Web API: the only place that speaks HTTP to the CRM."""

from connection.dataverse.changes import ChangePage
from connection.dataverse.client import DataverseClient, Organization, WhoAmI
from connection.dataverse.metadata import ColumnDefinition, TableDefinition
from connection.dataverse.reading import Row
from connection.dataverse.writing import Outcome, RowUpdate

__all__ = [
    "ChangePage",
    "ColumnDefinition",
    "DataverseClient",
    "Organization",
    "Outcome",
    "Row",
    "RowUpdate",
    "TableDefinition",
    "WhoAmI",
]
