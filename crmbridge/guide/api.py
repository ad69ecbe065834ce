"""The set-up over the API: what guide and window do, by the same forms and functions."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.forms import BaseForm
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from connection.api import ConnectionViewSet
from connection.check import ConnectionReport, check_connection, enable
from connection.environment import adopt_environment
from connection.errors import CRMBridgeError
from connection.models import CRMConnection, SettingsLocked
from coupling.api import TableMappingViewSet
from coupling.defaults.reset import replacements, use_defaults
from crmbridge.guide.forms import CERTIFICATE, SECRET, AddressForm, OptionsForm, TablesForm
from crmbridge.guide.health import health
from crmbridge.guide.mappings import switch_off, switch_on
from crmbridge.guide.progress import Progress, one_at_a_time, open_draft, reconsider
from crmbridge.guide.serializers import (
    ChosenTablesSerializer,
    ConnectionTestSerializer,
    OptionsSerializer,
    PointSerializer,
    ReplacementSerializer,
    SettingsSerializer,
    StepSerializer,
)
from crmbridge.guide.steps import STEPS
from crmbridge.guide.switching import switch_off as disable_connection
from crmbridge.guide.tasks import why_unknown
from financials.models import CompanySettings
from sync.environment import start_over


class Administrators(BasePermission):
    """Changing the set-up takes the permission that its pages ask for; looking, that of looking."""

    permission: ClassVar[str] = "connection.change_crmconnection"
    to_look: ClassVar[str] = "connection.view_crmconnection"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the user may do it."""
        needed = self.to_look if request.method in ("GET", "HEAD", "OPTIONS") else self.permission
        return bool(request.user and request.user.has_perm(needed))


class MappingAdministrators(Administrators):
    """The same for table mappings."""

    permission = "coupling.change_tablemapping"
    to_look = "coupling.view_tablemapping"


class EnvironmentAdministrators(Administrators):
    """What becomes of couplings takes both permissions, as its page does."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the user may do it."""
        return super().has_permission(request, view) and request.user.has_perm(MappingAdministrators.permission)


