"""The preflight for API clients (to be mounted on a router)."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.exceptions import NotFound
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from coupling.preflight.check import Stage, checked


class MaySetUp(BasePermission):
    """Only who may change the connection has it examined (S90)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the asking user is an administrator of the connection."""
        return request.user.has_perm("connection.change_crmconnection")


class FindingSerializer(serializers.Serializer[Any]):
    """One finding; `level` is ok, notice, warning or blocker."""

    group = serializers.CharField()
    level = serializers.CharField()
    table = serializers.CharField()
    text = serializers.CharField()
    fix = serializers.CharField()


class RightsSerializer(serializers.Serializer[Any]):
    """The rights on one table: for each verb whether it is needed and whether it is held."""

    table = serializers.CharField()
    verbs = serializers.DictField(child=serializers.DictField(child=serializers.BooleanField()))


class ReportSerializer(serializers.Serializer[Any]):
    """Everything that was found, and how many requests to the CRM it took."""

    level = serializers.CharField()
    is_ready = serializers.BooleanField()
    findings = FindingSerializer(many=True)
    rights = RightsSerializer(many=True)
    requests = serializers.IntegerField()
    seconds = serializers.FloatField()


class PreflightViewSet(viewsets.ViewSet):
    """Everything that would go wrong, found before anything is written."""

    permission_classes = [MaySetUp]

    @extend_schema(
        parameters=[OpenApiParameter("stage", enum=Stage.values, description="Only this part of the checks.")],
        responses=ReportSerializer,
    )
    def list(self, request: Request) -> Response:
        """Run the checks now, and answer when they are done; texts are in the language of Accept-Language."""
        name = request.query_params.get("stage")
        if name and name not in Stage.values:
            raise NotFound
        return Response(checked(Stage(name) if name else None).to_json())
