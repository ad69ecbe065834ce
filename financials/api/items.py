"""Items and their movements."""

from typing import Any, ClassVar

from rest_framework import mixins, serializers, viewsets

from financials.api.record import SYSTEM_FIELDS, ERPSerializer, ERPViewSet
from financials.models import Item, ItemLedgerEntry


class ItemSerializer(ERPSerializer):
    """An item; its inventory is worked out from its ledger."""

    inventory = serializers.DecimalField(max_digits=20, decimal_places=5, read_only=True)

    class Meta:
        model = Item
        fields: ClassVar = [
            *SYSTEM_FIELDS,
            "no",
            "description",
            "type",
            "base_unit_of_measure",
            "unit_price",
            "unit_cost",
            "blocked",
            "sales_blocked",
            "inventory",
        ]
        read_only_fields: ClassVar = SYSTEM_FIELDS
        extra_kwargs: ClassVar = {"description": {"required": True}, "base_unit_of_measure": {"required": True}}


class ItemLedgerEntrySerializer(ERPSerializer):
    """A movement of an item."""

    class Meta:
        model = ItemLedgerEntry
        fields: ClassVar = [*SYSTEM_FIELDS, "entry_no", "item_no", "posting_date", "quantity", "document_no"]
        read_only_fields: ClassVar = [*SYSTEM_FIELDS, "entry_no"]
        extra_kwargs: ClassVar = {"item_no": {"required": True}, "quantity": {"required": True}}


class ItemViewSet(ERPViewSet):
    """Items with their inventory."""

    queryset = Item.objects.all()
    serializer_class = ItemSerializer
    filterset_fields = ("no", "type", "blocked")
    ordering_fields: ClassVar = ["no", "description", "system_created_at", "system_modified_at"]

    def get_queryset(self) -> Any:
        """The items with what is worked out on reading."""
        return super().get_queryset().annotate(**Item.computed())

    def perform_create(self, serializer: serializers.BaseSerializer[Any]) -> None:
        """A new item has no ledger yet."""
        serializer.save().inventory = 0


class ItemLedgerEntryViewSet(
    mixins.CreateModelMixin, mixins.RetrieveModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[Any]
):
    """The movements of items: added and read, never changed."""

    queryset = ItemLedgerEntry.objects.all()
    serializer_class = ItemLedgerEntrySerializer
    filterset_fields = ("item_no", "posting_date", "document_no")