class Conflict(APIException):
    """The set-up is not in the state that the request needs."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class SetUpViewSet(ConnectionViewSet):
    """The company's connection to Dynamics CRM: its state, its settings, its switches."""

    permission_classes = [Administrators]

    @extend_schema(request=SettingsSerializer)
    def create(self, request: Request) -> Response:
        """Set up the connection. A company has one."""
        return Response(self._store(request.data, is_first=True), status=status.HTTP_201_CREATED)

    @extend_schema(request=SettingsSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change settings; only while the connection is disabled."""
        self.get_object()
        return Response(self._store(request.data, is_first=False))

    @extend_schema(request=None, responses=ConnectionTestSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Test Connection."""
        return Response(_report(check_connection(self.get_object())))

    @extend_schema(request=None, responses=ConnectionTestSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Test the connection and enable it where the test passes."""
        return Response(_report(enable(self.get_object())))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """Disable the connection; mappings, couplings and jobs stay."""
        connection = self.get_object()
        disable_connection(connection, _person(request))
        return Response(self.get_serializer(connection).data)

    @extend_schema(responses=PointSerializer(many=True))
    @action(detail=True, pagination_class=None, filter_backends=[])
    def health(self, request: Request, pk: str) -> Response:
        """The health, asked of the CRM now."""
        points = health(self.get_object())
        return Response(
            [{"title": str(p.label), "text": p.text, "error": str(p.error) if p.error else None} for p in points]
        )

    @extend_schema(request=OptionsSerializer, responses=OptionsSerializer)
    @action(detail=True, methods=["get", "patch"], url_path="options", url_name="options")
    def optional(self, request: Request, pk: str) -> Response:
        """The options. One that lacks something is not enabled; changing takes a disabled connection."""
        connection = self.get_object()
        if request.method == "PATCH":
            self._store_options(request.data, connection)
        return Response(OptionsSerializer(self.get_object()).data)

    @extend_schema(request=None, responses=ReplacementSerializer(many=True))
    @action(detail=True, methods=["get", "post"], url_path="default-setup", pagination_class=None, filter_backends=[])
    def default_setup(self, request: Request, pk: str) -> Response:
        """Use default synchronization setup: what it would replace, or (POST) what it has replaced."""
        if request.method == "POST" and not request.user.has_perm(MappingAdministrators.permission):
            self.permission_denied(request)
        currencies = CompanySettings.current().lcy_code, self.get_object().base_currency_code
        with transaction.atomic():
            one_at_a_time()
            found = use_defaults(*currencies) if request.method == "POST" else replacements(*currencies)
        return Response([{"mapping": each.mapping, "text": each.text} for each in found])

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path="keep-couplings", permission_classes=[EnvironmentAdministrators])
    def keep_couplings(self, request: Request, pk: str) -> Response:
        """The environment is a copy of the earlier one, in which the couplings hold; 409 where nothing asks."""
        return self._answered(adopt_environment)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path="delete-couplings", permission_classes=[EnvironmentAdministrators])
    def delete_couplings(self, request: Request, pk: str) -> Response:
        """The environment is another one than before: delete all couplings for good; 409 where nothing asks."""
        return self._answered(start_over)

    @extend_schema(responses=StepSerializer(many=True))
    @action(detail=False, pagination_class=None, filter_backends=[])
    def guide(self, request: Request) -> Response:
        """How far the guide is, and who did what."""
        done = Progress(open_draft()).done
        return Response([_step(step.name, str(step.title), done.get(step.name)) for step in STEPS])

    def _answered(self, answer: Callable[[CRMConnection], object]) -> Response:
        connection = self.get_object()
        try:
            answer(connection)
        except CRMBridgeError as error:
            raise Conflict(str(error)) from None
        return Response(self.get_serializer(connection).data)

    def _store_options(self, given: Any, connection: CRMConnection) -> None:
        asked = OptionsSerializer(data=given, partial=True)
        asked.is_valid(raise_exception=True)
        values = {name: getattr(connection, name) for name in OptionsForm.Meta.fields} | asked.validated_data
        name = values["sales_order_user"] if values["is_sales_order_integration_on"] else ""
        unknown = why_unknown(connection, name) if name else None
        with transaction.atomic():
            one_at_a_time()
            stored = CRMConnection.objects.select_for_update().get(pk=connection.pk)
            if stored.is_enabled:
                raise Conflict(str(SettingsLocked()))
            _save(OptionsForm(values, instance=stored, unknown_user=unknown), {})
            reconsider("options")

    def _store(self, given: Any, *, is_first: bool) -> Any:
        asked = SettingsSerializer(data=given, partial=True)
        asked.is_valid(raise_exception=True)
        with transaction.atomic():
            one_at_a_time()
            stored = CRMConnection.objects.select_for_update().order_by("pk").first()
            if stored and is_first:
                raise Conflict(_("There is a connection already."))
            if stored and stored.is_enabled:
                raise Conflict(str(SettingsLocked()))
            form = _settings_form(asked.validated_data, stored or CRMConnection())
            _save(form, {"new_secret": "client_secret", "new_certificate": "certificate"})
            reconsider("address", *form.unsettles)
        return self.get_serializer(CRMConnection.current()).data


class SwitchedMappingViewSet(TableMappingViewSet):
    """Which ERP table and which CRM table are synchronized, and how (S86); which of them are on."""

    permission_classes = [MappingAdministrators]

    @extend_schema(request=ChosenTablesSerializer, responses=ChosenTablesSerializer)
    @action(detail=False, methods=["post"])
    def choose(self, request: Request) -> Response:
        """Switch on just these tables and what they need; default mappings that are missing are made."""
        with transaction.atomic():
            one_at_a_time()
            given = ChosenTablesSerializer(data=request.data)
            given.is_valid(raise_exception=True)
            _save(TablesForm(given.validated_data, connection=CRMConnection.current()), {})
            reconsider("data")
        names = self.get_queryset().filter(is_enabled=True).values_list("name", flat=True)
        return Response({"tables": sorted(names)})

    @extend_schema(request=None, responses=ChosenTablesSerializer)
    @action(detail=True, methods=["post"], url_path="switch-on")
    def switch_on(self, request: Request, name: str) -> Response:
        """Switch the mapping on, with what it needs."""
        with transaction.atomic():
            one_at_a_time()
            return Response({"tables": switch_on(self.get_object())})

    @extend_schema(request=None, responses=ChosenTablesSerializer)
    @action(detail=True, methods=["post"], url_path="switch-off")
    def switch_off(self, request: Request, name: str) -> Response:
        """Switch the mapping off, unless others need it."""
        with transaction.atomic():
            one_at_a_time()
            mapping = self.get_object()
            switched = switch_off(mapping)
        if mapping.is_enabled:
            raise Conflict(_("Others that are on need this mapping."))
        return Response({"tables": switched})


def _settings_form(given: Mapping[str, Any], connection: CRMConnection) -> AddressForm:
    """The form that the pages use, over what was given and, where something was not, what is stored."""
    data = {name: given.get(name, getattr(connection, name)) for name in AddressForm.Meta.fields}
    secret, pem = str(given.get("client_secret") or ""), str(given.get("certificate") or "")
    has_certificate = pem or (connection.certificate and not secret)
    files = {"new_certificate": SimpleUploadedFile("certificate.pem", pem.encode())} if pem else None
    credential = {"method": CERTIFICATE if has_certificate else SECRET, "new_secret": secret}
    return AddressForm(data | credential, files, instance=connection)


def _save(form: BaseForm, names: Mapping[str, str]) -> None:
    """Save what is right; refuse what is not under the names of the API."""
    if not form.is_valid():
        raise ValidationError(
            {names.get(name, name): [str(error) for error in errors] for name, errors in form.errors.items()}
        )
    form.save()  # type: ignore[attr-defined]  # every form of the set-up has it


def _person(request: Request) -> User:
    """Who asks; the permission has been checked."""
    assert isinstance(request.user, User)
    return request.user


def _report(report: ConnectionReport) -> dict[str, Any]:
    steps = [{"title": str(step.title), "error": str(step.error) if step.error else None} for step in report.steps]
    return {"ok": report.ok, "steps": steps}


def _step(name: str, title: str, done: Any) -> dict[str, Any]:
    who = str(done.done_by) if done and done.done_by else None
    return {"name": name, "title": title, "done_by": who, "done_at": done.done_at if done else None}
