"""Where a CRM row is seen in the CRM itself (S60)."""

from urllib.parse import urlencode
from uuid import UUID

from connection.models import CRMConnection
from coupling.models import TableMapping


def crm_page_address(mapping: TableMapping, crm_id: UUID) -> str:
    """The page of the row in Dynamics CRM; '' where no connection is set up."""
    connection = CRMConnection.current()
    if connection is None or not connection.address.startswith("https://"):
        return ""
    query = urlencode({"pagetype": "entityrecord", "etn": mapping.crm_table, "id": crm_id})
    return f"{connection.address.rstrip('/')}/main.aspx?{query}"
