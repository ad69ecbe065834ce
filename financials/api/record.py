"""What the endpoints of all tables share: validation by the business rules, addressing, order."""

import copy
from typing import Any, ClassVar, Final

import django_filters
from django.core.exceptions import ValidationError
from rest_framework import mixins, serializers, viewsets
from rest_framework.filters import OrderingFilter

from financials.models.record import ERPRecord

SYSTEM_FIELDS: Final = ["system_id", "system_created_at", "system_modified_at"]


class ERPSerializer(serializers.ModelSerializer[Any]):
    """Holds what arrives to the business rules of the table, as every other door does."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what the record's own validation refuses.

        Raises:
            serializers.ValidationError: with one plain-words list of reasons a field.
        """
        model: type[ERPRecord] = self.Meta.model
        record = copy.copy(self.instance) if self.instance else model()
        for name, value in attrs.items():
            setattr(record, name, value)
        try:
            record.full_clean()
        except ValidationError as error:
            reasons: dict[str, Any] = error.message_dict
            general = {"non_field_errors": reasons.pop("__all__")} if "__all__" in reasons else {}
            raise serializers.ValidationError(general | reasons) from error
        return attrs


class ERPViewSet(
    mixins.CreateModelMixin,
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    mixins.ListModelMixin,
    viewsets.GenericViewSet[Any],
):
    """Read, create and change records, addressed by their system id."""

    filter_backends = (django_filters.rest_framework.DjangoFilterBackend, OrderingFilter)
    ordering_fields: ClassVar = ["no", "name", "system_created_at", "system_modified_at"]
    ordering: ClassVar = ["no"]
