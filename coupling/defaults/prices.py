"""Currencies (mappings.md 1.2, 3.4).

The exchange rate is the one against the local currency, which is right where the CRM's base currency is the local
currency too; `install_defaults` disables the row where it is not.
"""

from django.utils.translation import gettext_lazy as _

from coupling.defaults.definitions import DefaultField, DefaultMapping
from coupling.models import Direction

CURRENCY = DefaultMapping(
    name="CURRENCY",
    about=_("Currencies and their exchange rates. Amounts and prices need them."),
    erp_table="financials.Currency",
    crm_table="transactioncurrency",
    direction=Direction.TO_CRM,
    erp_key="code",
    crm_template={
        "currencyprecision": 2,
        "currencysymbol": {"same_as": "isocurrencycode"},
        "currencyname": {"same_as": "isocurrencycode"},
    },
    fields=[
        DefaultField("code", "isocurrencycode", Direction.TO_CRM, match_priority=0),
        DefaultField("symbol", "currencysymbol", Direction.TO_CRM),
        DefaultField("description", "currencyname", Direction.TO_CRM),
        DefaultField("exchange_rate_lcy", "exchangerate", Direction.TO_CRM),
    ],
)

MAPPINGS = [CURRENCY]
