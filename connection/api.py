"""The state of the connection for API clients: read-only, and nothing secret (to be mounted on a router)."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from connection.installation import KEPT_OFF, NoCopy, claim, keep_off
from connection.models import CRMConnection, SolutionImport
from connection.solution import SolutionState, Standing, solution_state
from connection.users import RoleState, role_state


class ConnectionSerializer(serializers.ModelSerializer[CRMConnection]):
    """What anybody may know about the connection."""

    class Meta:
        model = CRMConnection
        fields = (
            "id",
            "name",
            "address",
            "is_enabled",
            "is_copy",
            "disable_reason",
            "last_tested_at",
            "last_test_result",
            "organization_id",
            "organization_name",
            "enabled_organization_id",
            "version",
            "base_currency_code",
        )
        read_only_fields = fields


class SolutionImportSerializer(serializers.ModelSerializer[SolutionImport]):
    """One import of the solution."""

    class Meta:
        model = SolutionImport
        fields = (
            "id",
            "connection",
            "address",
            "version",
            "state",
            "progress",
            "reason",
            "started_by",
            "started_at",
            "heartbeat_at",
            "ended_at",
            "import_job_id",
        )
        read_only_fields = fields


class SolutionStateSerializer(serializers.Serializer[SolutionState]):
    """The installed solution beside the shipped one; `error` says why the installed one is not known."""

    standing = serializers.ChoiceField(choices=Standing.choices)
    installed = serializers.CharField()
    shipped = serializers.CharField()
    error = serializers.CharField(allow_null=True)


class RoleStateSerializer(serializers.Serializer[RoleState]):
    """The integration roles that the synchronization user has and lacks; `error` says why that is not known."""

    present = serializers.ListField(child=serializers.CharField())
    missing = serializers.ListField(child=serializers.CharField())
    is_administrator = serializers.BooleanField()
    error = serializers.CharField(allow_null=True)


class ConnectionViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """The company's connection to Dynamics CRM and its state."""

    queryset = CRMConnection.objects.order_by("pk")
    serializer_class = ConnectionSerializer

    @extend_schema(responses=SolutionStateSerializer)
    @action(detail=True)
    def solution(self, request: Request, **kwargs: Any) -> Response:
        """Which version of the solution the CRM has, and which one this crmbridge brings."""
        return Response(SolutionStateSerializer(solution_state(self.get_object())).data)

    @extend_schema(responses=RoleStateSerializer)
    @action(detail=True)
    def roles(self, request: Request, **kwargs: Any) -> Response:
        """Which of the integration roles the synchronization user has."""
        return Response(RoleStateSerializer(role_state(self.get_object())).data)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def claim(self, request: Request, pk: str) -> Response:
        """Leave safe mode: this installation is the real one now; 409 where the connection is not in safe mode."""
        return self._settled(claim)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path="keep-off")
    def keep_off(self, request: Request, pk: str) -> Response:
        """Leave safe mode and disable the connection; 409 where it is not in safe mode."""
        return self._settled(lambda connection: keep_off(connection, KEPT_OFF))

    def _settled(self, settle: Callable[[CRMConnection], None]) -> Response:
        connection = self.get_object()
        try:
            settle(connection)
        except NoCopy as error:
            return Response({"detail": str(error), "code": "no_copy"}, status=status.HTTP_409_CONFLICT)
        return Response(self.get_serializer(connection).data)


class SolutionImportViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """The imports of the solution, the latest first; one begins with an administrator's sign-in in the browser."""

    queryset = SolutionImport.objects.order_by("-started_at", "-pk")
    serializer_class = SolutionImportSerializer
    filterset_fields = ("state",)
