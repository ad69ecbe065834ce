"""Every financials table in Django admin; the system fields are shown, never edited."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from financials.models import (
    CompanySettings,
    Contact,
    Currency,
    CurrencyExchangeRate,
    Customer,
    Item,
    ItemLedgerEntry,
    NoSeries,
    PaymentTerms,
    Salesperson,
    ShipmentMethod,
    ShippingAgent,
    UnitOfMeasure,
    WebServiceKey,
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


@admin.register(UnitOfMeasure)
class UnitOfMeasureAdmin(ERPAdmin):
    """Units of measure."""

    list_display = ("code", "description")
    search_fields = ("code", "description")


@admin.register(Item)
class ItemAdmin(ERPAdmin):
    """Items with their inventory."""

    list_display = ("no", "description", "type", "base_unit_of_measure", "unit_price", "inventory", "blocked")
    list_filter = ("type", "blocked", "base_unit_of_measure")
    search_fields = ("no", "description")
    readonly_fields = (*SYSTEM_FIELDS, "inventory")  # type: ignore[assignment]  # one more than its parent
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Item]:
        """Items with what is worked out on reading."""
        items: QuerySet[Item] = super().get_queryset(request).annotate(**Item.computed())
        return items

    @admin.display(description=_("Inventory"), ordering="inventory")
    def inventory(self, item: Any) -> str:
        """The sum of the item's ledger; nothing for an item that is being entered."""
        return number_format(item.inventory.normalize(), use_l10n=True) if hasattr(item, "inventory") else ""


@admin.register(ItemLedgerEntry)
class ItemLedgerEntryAdmin(ERPAdmin):
    """The movements of items: added, never changed, so that the inventory can be followed."""

    list_display = ("entry_no", "posting_date", "item_no", "quantity", "document_no")
    search_fields = ("=item_no", "document_no")
    date_hierarchy = "posting_date"
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: a wrong entry is set right by another one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


@admin.register(WebServiceKey)
class WebServiceKeyAdmin(ModelAdmin):
    """Who has a web services access key. It is changed on the user's page; deleting takes it away."""

    list_display = ("user", "set_at", "set_by", "expires_at", "last_used_at", "last_refused_at")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = list_display
    readonly_fields = list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Keys are made on the user's page, which shows them once."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key is changed on the user's page."""
        return False
