"""The API of the financials, one module a family of tables (to be mounted on a router)."""

from typing import Final

from financials.api.company import CompanySettingsViewSet, WebServiceKeyViewSet
from financials.api.items import ItemLedgerEntryViewSet, ItemViewSet
from financials.api.parties import ContactViewSet, CustomerViewSet

VIEWSETS: Final = {
    "customers": CustomerViewSet,
    "contacts": ContactViewSet,
    "items": ItemViewSet,
    "item-ledger-entries": ItemLedgerEntryViewSet,
    "company-settings": CompanySettingsViewSet,
    "web-service-keys": WebServiceKeyViewSet,
}
