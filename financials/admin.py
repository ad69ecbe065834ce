"""Every financials table in Django admin; the system fields are shown, never edited."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from financials.models import (
    CompanySettings,
    Contact,
    Currency,
    CurrencyExchangeRate,
    Customer,
    NoSeries,
    PaymentTerms,
    Salesperson,
    ShipmentMethod,
    ShippingAgent,
)

# Django's admin classes take type arguments only in their stubs.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[CurrencyExchangeRate, Currency]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline

SYSTEM_FIELDS = ("system_id", "system_created_at", "system_modified_at")


class ERPAdmin(ModelAdmin):
    """What the pages of all tables share."""

    readonly_fields = SYSTEM_FIELDS


@admin.register(CompanySettings)
class CompanySettingsAdmin(ERPAdmin):
    """The company's settings: one row, which can be changed but neither doubled nor deleted."""

    list_display = ("company_name", "experience", "lcy_code", "system_modified_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only the first row may be added."""
        return super().has_add_permission(request) and not CompanySettings.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: a company without a local currency cannot be synchronized."""
        return False


@admin.register(NoSeries)
class NoSeriesAdmin(ERPAdmin):
    """Number series."""

    list_display = ("code", "last_no_used", "increment_by")
    search_fields = ("code",)


@admin.register(Salesperson)
class SalespersonAdmin(ERPAdmin):
    """Salespeople."""

    list_display = ("code", "name", "e_mail", "phone_no", "job_title", "blocked")
    list_filter = ("blocked",)
    search_fields = ("code", "name", "e_mail")


class CurrencyExchangeRateInline(TabularInline):
    """The rates of a currency, on its page."""

    model = CurrencyExchangeRate
    extra = 0
    fields = (
        "starting_date",
        "exchange_rate_amount",
        "relational_currency_code",
        "relational_exch_rate_amount",
    )


@admin.register(Currency)
class CurrencyAdmin(ERPAdmin):
    """Currencies with their rates."""

    list_display = ("code", "description", "symbol", "iso_code", "system_modified_at")
    search_fields = ("code", "iso_code", "description")
    inlines = (CurrencyExchangeRateInline,)


@admin.register(CurrencyExchangeRate)
class CurrencyExchangeRateAdmin(ERPAdmin):
    """Exchange rates of all currencies."""

    list_display = (
        "currency",
        "starting_date",
        "exchange_rate_amount",
        "relational_currency_code",
        "relational_exch_rate_amount",
    )
    list_filter = ("currency",)
    list_select_related = ("currency",)
    date_hierarchy = "starting_date"


@admin.register(PaymentTerms)
class PaymentTermsAdmin(ERPAdmin):
    """Payment terms."""

    list_display = ("code", "description", "due_date_calculation", "discount_date_calculation", "discount_pct")
    search_fields = ("code", "description")


@admin.register(ShipmentMethod)
class ShipmentMethodAdmin(ERPAdmin):
    """Shipment methods."""

    list_display = ("code", "description")
    search_fields = ("code", "description")


@admin.register(ShippingAgent)
class ShippingAgentAdmin(ERPAdmin):
    """Shipping agents."""

    list_display = ("code", "name")
    search_fields = ("code", "name")


@admin.register(Customer)
class CustomerAdmin(ERPAdmin):
    """Customers."""

    list_display = ("no", "name", "city", "country_region_code", "phone_no", "salesperson_code", "blocked")
    list_filter = ("blocked", "country_region_code", "currency_code", "salesperson_code")
    search_fields = ("no", "name", "contact", "city", "e_mail", "phone_no")
    list_per_page = 50


@admin.register(Contact)
class ContactAdmin(ERPAdmin):
    """Contacts. Their full name and company name follow from other values."""

    list_display = ("no", "name", "job_title", "company_name", "phone_no", "e_mail", "type")
    list_filter = ("type", "country_region_code", "salesperson_code")
    search_fields = ("no", "name", "company_name", "customer_no", "e_mail", "phone_no")
    list_per_page = 50
