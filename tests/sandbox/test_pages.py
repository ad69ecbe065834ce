"""The pages at `/`: looking, editing, and who may not."""

import re
from dataclasses import dataclass

import pytest
import requests

from tests.sandbox.conftest import create, names, read
from tests.sandbox_process import SandboxProcess, SandboxSession


@dataclass
class Browser:
    """A browser without scripts."""

    address: str
    session: requests.Session

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(self.address + path, headers=headers, timeout=200)

    def post(self, path: str, origin: str | None = None, **form: str) -> requests.Response:
        headers = {"Origin": self.address if origin is None else origin}
        return self.session.post(self.address + path, data=form, headers=headers, timeout=200)

    def version(self, path: str) -> str:
        match = re.search(r'name="version" value="(\d+)"', self.get(path).text)
        assert match
        return match[1]


@pytest.fixture
def browser(sandbox: SandboxProcess) -> Browser:
    session = requests.Session()
    session.trust_env = False
    session.verify = sandbox.details["ca_file"]
    return Browser(sandbox.details["address"], session)


def test_tables_and_rows_are_listed(browser: Browser, sandbox: SandboxProcess) -> None:
    sandbox.reset(empty=False)
    assert "/table/account" in browser.get("/").text
    page = browser.get("/table/account").text
    assert "Oslo Kontormøbler AS" in page
    found = browser.get("/table/account", **{"Accept-Language": "nb"}).text
    assert 'lang="nb"' in found
    searched = browser.get("/table/account?q=ØBLER").text
    assert "Müller" not in searched


def test_list_goes_on_to_the_next_page(browser: Browser, api: SandboxSession) -> None:
    for number in range(51):
        create(api, "accounts", name=f"Kunde {number:02}")
    first = browser.get("/table/account?sort=-name").text
    assert "Kunde 50" in first
    assert "Kunde 00" not in first
    following = re.search(r'href="(\?sort=-name&amp;after=[^"]+)"', first)
    assert following
    second = browser.get("/table/account" + following[1].replace("&amp;", "&")).text
    assert "Kunde 00" in second
    assert "Kunde 01" not in second


def test_row_is_created_changed_and_deleted_by_hand(browser: Browser, api: SandboxSession) -> None:
    made = browser.post("/table/account/new", name="Nordvik & Sønn", customertypecode="3", creditlimit="12.50")
    assert made.history[0].status_code == 303
    path = made.url.removeprefix(browser.address).partition("?")[0]
    address = f"accounts({path.rpartition('/')[2]})"
    row = read(api, address)
    assert (row["name"], row["customertypecode"], row["creditlimit"]) == ("Nordvik & Sønn", 3, 12.5)
    browser.post(path, version=browser.version(path), telephone1="5", customertypecode="", statecode="1")
    row = read(api, address)
    assert (row["telephone1"], row["customertypecode"], row["statecode"], row["statuscode"]) == ("5", None, 1, 2)
    assert (
        read(api, f"{address}?$expand=modifiedby($select=fullname)")["modifiedby"]["fullname"]
        != "# crmbridge integration"
    )
    assert "Delete" in browser.get(f"{path}/delete").text
    assert names(api, "accounts") == ["Nordvik & Sønn"]
    browser.post(f"{path}/delete")
    assert names(api, "accounts") == []
    assert browser.get(path).status_code == 404


def test_only_what_was_changed_is_written(browser: Browser, api: SandboxSession) -> None:
    account = create(api, "accounts", name="A", description="two\nlines", address1_city=" Oslo ")
    path = f"/table/account/{account}"
    version = browser.version(path)
    browser.post(path, version=version, name="A", description="two\r\nlines", address1_city=" Oslo ")
    assert browser.version(path) == version


def test_lookups_are_found_by_name_or_id(browser: Browser, api: SandboxSession) -> None:
    account = create(api, "accounts", name="Nordvik")
    contact = create(api, "contacts", lastname="Berg")
    path = f"/table/contact/{contact}"
    for text in ("nordvik", account):
        browser.post(path, version=browser.version(path), parentcustomerid_account=text)
        assert read(api, f"contacts({contact})")["_parentcustomerid_value"] == account
        assert 'value="Nordvik"' in browser.get(path).text
        browser.post(path, version=browser.version(path), parentcustomerid_account="")
        assert read(api, f"contacts({contact})")["_parentcustomerid_value"] is None
    refused = browser.post(path, version=browser.version(path), parentcustomerid_account="Nobody")
    assert refused.status_code == 400
    assert "not exactly one row named “Nobody”" in refused.text


def test_refused_values_stay_in_the_form(browser: Browser, api: SandboxSession) -> None:
    path = f"/table/account/{create(api, 'accounts', name='A')}"
    refused = browser.post(path, version=browser.version(path), name="x" * 161)
    assert refused.status_code == 400
    assert "maximum allowed length" in refused.text
    assert "x" * 161 in refused.text
    assert "<script>" not in browser.post(path, version="1", name="<script>").text


def test_change_of_someone_else_is_not_overwritten(browser: Browser, api: SandboxSession) -> None:
    account = create(api, "accounts", name="A")
    path = f"/table/account/{account}"
    version = browser.version(path)
    api("PATCH", f"accounts({account})", {"fax": "1"})
    assert browser.post(path, version=version, fax="2").status_code == 400
    assert read(api, f"accounts({account})")["fax"] == "1"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://localhost"])
def test_change_from_another_site_is_refused(browser: Browser, api: SandboxSession, origin: str) -> None:
    account = create(api, "accounts", name="A")
    for path in ("/table/account/new", f"/table/account/{account}", f"/table/account/{account}/delete"):
        assert browser.post(path, origin, name="B").status_code == 403
    assert names(api, "accounts") == ["A"]


@pytest.mark.parametrize("pagetype", ["&pagetype=entityrecord", ""])
def test_dynamics_deep_link_leads_to_the_row(browser: Browser, api: SandboxSession, pagetype: str) -> None:
    account = create(api, "accounts", name="A")
    page = browser.get(f"/main.aspx?appid=1&etn=account{pagetype}&id=%7B{account.upper()}%7D")
    assert page.url == f"{browser.address}/table/account/{account}"
    assert browser.get("/main.aspx?etn=account&pagetype=entitylist").url.endswith("/table/account")
    assert browser.get("/main.aspx").url == f"{browser.address}/"


def test_pages_are_guarded_by_headers_and_unknown_ones_say_so(browser: Browser) -> None:
    page = browser.get("/")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert " style=" not in page.text
    for path in ("/nonsense", "/table/nonsense", "/table/account/00000000-0000-0000-0000-000000000000"):
        assert browser.get(path).status_code == 404
    assert browser.get("/static/sandbox/sandbox.css").headers["Content-Type"].startswith("text/css")
    assert browser.get("/static/sandbox/..%2f..%2fmanage.py").status_code == 404
