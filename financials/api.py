"""The web service of the financials: customers and contacts (to be mounted on a router)."""

import copy
from typing import Any, ClassVar, Final

import django_filters
from django.core.exceptions import ValidationError
from rest_framework import mixins, serializers, viewsets
from rest_framework.filters import OrderingFilter

from financials.models import Contact, Customer
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


VIEWSETS: Final = {"customers": CustomerViewSet, "contacts": ContactViewSet}
