"""The API: who gets in, what it says, and its schema."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from rest_framework.throttling import UserRateThrottle

from crmbridge.models import ApiKey
from financials.factories import CustomerFactory
from tests.factories import ConflictFactory, ConnectionFactory, CouplingFactory, FieldMappingFactory, SynchErrorFactory

pytestmark = pytest.mark.django_db
COLLECTIONS = (
    "customers",
    "contacts",
    "connection",
    "mappings",
    "couplings",
    "synch-jobs",
    "synch-errors",
    "conflicts",
)


def issued(user: User, **details: object) -> str:
    key = ApiKey(name="web shop", user=user, **details)
    text = key.issue()
    key.save()
    return text


def get(client: Client, address: str, key: str = "") -> tuple[int, dict[str, object]]:
    answer = client.get(address, headers={"Authorization": f"Api-Key {key}"} if key else {})
    return answer.status_code, answer.json()


def test_without_a_key_or_session_the_api_asks_for_one(client: Client) -> None:
    for name in COLLECTIONS:
        answer = client.get(f"/api/v1/{name}/")
        assert answer.status_code == 401, name
        assert answer["WWW-Authenticate"] == "Api-Key"
        assert answer.json()["code"] == "not_authenticated"
    assert client.get("/api/schema/").status_code == 401


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_key_may_do_what_its_user_may_do(client: Client, bob: User, charlie: User, name: str) -> None:
    ConnectionFactory.create()
    assert get(client, f"/api/v1/{name}/", issued(bob))[0] == 200
    assert get(client, f"/api/v1/{name}/", issued(charlie)) == (
        403,
        {"detail": "You do not have permission to perform this action.", "code": "permission_denied"},
    )


def test_a_key_that_may_read_may_not_write(client: Client, bob: User) -> None:
    answer = client.post(
        "/api/v1/customers/", {"name": "Ny AS"}, "application/json", headers={"Authorization": f"Api-Key {issued(bob)}"}
    )
    assert answer.status_code == 403


def test_wrong_expired_and_revoked_keys_are_refused(client: Client, bob: User) -> None:
    good, late = issued(bob), issued(bob, expires_at=timezone.now() - timedelta(seconds=1))
    revoked = issued(bob)
    ApiKey.revoke(ApiKey.objects.filter(prefix=revoked[:8]))
    for key in (f"{good}x", good[:9], late, revoked, "nonsense", "\N{SNOWMAN}".encode().decode("latin-1")):
        code, body = get(client, "/api/v1/customers/", key)
        assert (code, body["code"]) == (401, "bad_api_key"), key
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert get(client, "/api/v1/customers/", good)[0] == 401


def test_only_the_hash_of_a_key_is_kept_and_its_use_is_noted(client: Client, bob: User) -> None:
    key = issued(bob)
    stored = ApiKey.objects.get()
    assert key.partition(".")[2] not in str(vars(stored))
    assert stored.last_used_at is None
    get(client, "/api/v1/customers/", key)
    first = ApiKey.objects.get().last_used_at
    get(client, "/api/v1/customers/", key)
    assert first is not None
    assert ApiKey.objects.get().last_used_at == first


def test_a_session_opens_the_api_too(client: Client, bob: User) -> None:
    client.force_login(bob)
    CustomerFactory.create(name="Blåbær AS")
    assert client.get("/api/v1/customers/").json()["results"][0]["name"] == "Blåbær AS"


def test_pages_are_capped(client: Client, bob: User) -> None:
    client.force_login(bob)
    CustomerFactory.create_batch(3)
    assert len(client.get("/api/v1/customers/?page_size=2").json()["results"]) == 2
    code, body = get(client, "/api/v1/customers/?page=99")
    assert (code, body["code"]) == (404, "not_found")


def test_a_refused_record_says_which_value_and_why(client: Client, alice: User) -> None:
    client.force_login(alice)
    answer = client.post("/api/v1/customers/", {"name": "Ny AS", "currency_code": "XXX"}, "application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert "XXX does not exist" in str(answer.json()["fields"]["currency_code"])


def test_what_is_not_there_is_told_in_json(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert get(client, "/api/v1/nothing/")[1]["code"] == "not_found"
    assert get(client, "/api/v1/couplings/99/")[1]["code"] == "not_found"


def test_too_many_requests_are_slowed_down(client: Client, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": "2/min"})
    client.force_login(bob)
    codes = [client.get("/api/v1/mappings/").status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def test_couplings_and_what_befell_them_are_published(client: Client, bob: User) -> None:
    client.force_login(bob)
    coupling = CouplingFactory.create(base={"name": ["A", "A"]})
    FieldMappingFactory.create(mapping=coupling.mapping)
    SynchErrorFactory.create(mapping=coupling.mapping)
    ConflictFactory.create(coupling=coupling, field=coupling.mapping.fields.get())
    [found] = client.get(f"/api/v1/couplings/?erp_id={coupling.erp_id}").json()["results"]
    assert (found["mapping"], found["crm_id"]) == ("CUSTOMER", str(coupling.crm_id))
    [error] = client.get("/api/v1/synch-errors/", headers={"Accept-Language": "nb"}).json()["results"]
    assert error["text"] == "E-postadressen er for lang."
    assert "technical" not in error
    [conflict] = client.get("/api/v1/conflicts/?resolved_at__isnull=true").json()["results"]
    assert (conflict["base"], conflict["crm_value"]) == ("Berglunds", "Berglunds AB")
    assert client.get("/api/v1/mappings/CUSTOMER/").json()["field_mappings"][0]["crm_column"] == "name"
    assert client.get("/api/v1/synch-jobs/?mapping__name=CUSTOMER&state=finished").json()["count"] == 2


def test_the_schema_is_valid_and_names_both_ways_in(client: Client, alice: User) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=(out := StringIO()))
    assert "apiKey" in out.getvalue()
    assert "cookieAuth" in out.getvalue()
    client.force_login(alice)
    assert client.get("/api/schema/").status_code == 200
    assert "swagger-ui" in client.get("/api/docs/").content.decode()
    assert client.get("/api/")["Location"] == "/api/docs/"
