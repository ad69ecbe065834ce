"""Customers and contacts."""

from typing import ClassVar, Final

import django_filters

from financials.api.record import SYSTEM_FIELDS, ERPSerializer, ERPViewSet
from financials.models import Contact, Customer

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
