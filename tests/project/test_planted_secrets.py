"""The watch over the suite sees each way in which a secret could get out; and nothing shows a key twice."""

import logging

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django_q.signing import SignedPackage
from pytest_django import Settings

from connection.masking import register_secret
from crmbridge import urls
from crmbridge.models import ApiKey
from tests.factories import ChangeFactory
from tests.planted import Watch

pytestmark = pytest.mark.django_db
VALUE = "planted-only-for-this-test"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl"


def telling(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<p>{VALUE}</p>")


class WithTelling:
    handler403, handler404, handler500 = urls.handler403, urls.handler404, urls.handler500
    urlpatterns = [*urls.urlpatterns, path("telling/", telling)]


def test_every_way_out_is_watched(watch: Watch, client: Client, alice: User, settings: Settings) -> None:
    watch.plant("it", VALUE)
    client.force_login(alice)
    logging.getLogger("anything").info("the value is %s", VALUE)
    ChangeFactory.create(fields={"telephone1": ["", VALUE]})
    cache.set("anything", {"value": VALUE})
    SignedPackage.dumps({"args": (VALUE,)})
    session = client.session
    session["value"] = VALUE
    session.save()
    settings.ROOT_URLCONF = WithTelling
    client.get("/telling/", headers={"X": TOKEN})
    seen = "\n".join(watch.take())
    ways = ("a log line of anything", "INSERT INTO", "the cache", "a task", "a session", "the answer to GET /telling/")
    for place in ways:
        assert f"it in {place}" in seen or f"it in the database: {place}" in seen, place


def test_a_token_is_known_by_its_shape_and_a_masked_log_line_is_clean(watch: Watch) -> None:
    cache.set("anything", TOKEN)
    assert watch.take()[0].startswith("an access token in the cache")
    register_secret("a registered secret of ours")
    watch.plant("it", "a registered secret of ours")
    logging.getLogger("anything").warning("got %s and %s", "a registered secret of ours", TOKEN)
    assert watch.take() == []


def test_a_key_is_shown_once(watch: Watch, client: Client, alice: User, settings: Settings) -> None:
    client.force_login(alice)
    form = {"name": "web shop", "user": alice.pk, "expires_at_0": "", "expires_at_1": ""}
    page = client.post("/admin/crmbridge/apikey/add/", form).content.decode()
    assert watch.take() == []
    watch.look("a second answer", page, is_answer=True)
    assert ApiKey.objects.count() == 1
    assert watch.take()[0] == "an API key in a second answer"
