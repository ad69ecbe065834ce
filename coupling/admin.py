"""Mappings and couplings in Django admin. Mappings may be changed; couplings may not, because the engine's promises
hang on them (I1, I2).
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from coupling.models import Coupling, FieldMapping, OptionMapping, TableMapping
from coupling.read_only import ReadOnlyAdmin

# Django's admin classes take type arguments only in their stubs.
if TYPE_CHECKING:
    MappingAdmin = admin.ModelAdmin[TableMapping]
    FieldAdmin = admin.ModelAdmin[FieldMapping]
    OptionAdmin = admin.ModelAdmin[OptionMapping]
    FieldInline = admin.TabularInline[FieldMapping, TableMapping]
    OptionInline = admin.TabularInline[OptionMapping, FieldMapping]
else:
    MappingAdmin = FieldAdmin = OptionAdmin = admin.ModelAdmin
    FieldInline = OptionInline = admin.TabularInline


HELD_BY_COUPLINGS = ("name", "erp_table", "crm_table", "erp_id_field")


class FieldMappingInline(FieldInline):
    """The fields of a mapping, on its page."""

    model = FieldMapping
    fk_name = "mapping"
    extra = 0
    show_change_link = True
    fields = (
        "position",
        "erp_field",
        "crm_column",
        "direction",
        "kind",
        "lookup",
        "clear_on_failed",
        "not_null",
        "is_match_key",
        "is_enabled",
    )


@admin.register(TableMapping)
class TableMappingAdmin(MappingAdmin):
    """**Integration Table Mappings** with their fields (S85, S86)."""

    list_display = ("name", "erp_table", "crm_table", "direction", "only_coupled", "is_enabled", "coupled")
    list_filter = ("direction", "is_enabled")
    search_fields = ("name", "erp_table", "crm_table")
    filter_horizontal = ("depends_on",)
    # Deleting several would first list all that goes along, which may be every coupling there is.
    actions = None
    inlines = (FieldMappingInline,)
    fieldsets = (
        (None, {"fields": ("name", "is_enabled", ("erp_table", "crm_table"), "direction", "only_coupled")}),
        (_("Dependencies"), {"fields": ("depends_on",)}),
        (_("Filters and templates"), {"fields": ("erp_filter", "crm_filter", "erp_template", "crm_template")}),
        (
            _("Fields that every record has"),
            {"fields": ("erp_key", "erp_id_field", "erp_modified_field"), "classes": ("collapse",)},
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: TableMapping | None = None) -> tuple[str, ...]:
        """What couplings hang on stands for as long as there are any: their ids would name other records."""
        return HELD_BY_COUPLINGS if obj and obj.couplings.exists() else ()

    def has_delete_permission(self, request: HttpRequest, obj: TableMapping | None = None) -> bool:
        """Not with couplings: they would go along, and with them what keeps records from being made twice."""
        is_free = obj is None or not obj.couplings.exists()
        return is_free and super().has_delete_permission(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TableMapping]:
        """Mappings with the number of their couplings."""
        return super().get_queryset(request).annotate(coupling_count=Count("couplings"))

    @admin.display(description=_("coupled"), ordering="coupling_count")
    def coupled(self, mapping: Any) -> int:
        """How many records are coupled under the mapping."""
        return int(mapping.coupling_count)


class OptionMappingInline(OptionInline):
    """The option values of a field, on its page."""

    model = OptionMapping
    extra = 0


@admin.register(FieldMapping)
class FieldMappingAdmin(FieldAdmin):
    """Field mappings of all tables."""

    list_display = ("erp_field", "crm_column", "mapping", "direction", "kind", "is_match_key", "is_enabled")
    list_filter = ("mapping", "direction", "kind", "is_enabled")
    list_select_related = ("mapping",)
    search_fields = ("erp_field", "crm_column")
    inlines = (OptionMappingInline,)


@admin.register(OptionMapping)
class OptionMappingAdmin(OptionAdmin):
    """Option values of all fields."""

    list_display = ("erp_code", "option_value", "label", "field_mapping")
    list_select_related = ("field_mapping",)
    search_fields = ("erp_code", "label")


@admin.register(Coupling)
class CouplingAdmin(ReadOnlyAdmin):
    """Couplings, to look at."""

    list_display = ("mapping", "erp_id", "crm_id", "state", "synchronized_at")
    list_filter = ("mapping", "state")
    list_select_related = ("mapping",)
    search_fields = ("=erp_id", "=crm_id")
    show_full_result_count = False
