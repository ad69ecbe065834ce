"""What has changed in a table of the CRM is noticed and named (dataverse-web-api.md 17.1)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connection.dataverse.drift import Drift, DriftKind, definition_drift
from connection.dataverse.metadata import ColumnDefinition, TableDefinition
from connection.definitions import DatabaseStore
from connection.models import CRMConnection, TableMetadata
from tests.connection.conftest import connection_to

NAME = ColumnDefinition("name", "String", "Name", max_length=160)
RANK = ColumnDefinition("rank", "Picklist", "Rank", options={1: "Low", 2: "High"})
OWNER = ColumnDefinition("ownerid", "Owner", "Owner", targets=("systemuser",))
BEFORE = TableDefinition(
    "account",
    "accounts",
    "accountid",
    "name",
    True,
    "Accounts",
    True,
    {"name": NAME, "rank": RANK, "ownerid": OWNER},
    keys={"bynumber": ("accountnumber",)},
)


def changed(**columns: ColumnDefinition | None) -> TableDefinition:
    kept = {**BEFORE.columns, **columns}
    return replace(BEFORE, columns={name: column for name, column in kept.items() if column})


@pytest.mark.parametrize(
    ("now", "drift", "text"),
    [
        (changed(name=None), Drift(DriftKind.COLUMN_GONE, "name"), "The column “name” is gone."),
        (changed(fax=replace(NAME, name="fax")), Drift(DriftKind.COLUMN_NEW, "fax"), "The column “fax” is new."),
        (
            changed(name=replace(NAME, type="Memo")),
            Drift(DriftKind.TYPE, "name", "String", "Memo"),
            "another type: Memo instead of String",
        ),
        (
            changed(name=replace(NAME, max_length=100)),
            Drift(DriftKind.LENGTH, "name", "160", "100"),
            "100 instead of 160",
        ),
        (
            changed(rank=replace(RANK, options={1: "Low"})),
            Drift(DriftKind.OPTION_GONE, "rank", before="2 “High”"),
            "has lost the option 2 “High”",
        ),
        (
            changed(rank=replace(RANK, options={1: "Low", 2: "Top"})),
            Drift(DriftKind.OPTION_RENAMED, "rank", "“High”", "“Top”"),
            "calls an option “Top” instead of “High”",
        ),
        (
            changed(rank=replace(RANK, options={1: "Low", 2: "High", 3: "New"})),
            Drift(DriftKind.OPTION_NEW, "rank", now="3 “New”"),
            "a new option: 3 “New”",
        ),
        (
            changed(ownerid=replace(OWNER, targets=("systemuser", "team"))),
            Drift(DriftKind.TARGETS, "ownerid", "systemuser", "systemuser, team"),
            "systemuser, team instead of systemuser",
        ),
        (changed(name=replace(NAME, required=True)), Drift(DriftKind.REQUIRED, "name"), "must be filled now"),
        (
            changed(name=replace(NAME, can_create=False, can_update=False)),
            Drift(DriftKind.NOT_WRITABLE, "name"),
            "cannot be written any more",
        ),
        (replace(BEFORE, change_tracking=False), Drift(DriftKind.TRACKING_OFF), "Change tracking"),
        (replace(BEFORE, keys={}), Drift(DriftKind.KEY_GONE, before="bynumber"), "key “bynumber” is gone"),
    ],
)
def test_each_difference_is_named(now: TableDefinition, drift: Drift, text: str) -> None:
    assert definition_drift(BEFORE, now) == [drift]
    assert text in str(drift)
    assert Drift.from_json(drift.to_json()) == drift


def test_labels_are_no_drift() -> None:
    assert definition_drift(BEFORE, changed(name=replace(NAME, label="Navn"))) == []


def test_what_a_mapping_cannot_live_with_is_marked() -> None:
    assert Drift(DriftKind.COLUMN_GONE, "name").is_breaking
    assert not Drift(DriftKind.COLUMN_NEW, "name").is_breaking


@pytest.fixture
def connection(db: None) -> CRMConnection:
    connection = connection_to("https://acme.crm4.dynamics.com")
    connection.save()
    return connection


def test_a_new_version_says_what_is_different(connection: CRMConnection, admin_client: Client) -> None:
    store = DatabaseStore(connection.tables)
    store.save(BEFORE)
    store.save(BEFORE)
    assert TableMetadata.objects.get().version == 1
    store.forget("account")
    assert DatabaseStore(connection.tables).load("account") is None
    store.save(changed(name=None))
    row = TableMetadata.objects.get()
    assert (row.version, row.drifts) == (2, [Drift(DriftKind.COLUMN_GONE, "name")])
    assert DatabaseStore(connection.tables).load("account") == changed(name=None)
    for page in (
        reverse("admin:connection_tablemetadata_changelist"),
        reverse("admin:connection_tablemetadata_change", args=[row.pk]),
    ):
        assert "The column “name” is gone." in admin_client.get(page).content.decode()


def test_another_process_learns_of_a_new_version_within_a_minute(connection: CRMConnection) -> None:
    one, another = DatabaseStore(connection.tables), DatabaseStore(connection.tables)
    one.save(BEFORE)
    assert another.load("account") == BEFORE
    one.save(changed(name=None))
    another._at_hand["account"] = BEFORE, timezone.now() - timedelta(seconds=1)
    assert another.load("account") == changed(name=None)
