"""What the API of the set-up takes and gives."""

from typing import Any

from django.contrib.auth.models import User
from rest_framework import serializers

from connection.models import CRMConnection


class SettingsSerializer(serializers.Serializer[CRMConnection]):
    """Environment and sign-in. Secret and certificate are taken and never given; without one, the stored one stays."""

    address = serializers.CharField()
    tenant_id = serializers.CharField()
    client_id = serializers.CharField()
    authority = serializers.CharField(required=False, allow_blank=True)
    client_secret = serializers.CharField(required=False, allow_blank=True, write_only=True)
    certificate = serializers.CharField(
        required=False,
        allow_blank=True,
        write_only=True,
        help_text="PEM text with the private key and the certificate.",
    )


class OptionsSerializer(serializers.Serializer[CRMConnection]):
    """Item availability and sales order integration, each with its account."""

    is_item_availability_on = serializers.BooleanField(required=False)
    odata_user = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.all(), required=False, allow_null=True
    )
    is_sales_order_integration_on = serializers.BooleanField(required=False)
    sales_order_user = serializers.CharField(required=False, allow_blank=True)


class ReplacementSerializer(serializers.Serializer[Any]):
    """What the default set-up replaces in which mapping."""

    mapping = serializers.CharField()
    text = serializers.CharField()


class PointSerializer(serializers.Serializer[Any]):
    """One point of a test or of the health: `error` is null where it is well."""

    title = serializers.CharField()
    text = serializers.CharField(required=False)
    error = serializers.CharField(allow_null=True)


class ConnectionTestSerializer(serializers.Serializer[Any]):
    """A test of the connection, step by step; the first failure ends it."""

    ok = serializers.BooleanField()
    steps = PointSerializer(many=True)


class ChosenTablesSerializer(serializers.Serializer[Any]):
    """The names of the table mappings that are on; what they need is added."""

    tables = serializers.ListField(child=serializers.CharField())


class StepSerializer(serializers.Serializer[Any]):
    """A step of the guide, and who completed it."""

    name = serializers.CharField()
    title = serializers.CharField()
    done_by = serializers.CharField(allow_null=True)
    done_at = serializers.DateTimeField(allow_null=True)
