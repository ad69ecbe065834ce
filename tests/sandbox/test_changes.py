"""Change tracking (dataverse-web-api.md 8)."""

from typing import Any

import pytest

from tests.sandbox.conftest import bulk, create, error_of, read
from tests.sandbox_process import SandboxProcess, SandboxSession

TRACK = "odata.track-changes"


def delta_link(api: SandboxSession, query: str = "accounts?$select=name") -> str:
    return str(read(api, query, TRACK)["@odata.deltaLink"])


def changes(api: SandboxSession, link: str, prefer: str = "") -> tuple[list[str], list[str], str]:
    """Return the changed names, the deleted ids and the next delta link of a delta read, over all its pages."""
    changed, deleted = [], []
    while True:
        page = read(api, link, prefer)
        assert page["@odata.context"].endswith("/$delta")
        for item in page["value"]:
            if item.get("reason") == "deleted":
                assert item["@odata.context"].endswith("#accounts/$deletedEntity")
                deleted.append(item["id"])
            else:
                assert not deleted
                changed.append(item["name"])
        if "@odata.deltaLink" in page:
            return changed, deleted, page["@odata.deltaLink"]
        link = page["@odata.nextLink"]


def test_first_read_gives_all_rows_and_a_delta_link(api: SandboxSession) -> None:
    create(api, "accounts", name="A")
    answer = api("GET", "accounts?$select=name", headers={"Prefer": TRACK})
    assert answer.headers["Preference-Applied"] == TRACK
    assert [row["name"] for row in answer.json()["value"]] == ["A"]
    assert "$deltatoken=" in answer.json()["@odata.deltaLink"]
    assert "$select=name" in answer.json()["@odata.deltaLink"]


def test_delta_tells_created_changed_and_deleted_rows_once(api: SandboxSession) -> None:
    kept, gone = create(api, "accounts", name="kept"), create(api, "accounts", name="gone")
    create(api, "accounts", name="untouched")
    link = delta_link(api)
    assert changes(api, link)[:2] == ([], [])
    api("PATCH", f"accounts({kept})", {"fax": "1"})
    api("PATCH", f"accounts({gone})", {"fax": "1"})
    create(api, "accounts", name="new")
    api("DELETE", f"accounts({gone})")
    changed, deleted, following = changes(api, link)
    assert (changed, deleted) == (["kept", "new"], [gone])
    assert changes(api, following)[:2] == ([], [])


def test_row_created_and_deleted_in_between_is_told_as_deleted_only(api: SandboxSession) -> None:
    link = delta_link(api)
    identity = create(api, "accounts", name="A")
    api("DELETE", f"accounts({identity})")
    assert changes(api, link)[:2] == ([], [identity])


def test_row_deleted_and_created_again_is_told_as_changed_only(api: SandboxSession) -> None:
    identity = create(api, "accounts", name="A")
    link = delta_link(api)
    api("DELETE", f"accounts({identity})")
    create(api, "accounts", accountid=identity, name="again")
    assert changes(api, link)[:2] == (["again"], [])


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_first_read_and_delta_in_pages(api: SandboxSession, size: int) -> None:
    prefer = f"{TRACK},odata.maxpagesize={size}"
    ids = bulk(api, "accounts", "CreateMultiple", [{"name": str(n)} for n in range(5)]).json()["Ids"]
    page, seen = read(api, "accounts?$select=name", prefer), []
    while True:
        seen += [row["name"] for row in page["value"]]
        if "@odata.deltaLink" in page:
            break
        page = read(api, page["@odata.nextLink"], prefer)
    assert seen == list("01234")
    for identity in ids[:2]:
        api("DELETE", f"accounts({identity})")
    for identity in ids[2:]:
        api("PATCH", f"accounts({identity})", {"fax": "1"})
    changed, deleted, _ = changes(api, page["@odata.deltaLink"], prefer)
    assert (changed, deleted) == (["2", "3", "4"], ids[:2])


def test_change_while_the_first_read_is_paging_is_not_lost(api: SandboxSession) -> None:
    ids = bulk(api, "accounts", "CreateMultiple", [{"name": str(n)} for n in range(4)]).json()["Ids"]
    prefer = f"{TRACK},odata.maxpagesize=2"
    page = read(api, "accounts?$select=name", prefer)
    api("PATCH", f"accounts({ids[0]})", {"name": "changed"})
    page = read(api, page["@odata.nextLink"], prefer)
    assert changes(api, page["@odata.deltaLink"])[0] == ["changed"]


def test_delta_link_with_nothing_but_the_token_gives_all_columns(api: SandboxSession) -> None:
    token = delta_link(api).rpartition("$deltatoken=")[2]
    create(api, "accounts", name="A", fax="1")
    page = read(api, f"accounts?$deltatoken={token}")
    assert page["value"][0]["fax"] == "1"
    assert api("GET", f"accounts/$count?$deltatoken={token}").text.endswith("1")


def test_cascaded_deletions_and_removed_links_are_changes_too(api: SandboxSession) -> None:
    account = create(api, "accounts", name="A")
    contact = create(api, "contacts", lastname="B", **{"parentcustomerid_account@odata.bind": f"/accounts({account})"})
    link = delta_link(api, "contacts?$select=lastname")
    api("DELETE", f"accounts({account})")
    assert [item["id"] for item in read(api, link)["value"]] == [contact]


@pytest.mark.parametrize("option", ["$filter=name eq 'x'", "$orderby=name", "$top=1", "$expand=primarycontactid"])
def test_other_options_are_refused(api: SandboxSession, option: str) -> None:
    assert error_of(api("GET", f"accounts?{option}", headers={"Prefer": TRACK}))[0] == 400


def test_table_without_change_tracking(api: SandboxSession) -> None:
    assert error_of(api("GET", "organizations", headers={"Prefer": TRACK})) == (400, "0x80072491")


def test_token_expires(api: SandboxSession, sandbox: SandboxProcess) -> None:
    create(api, "accounts", name="A")
    link = delta_link(api)
    sandbox.expire_changes()
    assert error_of(api("GET", link)) == (400, "0x80044352")
    assert changes(api, delta_link(api))[0] == []


def test_token_expires_by_the_setting_of_the_organization(api: SandboxSession) -> None:
    link = delta_link(api)
    organization = read(api, "organizations?$select=expirechangetrackingindays")["value"][0]
    assert organization["expirechangetrackingindays"] == 7
    api("PATCH", f"organizations({organization['organizationid']})", {"expirechangetrackingindays": 0})
    assert error_of(api("GET", link)) == (400, "0x80044352")


@pytest.mark.parametrize("token", ["nonsense", "5", "5!yesterday", ""])
def test_malformed_token(api: SandboxSession, token: str) -> None:
    assert api("GET", f"accounts?$deltatoken={token}").status_code == 400


def test_reset_lets_old_tokens_expire(api: SandboxSession, sandbox: SandboxProcess) -> None:
    link = delta_link(api)
    sandbox.reset()
    assert error_of(api("GET", link)) == (400, "0x80044352")


def test_own_write_is_told_with_the_version_it_was_given(api: SandboxSession) -> None:
    link = delta_link(api)
    answer: Any = api("POST", "accounts", {"name": "A"}, headers={"Prefer": "return=representation"})
    assert read(api, link)["value"][0]["@odata.etag"] == answer.headers["ETag"]
