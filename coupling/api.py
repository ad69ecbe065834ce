"""The API of table mappings and couplings: to read."""

from rest_framework import serializers, viewsets

from coupling.models import Coupling, FieldMapping, TableMapping


class FieldMappingSerializer(serializers.ModelSerializer[FieldMapping]):
    """One ERP field ↔ one CRM column."""

    lookup = serializers.SlugRelatedField[TableMapping](slug_field="name", read_only=True)

    class Meta:
        model = FieldMapping
        fields = (
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


class TableMappingSerializer(serializers.ModelSerializer[TableMapping]):
    """One ERP table ↔ one CRM table, with its fields."""

    depends_on = serializers.SlugRelatedField[TableMapping](slug_field="name", many=True, read_only=True)
    field_mappings = FieldMappingSerializer(source="fields", many=True, read_only=True)

    class Meta:
        model = TableMapping
        fields = (
            "name",
            "erp_table",
            "crm_table",
            "erp_key",
            "direction",
            "erp_filter",
            "crm_filter",
            "only_coupled",
            "is_enabled",
            "depends_on",
            "field_mappings",
        )


class TableMappingViewSet(viewsets.ReadOnlyModelViewSet[TableMapping]):
    """Which ERP table and which CRM table are synchronized, and how (S86)."""

    queryset = TableMapping.objects.prefetch_related("depends_on", "fields__lookup")
    serializer_class = TableMappingSerializer
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    filterset_fields = ("is_enabled", "direction", "crm_table")


class CouplingSerializer(serializers.ModelSerializer[Coupling]):
    """This ERP record ↔ that CRM row, with the values both agreed on last: column → [ERP value, CRM value]."""

    mapping = serializers.SlugRelatedField[TableMapping](slug_field="name", read_only=True)

    class Meta:
        model = Coupling
        fields = ("id", "mapping", "erp_id", "crm_id", "state", "base", "created_at", "synchronized_at")


class CouplingViewSet(viewsets.ReadOnlyModelViewSet[Coupling]):
    """Which records belong together."""

    queryset = Coupling.objects.select_related("mapping")
    serializer_class = CouplingSerializer
    filterset_fields = {
        "mapping__name": ["exact"],
        "erp_id": ["exact"],
        "crm_id": ["exact"],
        "state": ["exact"],
        "synchronized_at": ["gte", "lt"],
    }
