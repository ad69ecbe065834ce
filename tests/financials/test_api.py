"""The web service: customers and contacts, under the same rules as everywhere."""

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from financials.factories import ContactFactory, CustomerFactory, PaymentTermsFactory
from financials.models import Contact, Customer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.financials.urls")]


@pytest.fixture
def api(admin_user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(admin_user)
    return client


def test_a_customer_is_created_read_and_changed(api: APIClient) -> None:
    created = api.post("/api/customers/", {"name": "Ålesund Sjømat AS", "country_region_code": "no"}, format="json")
    assert (created.status_code, created.data["no"], created.data["country_region_code"]) == (201, "C00001", "NO")
    address = f"/api/customers/{created.data['system_id']}/"
    changed = api.patch(address, {"phone_no": "70 11 22 33"}, format="json")
    assert changed.status_code == 200
    assert changed.data["system_modified_at"] > created.data["system_modified_at"]
    assert api.get(address).data["phone_no"] == "70 11 22 33"


def test_a_contact_gets_its_names(api: APIClient) -> None:
    customer = CustomerFactory.create()
    answer = api.post("/api/contacts/", {"first_name": "Åse", "surname": "Lie", "customer_no": customer.no})
    assert (answer.data["name"], answer.data["company_name"]) == ("Åse Lie", customer.name)


def test_system_fields_cannot_be_written(api: APIClient) -> None:
    customer = CustomerFactory.create()
    values = {"system_id": "12345678-1234-4234-8234-123456789abc", "system_modified_at": "2001-01-01T00:00:00Z"}
    assert api.patch(f"/api/customers/{customer.pk}/", values).status_code == 200
    assert Customer.objects.get().pk == customer.pk
    assert Customer.objects.get().system_modified_at > customer.system_modified_at


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({}, {"name": ["This field is required."]}),
        ({"name": "A", "e_mail": "x"}, {"e_mail": ["Enter a valid email address."]}),
        (
            {"name": "A", "payment_terms_code": "7d"},
            {"payment_terms_code": ["Payment Terms 7D does not exist. Create it first, or choose another one."]},
        ),
    ],
)
def test_what_the_table_refuses_the_service_refuses(
    api: APIClient, values: dict[str, str], reasons: dict[str, list[str]]
) -> None:
    answer = api.post("/api/customers/", values)
    assert (answer.status_code, answer.json()["fields"]) == (400, reasons)


def test_a_reason_about_the_whole_record_is_told(api: APIClient) -> None:
    answer = api.post("/api/contacts/", {"job_title": "Controller"})
    assert list(answer.json()["fields"]) == ["non_field_errors"]


def test_a_refused_change_changes_nothing(api: APIClient) -> None:
    customer = CustomerFactory.create(payment_terms_code=PaymentTermsFactory.create().code)
    answer = api.patch(f"/api/customers/{customer.pk}/", {"payment_terms_code": "7D", "phone_no": "1"})
    assert answer.status_code == 400
    assert Customer.objects.get().phone_no == customer.phone_no


def test_customers_are_filtered_and_ordered(api: APIClient) -> None:
    for no, name, blocked in (("B", "Bergen Bygg AS", 0), ("A", "Oslo Bygg AS", 3), ("C", "Oslo Møbler AS", 0)):
        CustomerFactory.create(no=no, name=name, blocked=blocked)

    def numbers(**query: str | int) -> list[str]:
        return [row["no"] for row in api.get("/api/customers/", query).data["results"]]

    since = Customer.objects.get(no="A").system_modified_at.isoformat()
    assert numbers() == ["A", "B", "C"]
    assert numbers(no="b") == ["B"]
    assert numbers(name="møbler") == ["C"]
    assert numbers(blocked=3) == ["A"]
    assert numbers(modified_since=since) == ["A", "C"]
    assert numbers(ordering="-name") == ["C", "A", "B"]


def test_contacts_are_filtered_by_customer(api: APIClient) -> None:
    wanted = ContactFactory.create(customer=CustomerFactory.create())
    ContactFactory.create(customer=CustomerFactory.create())
    rows = api.get("/api/contacts/", {"customer_no": wanted.customer_no.lower()}).data["results"]
    assert [row["no"] for row in rows] == [wanted.no]


def test_permissions_are_asked_for(django_user_model: type[User]) -> None:
    clerk = django_user_model.objects.create_user("clerk")
    clerk.user_permissions.add(Permission.objects.get(codename="add_customer"))
    client = APIClient()
    assert client.get("/api/customers/").status_code == 401
    client.force_authenticate(django_user_model.objects.get(pk=clerk.pk))
    assert client.post("/api/customers/", {"name": "Allowed"}).status_code == 201
    assert client.post("/api/contacts/", {"surname": "Refused"}).status_code == 403
    assert not Contact.objects.exists()


def test_nothing_is_deleted_through_the_service(api: APIClient) -> None:
    assert api.delete(f"/api/customers/{CustomerFactory.create().pk}/").status_code == 405
