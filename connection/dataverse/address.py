"""Which addresses we send credentials to, since a user supplies them (libraries.md 4; dataverse-web-api.md 2.3)."""

import re
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from connection.dataverse.errors import AddressRefused

# By shape, not by a closed list: Microsoft adds regions.
_CRM_HOST = re.compile(
    r"([a-z0-9-]+\.){1,3}crm\d*\.(dynamics\.com|dynamics\.cn|microsoftdynamics\.us)|[a-z0-9-]+(\.api)?\.crm\.appsplatform\.us"
)
_AMBIGUOUS = re.compile(r"[\\\s\x00-\x20\x7f]|^[^/?#]*//[^/?#]*@")
_LOGIN_HOSTS = {
    "microsoftdynamics.us": "login.microsoftonline.us",
    "appsplatform.us": "login.microsoftonline.us",
    "dynamics.cn": "login.chinacloudapi.cn",
    "dynamics.com": "login.microsoftonline.com",
}
# The login server of China names a token endpoint on its second host.
_MICROSOFT_LOGINS = {*_LOGIN_HOSTS.values(), "login.partner.microsoftonline.cn"}


def crm_address(typed: str) -> str:
    """The address of the environment, `https://host[:port]`, from what a person typed or pasted.

    A missing `https://` is added, a path is dropped. Raises AddressRefused, saying why.
    """
    parts = _https(typed)
    if not (_CRM_HOST.fullmatch(parts.hostname or "") and parts.port is None) and not is_extra(parts):
        raise AddressRefused(_("This is not the address of a Dynamics CRM environment."), technical=parts.netloc)
    return f"https://{parts.netloc.lower()}"


def login_address(address: str, authority: str = "") -> str:
    """The login server for the environment at `address`: its cloud's, or `authority` where one is set.

    The login server receives the secret. Raises AddressRefused where it is not Microsoft's nor an allowed one.
    """
    if not authority:
        return f"https://{_LOGIN_HOSTS[_cloud(address)]}"
    parts = _https(authority)
    if parts.hostname not in _LOGIN_HOSTS.values() and not is_extra(parts):
        raise AddressRefused(_("This login server is not one of Microsoft's."), technical=parts.netloc)
    return f"https://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def is_microsoft_login(address: str) -> bool:
    """Whether `address` is on one of Microsoft's own login hosts."""
    parts = urlsplit(address)
    return not _is_ambiguous(address) and parts.scheme == "https" and parts.hostname in _MICROSOFT_LOGINS


def same_origin(one: str, other: str) -> bool:
    """Whether both addresses are the same scheme, host and port: only then may a token go to the other.

    An address that parsers read differently (`https://here\\@there`), or that carries a user name, is nobody's.
    """
    if _is_ambiguous(one) or _is_ambiguous(other):
        return False
    try:
        return _origin(one) == _origin(other)
    except ValueError:
        return False


def _is_ambiguous(address: str) -> bool:
    return _AMBIGUOUS.search(address) is not None


def _origin(address: str) -> tuple[str, str | None, int]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, _port(parts)


def is_extra(parts: SplitResult) -> bool:
    """Whether the operator allows this host, with or without its port (CRMBRIDGE_EXTRA_CRM_HOSTS)."""
    extra = {host.strip().lower() for host in settings.EXTRA_CRM_HOSTS}
    return bool(parts.hostname) and (parts.hostname in extra or f"{parts.hostname}:{_port(parts)}" in extra)


def _https(typed: str) -> SplitResult:
    parts = _split(typed.strip())
    if parts.scheme == "http":
        raise AddressRefused(
            _("The address begins with http://, which anyone on the way can read."),
            fix=format_lazy(_("Use the https address: https://{host}."), host=parts.hostname or ""),
        )
    if parts.scheme != "https" or not parts.hostname:
        raise AddressRefused(_("This is not a web address."))
    if parts.username or parts.password:
        raise AddressRefused(
            _("The address contains a user name or password."), fix=_("Remove everything before and including the @.")
        )
    return parts


def _split(typed: str) -> SplitResult:
    try:
        parts = urlsplit(typed if "://" in typed else f"https://{typed}")
        _port(parts)
    except ValueError:
        raise AddressRefused(_("This is not a web address.")) from None
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _cloud(address: str) -> str:
    host = urlsplit(address).hostname or ""
    return next((cloud for cloud in _LOGIN_HOSTS if host.endswith(f".{cloud}")), "dynamics.com")
