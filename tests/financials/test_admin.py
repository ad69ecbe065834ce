"""The admin pages of the financials."""

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from financials.demo import create_demo_company
from financials.factories import CustomerFactory
from financials.models import CompanySettings, Customer, WebServiceKey

pytestmark = pytest.mark.django_db


def test_every_table_can_be_listed_searched_and_opened(admin_client: Client, admin_user: User) -> None:
    create_demo_company(customers=3)
    WebServiceKey.change(admin_user, by="admin")
    for model in apps.get_app_config("financials").get_models():
        listing = reverse(f"admin:financials_{model._meta.model_name}_changelist")
        assert admin_client.get(listing, {"q": "a"}, follow=True).status_code == 200
        first = model._default_manager.first()
        assert first is not None
        page = admin_client.get(reverse(f"admin:financials_{model._meta.model_name}_change", args=[first.pk]))
        assert str(first.pk) in page.content.decode()


def test_the_settings_can_be_neither_doubled_nor_deleted(admin_client: Client) -> None:
    add = reverse("admin:financials_companysettings_add")
    assert admin_client.get(add).status_code == 200
    settings = CompanySettings.objects.create(company_name="Fjord Nordic AS", lcy_code="NOK")
    assert admin_client.get(add).status_code == 403
    delete = reverse("admin:financials_companysettings_delete", args=[settings.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


def test_a_customer_is_added_without_a_number(admin_client: Client) -> None:
    values = {"name": "Ålesund Sjømat AS", "credit_limit_lcy": "0", "blocked": "0"}
    answer = admin_client.post(reverse("admin:financials_customer_add"), values)
    assert answer.status_code == 302
    assert Customer.objects.get().no == "C00001"


def test_captions_are_the_ones_of_the_field(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:financials_customer_change", args=[CustomerFactory.create().pk]))
    for caption in ("Phone No.", "Credit Limit (LCY)", "Primary Contact No.", "Country/Region Code"):
        assert caption in page.content.decode()
