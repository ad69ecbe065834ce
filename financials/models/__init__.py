"""The tables of the ERP, one module an aggregate."""

from financials.models.company_settings import CompanySettings, Experience
from financials.models.contact import Contact, ContactType
from financials.models.currency import Currency, CurrencyExchangeRate
from financials.models.customer import Customer, CustomerBlocked
from financials.models.item import Item, ItemLedgerEntry, ItemType
from financials.models.no_series import NoSeries
from financials.models.payment_terms import PaymentTerms
from financials.models.salesperson import Salesperson
from financials.models.shipment_method import ShipmentMethod
from financials.models.shipping_agent import ShippingAgent
from financials.models.unit_of_measure import UnitOfMeasure
from financials.models.web_service_key import WebServiceKey

__all__ = [
    "CompanySettings",
    "Contact",
    "ContactType",
    "Currency",
    "CurrencyExchangeRate",
    "Customer",
    "CustomerBlocked",
    "Experience",
    "Item",
    "ItemLedgerEntry",
    "ItemType",
    "NoSeries",
    "PaymentTerms",
    "Salesperson",
    "ShipmentMethod",
    "ShippingAgent",
    "UnitOfMeasure",
    "WebServiceKey",
]
