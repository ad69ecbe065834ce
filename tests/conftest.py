"""What every room's tests share: a sandbox CRM and the connection to it, users, and which tests run where."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import connection as database
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from pytest_django import DjangoDbBlocker, Settings

from connection.dataverse.client import DataverseClient
from connection.models import CRMConnection, SolutionImport
from connection.solution import importing
from tests import flushing
from tests.installations import Template
from tests.own_redis import empty_databases, leave_nothing_in
from tests.planted import Watch, install
from tests.sandbox_process import SandboxProcess
from tests.turns import Turns

# Nothing in them depends on the database that crmbridge runs on, so once is enough; elsewhere that is so where a test
# has no database at all, which pytest-django makes sure of.
ANY_DATABASE = ("tests/sandbox/", "tests/browser/")
DATABASES = frozenset({"db", "transactional_db", "live_server", "own_installation"})
PASSWORD = "correct horse battery staple"
SEEN_APPS = ("connection", "coupling", "financials", "sync")


def pytest_configure(config: pytest.Config) -> None:
    # Static files come from their sources here; nobody collects them first.
    config.addinivalue_line("filterwarnings", "ignore:No directory at:UserWarning")
    config.addinivalue_line("filterwarnings", "ignore:response_mode='form_post' is recommended:UserWarning")
    config.addinivalue_line("markers", "any_database: runs on SQLite only, since no database can change its outcome")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    """Before the workers start, whose settings name their own database of Redis."""
    if url := os.environ.get("REDIS_URL"):
        for spec, own in zip(specs, empty_databases(url, len(specs)), strict=True):
            spec.env["REDIS_URL"] = own


def pytest_unconfigure() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ and (url := os.environ.get("REDIS_URL")):
        leave_nothing_in(url)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(config.rootpath).as_posix()
        if path.startswith(ANY_DATABASE) or not _has_database(item):
            item.add_marker(pytest.mark.any_database)
        if "template" in getattr(item, "fixturenames", ()):
            # pytest-django makes only those databases that some test is marked for.
            item.add_marker(pytest.mark.django_db)


def _has_database(item: pytest.Item) -> bool:
    """Return True when a test, or a fixture that it needs, asks for the database."""
    return bool(item.get_closest_marker("django_db") or DATABASES & set(getattr(item, "fixturenames", ())))


@receiver(connection_created)
def _read_beside_writers(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Threads share SQLite's database in memory, which unlike a file refuses readers while somebody writes."""
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA read_uncommitted = 1")


@pytest.fixture(autouse=True)
def _scale(request: pytest.FixtureRequest, settings: Settings) -> None:
    """Tests marked `scale` need what a large installation has."""
    has_scale = database.vendor == "postgresql" and settings.REDIS_URL
    if request.node.get_closest_marker("scale") and not has_scale:
        pytest.skip("needs PostgreSQL and Redis (make test)")


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """No test meets the failed sign-ins, API calls and looks of others."""
    cache.clear()


@pytest.fixture(scope="session", autouse=True)
def watch() -> Iterator[Watch]:
    """Searches whatever the product lets out for planted secrets, throughout the suite."""
    watch = Watch()
    watch.plant("a password", PASSWORD)
    watch.plant("the key of sessions", configured.SECRET_KEY)
    for key in configured.FERNET_KEYS:
        watch.plant("a key of the stored secrets", key)
    with pytest.MonkeyPatch.context() as patch:
        install(watch, patch)
        yield watch


@pytest.fixture(autouse=True)
def _no_secret_gets_out(watch: Watch) -> Iterator[None]:
    """Fail the test that let a secret out."""
    yield
    leaks = watch.take()
    assert not leaks, "\n".join(sorted(set(leaks)))


@pytest.fixture(scope="session")
def _sandbox_process(tmp_path_factory: pytest.TempPathFactory, watch: Watch) -> Iterator[SandboxProcess]:
    """One process for each of pytest-xdist's workers, started by the first test that wants it."""
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as process:
        watch.plant_those_of(process)
        yield process


@pytest.fixture
def sandbox(_sandbox_process: SandboxProcess, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> SandboxProcess:
    """A CRM with an organization, its currencies and two users, and nothing else; we and our children trust it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", _sandbox_process.details["ca_file"])
    monkeypatch.setenv("CRMBRIDGE_EXTRA_CRM_HOSTS", "localhost")
    settings.EXTRA_CRM_HOSTS = ["localhost"]
    _sandbox_process.reset(empty=True)
    return _sandbox_process


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Template]:
    """The test database, of which a copy is kept before anybody else can be connected with it."""
    with pytest.MonkeyPatch.context() as patch:
        with django_db_blocker.unblock():
            template = Template(tmp_path_factory.mktemp("template"))
            flushing.install(patch)
        yield template
        template.drop()


@pytest.fixture
def template(django_db_setup: Template) -> Template:
    """A migrated database to copy."""
    return django_db_setup


@pytest.fixture
def own_installation(template: Template, sandbox: SandboxProcess, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of an installation that can reach the sandbox, on the kind of database under test."""
    trusted = sandbox.details["ca_file"]
    with template.installation(tmp_path / "var", REQUESTS_CA_BUNDLE=trusted, LOG_LEVEL="WARNING") as env:
        yield env


@pytest.fixture
def connection(sandbox: SandboxProcess, db: None) -> CRMConnection:
    """The enabled connection to the sandbox."""
    details = sandbox.details
    connected = CRMConnection(
        address=details["address"],
        authority=details["authority"],
        tenant_id=details["tenant"],
        client_id=details["client_id"],
        base_currency_code="NOK",
        is_enabled=True,
    )
    connected.set_secret(details["client_secret"])
    connected.save()
    return connected


@pytest.fixture
def crm(connection: CRMConnection) -> DataverseClient:
    """The client of the connection."""
    return connection.client()


@pytest.fixture
def alice(db: None) -> User:
    """An administrator."""
    return User.objects.create_superuser("alice", password=PASSWORD)


@pytest.fixture
def bob(db: None) -> User:
    """A business user: sees everything, changes nothing that matters."""
    user = User.objects.create_user("bob", password=PASSWORD)
    seen = Permission.objects.filter(content_type__app_label__in=SEEN_APPS, codename__startswith="view_")
    user.user_permissions.set(seen)
    return user


@pytest.fixture
def charlie(db: None) -> User:
    """Someone who may sign in, and nothing else."""
    return User.objects.create_user("charlie", password=PASSWORD)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    """Imports of the solution begin when the test says so, and none outlives it."""
    turns, send = Turns(), importing._send

    def in_turn(row: SolutionImport, client: DataverseClient) -> bool:
        turns.wait()
        return send(row, client)

    monkeypatch.setattr(importing, "_send", in_turn)
    yield turns
    turns.over_to_imports()
