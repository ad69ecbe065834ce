"""Salespeople, customers and contacts (mappings.md 1.1, 1.4, 1.6).

A new row whose salesperson is not coupled yet belongs to the synchronization user until he is (G-5).

On the wire a typed lookup names its table through the navigation property, so the `owneridtype` and
`parentcustomeridtype` rows of the reference are the `lookup` of the `ownerid` and `parentcustomerid` rows here.
"""

from django.utils.translation import gettext_lazy as _

from coupling.defaults.definitions import DefaultField, DefaultMapping
from coupling.models import Direction

TO_CRM, FROM_CRM = Direction.TO_CRM, Direction.FROM_CRM

SALESPEOPLE = DefaultMapping(
    name="SALESPEOPLE",
    about=_("Users of Dynamics CRM become salespeople. Customers and contacts then keep their owner on both sides."),
    erp_table="financials.Salesperson",
    crm_table="systemuser",
    direction=FROM_CRM,
    erp_key="code",
    crm_filter=[["isdisabled", "eq", False], ["islicensed", "eq", True], ["isintegrationuser", "eq", False]],
    fields=[
        DefaultField("e_mail", "internalemailaddress", FROM_CRM, match_priority=0),
        DefaultField("name", "fullname", FROM_CRM),
        DefaultField("phone_no", "mobilephone", FROM_CRM),
        DefaultField("job_title", "jobtitle", is_enabled=False),
        DefaultField("e_mail_2", "personalemailaddress", is_enabled=False),
    ],
)

CUSTOMER = DefaultMapping(
    name="CUSTOMER",
    about=_("Customers and the accounts of type Customer, kept equal both ways."),
    erp_table="financials.Customer",
    crm_table="account",
    direction=Direction.BOTH,
    erp_filter=[["blocked", "eq", 0]],
    crm_filter=[["statecode", "eq", 0], ["customertypecode", "eq", 3]],
    crm_template={"customertypecode": 3},
    fields=[
        DefaultField("salesperson_code", "ownerid", TO_CRM, lookup="SALESPEOPLE", clear_on_failed=True, not_null=True),
        DefaultField("name", "name", match_priority=1),
        DefaultField("contact", "address1_primarycontactname"),
        DefaultField("address", "address1_line1"),
        DefaultField("address_2", "address1_line2"),
        DefaultField("post_code", "address1_postalcode"),
        DefaultField("city", "address1_city"),
        DefaultField("country_region_code", "address1_country"),
        DefaultField("county", "address1_stateorprovince"),
        DefaultField("currency_code", "transactioncurrencyid", lookup="CURRENCY", is_local_currency_when_blank=True),
        DefaultField("e_mail", "emailaddress1"),
        DefaultField("fax_no", "fax"),
        DefaultField("home_page", "websiteurl"),
        DefaultField("phone_no", "telephone1"),
        DefaultField("shipment_method_code", "address1_freighttermscode", options_of="financials.ShipmentMethod"),
        DefaultField("shipping_agent_code", "address1_shippingmethodcode", options_of="financials.ShippingAgent"),
        DefaultField("payment_terms_code", "paymenttermscode", options_of="financials.PaymentTerms"),
        DefaultField("credit_limit_lcy", "creditlimit", TO_CRM),
        DefaultField("primary_contact_no", "primarycontactid", lookup="CONTACT", clear_on_failed=True),
        DefaultField("no", "accountnumber", TO_CRM, is_enabled=False, match_priority=0),
        DefaultField("mobile_phone_no", "telephone2", TO_CRM, is_enabled=False),
    ],
)

CONTACT = DefaultMapping(
    name="CONTACT",
    about=_("People who work at a customer, kept equal both ways."),
    erp_table="financials.Contact",
    crm_table="contact",
    direction=Direction.BOTH,
    erp_filter=[["type", "eq", 1], ["customer_no", "filled"]],
    crm_filter=[["parentcustomerid", "filled"], ["statecode", "eq", 0]],
    erp_template={"type": 1},
    fields=[
        DefaultField("salesperson_code", "ownerid", TO_CRM, lookup="SALESPEOPLE", clear_on_failed=True, not_null=True),
        DefaultField("customer_no", "parentcustomerid", lookup="CUSTOMER"),
        DefaultField("currency_code", "transactioncurrencyid", lookup="CURRENCY", is_local_currency_when_blank=True),
        DefaultField("address", "address1_line1"),
        DefaultField("address_2", "address1_line2"),
        DefaultField("post_code", "address1_postalcode"),
        DefaultField("city", "address1_city"),
        DefaultField("country_region_code", "address1_country"),
        DefaultField("county", "address1_stateorprovince"),
        DefaultField("e_mail", "emailaddress1", match_priority=0),
        DefaultField("fax_no", "fax"),
        DefaultField("first_name", "firstname"),
        DefaultField("middle_name", "middlename"),
        DefaultField("surname", "lastname"),
        DefaultField("home_page", "websiteurl"),
        DefaultField("mobile_phone_no", "mobilephone"),
        DefaultField("pager", "pager"),
        DefaultField("phone_no", "telephone1"),
        DefaultField("salutation_code", "salutation", is_enabled=False),
    ],
)

MAPPINGS = [SALESPEOPLE, CUSTOMER, CONTACT]
