"""The preflight by page, API and command; what stops it is told with its fix, and no secret with it."""

import html
import json
import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from connection.models import CRMConnection
from coupling.defaults.install import install_defaults
from coupling.preflight.check import Stage
from financials.models import CompanySettings
from tests.planted import Watch
from tests.sandbox.conftest import read
from tests.sandbox_process import SandboxProcess

WRONG = "planted-Secret~that-is-wrong"


@pytest.fixture
def mapped(connection: CRMConnection) -> CRMConnection:
    """A connection with the default mappings, of a company without data."""
    CompanySettings.objects.create(company_name="Northwind Traders", lcy_code="NOK")
    install_defaults("NOK", "NOK")
    return connection


def test_page_api_and_command_tell_the_same(
    client: Client, alice: User, mapped: CRMConnection, sandbox: SandboxProcess
) -> None:
    client.force_login(alice)
    page = client.get("/connection/preflight/").content.decode()
    assert 'hx-get="/connection/preflight/access/?worst=0"' in page
    shown, stages, address = "", [], "/connection/preflight/access/?worst=0"
    while address:
        part = client.get(address).content.decode()
        stages.append(address.split("/")[3])
        shown += part
        _, _, rest = part.partition('hx-get="')
        address = rest.partition('"')[0]
    assert stages == Stage.values
    assert "Something stands in the way." in shown
    answer = client.get("/api/v1/preflight/").json()
    whole = client.get("/connection/preflight/?whole").content.decode()
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("preflight", "--json", stdout=output)
    printed = json.loads(output.getvalue())
    assert printed["findings"] == answer["findings"]
    assert not answer["is_ready"]
    for finding in answer["findings"]:
        assert finding["text"] in shown
        assert finding["text"] in whole
    assert {row["table"] for row in answer["rights"]} >= {"account", "contact", "systemuser"}
    assert client.get("/api/v1/preflight/?stage=nonsense").status_code == 404
    assert sandbox.calls()["writes"] == 0


def test_only_administrators_have_the_connection_examined(client: Client, bob: User, mapped: CRMConnection) -> None:
    client.force_login(bob)
    for address in ("/connection/preflight/", "/connection/preflight/data/", "/api/v1/preflight/"):
        assert client.get(address).status_code == 403


def test_without_a_connection_or_mappings_it_says_so(connection: CRMConnection, client: Client, alice: User) -> None:
    client.force_login(alice)
    assert "No table mapping is enabled" in client.get("/connection/preflight/access/").content.decode()
    connection.delete()
    assert "not connected" in client.get("/connection/preflight/access/").content.decode()


def refused(client: Client) -> str:
    """What the one finding says where nothing else could be asked, and what to do about it."""
    (finding,) = client.get("/api/v1/preflight/").json()["findings"]
    assert finding["level"] == "blocker"
    assert finding["fix"]
    # The page says so too, and asks for no other stage.
    page = html.unescape(client.get("/connection/preflight/access/").content.decode())
    assert finding["text"] in page
    assert "hx-get" not in page
    return f"{finding['text']} {finding['fix']}"


def test_a_wrong_secret_a_disabled_user_and_no_role_stop_it_with_their_fix(
    mapped: CRMConnection, sandbox: SandboxProcess, client: Client, alice: User, watch: Watch
) -> None:
    watch.plant("a wrong client secret", WRONG)
    client.force_login(alice)
    api = sandbox.session()
    secret = mapped.client_secret.reveal()
    mapped.set_secret(WRONG)
    mapped.save()
    said = refused(client)
    assert "client secret" in said
    assert WRONG not in said
    mapped.set_secret(secret)
    mapped.save()
    me = read(api, "WhoAmI")["UserId"]
    held = read(api, f"systemusers({me})/systemuserroles_association?$select=roleid")["value"]
    for row in held:
        assert api("DELETE", f"systemusers({me})/systemuserroles_association({row['roleid']})/$ref").status_code == 204
    assert "role" in refused(client)
    sandbox.reset(empty=True)
    api = sandbox.session()
    assert api("PATCH", f"systemusers({me})", {"isdisabled": True}).status_code == 204
    assert "disabled" in refused(client)


def test_a_local_currency_that_was_changed_after_the_set_up_is_told_and_the_default_set_up_mends_it(
    client: Client, alice: User, mapped: CRMConnection
) -> None:
    client.force_login(alice)

    def said() -> str:
        return html.unescape(client.get("/connection/preflight/currencies/").content.decode())

    told = "The mappings take NOK for the local currency, which is SEK by now: amounts would be wrong."
    assert told not in said()
    client.post("/company/", {"company_name": "Northwind Traders", "lcy_code": "SEK", "experience": "Suite"})
    assert told in said()
    assert "Exchange rates are sent as units per SEK" in said()
    seen = re.findall(r'name="seen" value="(\w+)"', client.get("/connection/defaults/").content.decode())
    client.post("/connection/defaults/", {"seen": seen[0]})
    assert "for the local currency" not in said()
    assert "Exchange rates are sent" not in said()
    client.post("/company/", {"company_name": "Northwind Traders", "lcy_code": "NOK", "experience": "Suite"})
    assert "The mappings take SEK for the local currency, which is NOK by now" in said()


def test_an_unknown_base_currency_is_told_on_the_page_with_its_fix(
    client: Client, alice: User, connection: CRMConnection, sandbox: SandboxProcess
) -> None:
    CompanySettings.objects.create(company_name="Northwind Traders", lcy_code="ISK")
    install_defaults("ISK", "NOK")
    client.force_login(alice)
    page = html.unescape(client.get("/connection/preflight/?whole").content.decode())
    assert "Dynamics CRM does not know the local currency ISK." in page
    assert "Add ISK to the currencies of Dynamics CRM" in page
    assert sandbox.calls()["writes"] == 0
