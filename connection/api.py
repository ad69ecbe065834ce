"""The state of the connection for API clients: read-only, and nothing secret (to be mounted on a router)."""

from typing import Any

from rest_framework import serializers, viewsets

from connection.models import CRMConnection


class ConnectionSerializer(serializers.ModelSerializer[CRMConnection]):
    """What anybody may know about the connection."""

    class Meta:
        model = CRMConnection
        fields = (
            "id",
            "name",
            "address",
            "is_enabled",
            "disable_reason",
            "last_tested_at",
            "last_test_result",
            "organization_id",
            "organization_name",
            "version",
            "base_currency_code",
        )
        read_only_fields = fields


class ConnectionViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """The company's connection to Dynamics CRM and its state."""

    queryset = CRMConnection.objects.order_by("pk")
    serializer_class = ConnectionSerializer
