"""Which addresses we send credentials to."""

import pytest
from pytest_django import Settings

from connection.dataverse.address import crm_address, is_microsoft_login, login_address, same_origin
from connection.dataverse.errors import AddressRefused


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("https://acme.crm4.dynamics.com", "https://acme.crm4.dynamics.com"),
        (" https://ACME.crm4.dynamics.com/main.aspx?appid=1 ", "https://acme.crm4.dynamics.com"),
        ("acme.api.crm.dynamics.com", "https://acme.api.crm.dynamics.com"),
        ("https://acme.crm99.dynamics.com/", "https://acme.crm99.dynamics.com"),
        ("https://acme.crm.microsoftdynamics.us", "https://acme.crm.microsoftdynamics.us"),
        ("https://acme.crm.appsplatform.us", "https://acme.crm.appsplatform.us"),
        ("https://acme.crm.dynamics.cn", "https://acme.crm.dynamics.cn"),
    ],
)
def test_environments_of_every_cloud(typed: str, address: str) -> None:
    assert crm_address(typed) == address


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("http://acme.crm4.dynamics.com", "http://"),
        ("https://user:pass@acme.crm4.dynamics.com", "user name"),
        ("https://evil.example", "not the address of a Dynamics CRM"),
        ("https://acme.crm4.dynamics.com.evil.example", "not the address of a Dynamics CRM"),
        ("https://crm4.dynamics.com", "not the address of a Dynamics CRM"),
        ("https://acme.crm4.dynamics.com:8443", "not the address of a Dynamics CRM"),
        ("https://acmecrm4.dynamics.com", "not the address of a Dynamics CRM"),
        ("https://169.254.169.254", "not the address of a Dynamics CRM"),
        ("ftp://acme.crm4.dynamics.com", "not a web address"),
        ("https://acme.crm4.dynamics.com:port", "not a web address"),
        ("https://acme.crm4.dynamics.com:99999", "not a web address"),
        ("https://[::1", "not a web address"),
        ("https://[::1]", "not the address of a Dynamics CRM"),
        ("https://2130706433", "not the address of a Dynamics CRM"),
        ("https://0x7f.1", "not the address of a Dynamics CRM"),
        ("https://acme\uff0ecrm4.dynamics.com", "not"),
        ("https://acme.crm4.dynamics.com\\@evil.example", "user name"),
        ("https://evil.example\\@acme.crm4.dynamics.com", "user name"),
        ("https://acme.crm4.dynamics.com\\.evil.example", "not the address of a Dynamics CRM"),
        ("", "not a web address"),
    ],
)
def test_anything_else_is_refused_with_its_own_reason(typed: str, word: str) -> None:
    with pytest.raises(AddressRefused, match=word):
        crm_address(typed)


def test_the_operator_may_allow_more(settings: Settings) -> None:
    settings.EXTRA_CRM_HOSTS = ["localhost", "sandbox.example:8443"]
    assert crm_address("https://localhost:4711") == "https://localhost:4711"
    assert crm_address("https://sandbox.example:8443") == "https://sandbox.example:8443"
    with pytest.raises(AddressRefused):
        crm_address("https://sandbox.example:9999")


@pytest.mark.parametrize(
    ("address", "login"),
    [
        ("https://acme.crm4.dynamics.com", "https://login.microsoftonline.com"),
        ("https://acme.crm.microsoftdynamics.us", "https://login.microsoftonline.us"),
        ("https://acme.crm.dynamics.cn", "https://login.chinacloudapi.cn"),
    ],
)
def test_every_cloud_has_its_login(address: str, login: str) -> None:
    assert login_address(address) == login


def test_the_secret_goes_to_no_other_login(settings: Settings) -> None:
    for login in ("https://login.evil.example", "https://login.microsoftonline.com\\.evil.example", "https://[::1"):
        with pytest.raises(AddressRefused):
            login_address("https://acme.crm4.dynamics.com", login)
    assert is_microsoft_login("https://login.microsoftonline.com/tenant/oauth2/v2.0/token")
    assert not is_microsoft_login("https://evil.example\\@login.microsoftonline.com/token")
    assert not is_microsoft_login("http://login.microsoftonline.com/token")


def test_origins() -> None:
    assert same_origin("https://a.example/x", "https://A.example:443/y")
    assert not same_origin("https://a.example", "http://a.example")
    assert not same_origin("https://a.example", "https://a.example:444")
