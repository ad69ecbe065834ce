"""The API of the financials: customers, contacts, items, access keys (to be mounted on a router)."""

import copy
from typing import Any, ClassVar, Final

import django_filters
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request
from rest_framework.response import Response

from financials.models import CompanySettings, Contact, Customer, Item, ItemLedgerEntry, WebServiceKey
from financials.models.record import ERPRecord

SYSTEM_FIELDS: Final = ["system_id", "system_created_at", "system_modified_at"]
ADDRESS_FIELDS: Final = [
    "address",
    "address_2",
    "city",
    "county",
    "post_code",
    "country_region_code",
    "phone_no",
    "mobile_phone_no",
    "fax_no",
    "e_mail",
    "home_page",
]


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


class CustomerSerializer(ERPSerializer):
    """A customer."""

    class Meta:
        model = Customer
        fields: ClassVar = [
            *SYSTEM_FIELDS,
            "no",
            "name",
            "contact",
            *ADDRESS_FIELDS,
            "currency_code",
            "credit_limit_lcy",
            "payment_terms_code",
            "shipment_method_code",
            "shipping_agent_code",
            "salesperson_code",
            "primary_contact_no",
            "blocked",
        ]
        read_only_fields: ClassVar = SYSTEM_FIELDS
        extra_kwargs: ClassVar = {"name": {"required": True}}


class ContactSerializer(ERPSerializer):
    """A contact; a person's full name and the company name follow from the other values."""

    class Meta:
        model = Contact
        fields: ClassVar = [
            *SYSTEM_FIELDS,
            "no",
            "type",
            "customer_no",
            "company_name",
            "name",
            "first_name",
            "middle_name",
            "surname",
            "salutation_code",
            "job_title",
            *ADDRESS_FIELDS,
            "pager",
            "e_mail_2",
            "currency_code",
            "salesperson_code",
            "privacy_blocked",
        ]
        read_only_fields: ClassVar = [*SYSTEM_FIELDS, "company_name"]


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


class CompanySettingsSerializer(ERPSerializer):
    """Company, experience and local currency."""

    class Meta:
        model = CompanySettings
        fields: ClassVar = [
            *SYSTEM_FIELDS,
            "company_name",
            "experience",
            "lcy_code",
            "local_currency_symbol",
            "local_currency_description",
        ]
        read_only_fields: ClassVar = SYSTEM_FIELDS


class WebServiceKeySerializer(serializers.ModelSerializer[WebServiceKey]):
    """A user's web services access key: when it was changed and used, never the key."""

    user = serializers.SlugRelatedField[User](slug_field="username", queryset=User.objects.all())

    class Meta:
        model = WebServiceKey
        fields = ("user", "set_at", "set_by", "expires_at", "last_used_at", "last_refused_at", "is_valid")
        read_only_fields = ("set_at", "set_by", "last_used_at", "last_refused_at", "is_valid")
        extra_kwargs: ClassVar[dict[str, Any]] = {"user": {"validators": []}}

    def validate_expires_at(self, value: Any) -> Any:
        """Refuse a moment that is over.

        Raises:
            serializers.ValidationError: it is.
        """
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError(_("The day is over. Choose today or later."))
        return value


class NewWebServiceKeySerializer(WebServiceKeySerializer):
    """What is answered when a key was changed: also the key, this once."""

    key = serializers.CharField(read_only=True)

    class Meta(WebServiceKeySerializer.Meta):
        fields = (*WebServiceKeySerializer.Meta.fields, "key")  # type: ignore[assignment]  # one more than its parent


class CustomerFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter has no type hints
    """Which customers to list."""

    no = django_filters.CharFilter()
    name = django_filters.CharFilter(lookup_expr="icontains")
    modified_since = django_filters.IsoDateTimeFilter(field_name="system_modified_at", lookup_expr="gte")

    class Meta:
        model = Customer
        fields: ClassVar = ["no", "name", "blocked", "salesperson_code", "country_region_code"]


class ContactFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter has no type hints
    """Which contacts to list."""

    no = django_filters.CharFilter()
    name = django_filters.CharFilter(lookup_expr="icontains")
    modified_since = django_filters.IsoDateTimeFilter(field_name="system_modified_at", lookup_expr="gte")

    class Meta:
        model = Contact
        fields: ClassVar = ["no", "name", "type", "customer_no", "e_mail"]


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


class CustomerViewSet(ERPViewSet):
    """Customers."""

    queryset = Customer.objects.all()
    serializer_class = CustomerSerializer
    filterset_class = CustomerFilter


class ContactViewSet(ERPViewSet):
    """Contacts."""

    queryset = Contact.objects.all()
    serializer_class = ContactSerializer
    filterset_class = ContactFilter


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


class CompanySettingsViewSet(
    mixins.RetrieveModelMixin, mixins.UpdateModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[Any]
):
    """The company's settings, the experience among them: one row, or none while nothing was entered."""

    queryset = CompanySettings.objects.order_by("company_name")
    serializer_class = CompanySettingsSerializer


class WebServiceKeyViewSet(mixins.DestroyModelMixin, viewsets.ReadOnlyModelViewSet[WebServiceKey]):
    """Web services access keys: who has one. Posting a user changes his key; deleting takes it away."""

    queryset = WebServiceKey.objects.select_related("user")
    serializer_class = WebServiceKeySerializer
    lookup_field = "user__username"
    lookup_url_kwarg = "username"
    lookup_value_regex = "[^/]+"

    @extend_schema(request=WebServiceKeySerializer, responses={201: NewWebServiceKeySerializer})
    def create(self, request: Request) -> Response:
        """Change the key of `user` and answer the new one, this once; the old key opens nothing any more (S46)."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user, expires_at = asked.validated_data["user"], asked.validated_data.get("expires_at")
        key = WebServiceKey.change(user, by=str(request.user), expires_at=expires_at)
        shown = WebServiceKeySerializer(WebServiceKey.objects.get(user=user)).data
        return Response({**shown, "key": key}, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


VIEWSETS: Final = {
    "customers": CustomerViewSet,
    "contacts": ContactViewSet,
    "items": ItemViewSet,
    "item-ledger-entries": ItemLedgerEntryViewSet,
    "company-settings": CompanySettingsViewSet,
    "web-service-keys": WebServiceKeyViewSet,
}
