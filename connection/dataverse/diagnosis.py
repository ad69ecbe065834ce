"""Says which of our errors an answer of the CRM, or a failed connection, is (dataverse-web-api.md 9).

Pure: takes what came back and returns the error; raising it is the caller's business.
"""

import json
import re
import ssl
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import requests
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ReadTimeoutError

from connection.dataverse import errors
from connection.errors import CRMBridgeError, RetryLater, Text

# The code decides where the CRM gives one: the same status carries many causes (dataverse-web-api.md 9.2).
CODES: Mapping[str, type[CRMBridgeError]] = {
    "0x80040217": errors.RowMissing,
    "0x80060891": errors.RowMissing,
    "0x80040237": errors.DuplicateKey,
    "0x80060892": errors.DuplicateKey,
    "0x80060882": errors.VersionMismatch,
    "0x80040333": errors.RowRefused,
    "0x80040227": errors.RowRefused,
    "0x80040231": errors.RowRefused,
    "0x80048306": errors.RowRefused,
    "0x80040265": errors.RowRefused,
    "0x80044331": errors.RowRefused,
    "0x8004432f": errors.RowRefused,
    "0x80044330": errors.RowRefused,
    "0x8004431a": errors.RowRefused,
    "0x80048408": errors.RowRefused,
    "0x80040203": errors.RowRefused,
    "0x80040200": errors.RowRefused,
    "0x8006089d": errors.RowRefused,
    "0x8004f90a": errors.RowRefused,
    "0x8004f995": errors.RowRefused,
    "0x80061035": errors.RowRefused,
    "0x80043b08": errors.RowRefused,
    "0x80043b0d": errors.RowRefused,
    "0x80043afa": errors.RowRefused,
    "0x80048cee": errors.RowRefused,
    "0x80048cf3": errors.RowRefused,
    "0x80060888": errors.MappingFault,
    "0x80048d19": errors.MappingFault,
    "0x80041103": errors.MappingFault,
    "0x80041102": errors.MappingFault,
    "0x80060890": errors.MappingFault,
    "0x8006088f": errors.MappingFault,
    "0x8006088d": errors.MappingFault,
    "0x80040220": errors.PrivilegeMissing,
    "0x80048405": errors.PrivilegeMissing,
    "0x80042f09": errors.NoRoles,
    "0x80040225": errors.UserDisabled,
    "0x80072560": errors.NotAMember,
    "0x80072322": errors.Throttled,
    "0x80072321": errors.Throttled,
    "0x80072326": errors.Throttled,
    "0x8005f103": errors.Throttled,
    "0x8004a001": errors.ServiceUnavailable,
    "0x80071151": errors.SolutionBusy,
    "0x80044151": errors.ServerFault,
    "0x80040216": errors.ServerFault,
    "0x80040224": errors.ServerFault,
    "0x80044352": errors.DeltaExpired,
    "0x80072491": errors.ChangeTrackingOff,
}

STATUSES: Mapping[int, type[CRMBridgeError]] = {
    400: errors.RowRefused,
    401: errors.SignInRefused,
    403: errors.PrivilegeMissing,
    404: errors.RowMissing,
    405: errors.RowRefused,
    408: errors.ServiceUnavailable,
    409: errors.RowRefused,
    412: errors.VersionMismatch,
    413: errors.PayloadTooLarge,
    429: errors.Throttled,
    500: errors.ServerFault,
    502: errors.ServiceUnavailable,
    503: errors.ServiceUnavailable,
    504: errors.ServiceUnavailable,
}


class Wording(NamedTuple):
    """How a message of the CRM reads in plain words: `text` may use the named groups of `pattern`."""

    pattern: re.Pattern[str]
    text: Text


_WORDINGS = [
    Wording(
        re.compile(r"length of the '(?P<column>\w+)' attribute.*maximum allowed length of '(?P<limit>\d+)'"),
        _("The text in “{column}” is too long: Dynamics CRM accepts at most {limit} characters."),
    ),
    Wording(re.compile(r"missing (?P<privilege>prv\w+) privilege"), _("The synchronization user lacks “{privilege}”.")),
    Wording(re.compile(r"property named '(?P<column>[^']+)'"), _("Dynamics CRM has no column “{column}”.")),
    Wording(re.compile(r"attribute with Name = '(?P<column>[^']+)'"), _("Dynamics CRM has no column “{column}”.")),
    Wording(re.compile(r"undeclared property '(?P<column>[^']+)'"), _("Dynamics CRM has no relation “{column}”.")),
    Wording(re.compile(r"for the segment '(?P<table>[^']+)'"), _("Dynamics CRM has no table “{table}”.")),
]


class Complaint(NamedTuple):
    """The `{"error": {"code", "message"}}` of an answer; both empty where the body is something else."""

    code: str
    message: str


def complaint_in(content: bytes) -> Complaint | None:
    """What the CRM complains about, or None where the body is not a Dataverse error (dataverse-web-api.md 9.1)."""
    try:
        error = json.loads(content)["error"]
        return Complaint(str(error["code"]).lower(), str(error["message"]))
    except (ValueError, KeyError, TypeError):
        return None


def is_refusal(status: int, content: bytes) -> bool:
    """Whether an answer with a status of 400 or above says that the request was not carried out.

    Above 499, and for a time-out, only the CRM's own code says so: gateways have errors in JSON too.
    """
    complaint = complaint_in(content)
    return (status < 500 and status != 408) or (complaint is not None and complaint.code.startswith("0x8"))


def from_answer(status: int, headers: Mapping[str, str], content: bytes) -> CRMBridgeError:
    """The error that an answer with a status of 400 or above stands for."""
    complaint = complaint_in(content) or Complaint("", "")
    kind = _kind(status, complaint)
    technical = f"HTTP {status} {complaint.code} {complaint.message or _excerpt(content)} [{_request_id(headers)}]"
    if issubclass(kind, RetryLater):
        pause = retry_after(headers)
        return kind(_words(kind, complaint), technical=technical, code=complaint.code, retry_after=pause)
    return kind(_words(kind, complaint), technical=technical, code=complaint.code)


def _kind(status: int, complaint: Complaint) -> type[CRMBridgeError]:
    if complaint.code in CODES:
        return CODES[complaint.code]
    if status in (400, 410) and re.search(r"(?i)delta\s*token|version stamp", complaint.message):
        return errors.DeltaExpired
    if not complaint.message and status in (400, 403, 404, 405, 412):
        return errors.NotDataverse
    return STATUSES.get(status, errors.ServerFault if status >= 500 else errors.RowRefused)


def _words(kind: type[CRMBridgeError], complaint: Complaint) -> Text | None:
    for pattern, text in _WORDINGS:
        if match := pattern.search(complaint.message):
            return format_lazy(text, **match.groupdict())
    if kind is errors.RowRefused and complaint.message:
        return format_lazy("{} {}", _("Dynamics CRM does not accept the record:"), complaint.message)
    return None


def _excerpt(content: bytes) -> str:
    return content[:200].decode("utf-8", "replace")


def _request_id(headers: Mapping[str, str]) -> str:
    """The name under which Microsoft's support finds the request (dataverse-web-api.md 1.4)."""
    return headers.get("x-ms-service-request-id") or headers.get("REQ_ID") or headers.get("x-ms-request-id") or "-"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until the CRM wants to be asked again; the header holds seconds or a date (RFC 9110 10.2.3)."""
    value = headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - timezone.now()).total_seconds())
    except (TypeError, ValueError):
        return None


def from_exception(failure: requests.RequestException | HTTPError, *, repeatable: bool) -> CRMBridgeError:
    """The error that a failed exchange stands for. What fails after the connection is there may have been carried out.

    `repeatable` tells whether the request was a read: a lost answer to a write is an `OutcomeUnknown` (I1).
    """
    causes = list(_causes(failure))
    technical = f"{type(failure).__name__}: {failure}"
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate(cause)
    if any(isinstance(cause, NameResolutionError) for cause in causes):
        return errors.Unreachable(_("The server name is unknown: the address may be misspelt."), technical=technical)
    if isinstance(failure, requests.ConnectTimeout) or any(isinstance(cause, NewConnectionError) for cause in causes):
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            return errors.Unreachable(_("The server at this address does not speak https."), technical=technical)
        return errors.Unreachable(_("No server answers at the address of Dynamics CRM."), technical=technical)
    if repeatable and any(isinstance(cause, ReadTimeoutError) for cause in causes):
        return errors.TimedOut(technical=technical)
    if repeatable:
        return errors.ServiceUnavailable(_("Dynamics CRM did not answer in time."), technical=technical)
    return errors.OutcomeUnknown(technical=technical)


# OpenSSL's verify codes: 10 expired, 62/64 made out for another name/IP, 18 to 21 issued by somebody we do not know.
_CERTIFICATES: Mapping[int, tuple[Text, Text]] = {
    10: (
        _("The certificate of the Dynamics CRM server has expired."),
        _("Ask whoever runs the server to renew its certificate."),
    ),
    62: (
        _("The certificate of the server is made out for another name than the address."),
        _("Check the address; if it is right, ask whoever runs the server for a matching certificate."),
    ),
    18: (
        _("The certificate of the server was issued by an authority that this computer does not know."),
        _("If your network has its own authority, name its file in REQUESTS_CA_BUNDLE; otherwise check the address."),
    ),
}
_CERTIFICATE_KINDS = {10: 10, 62: 62, 64: 62, 18: 18, 19: 18, 20: 18, 21: 18}


def _certificate(cause: ssl.SSLCertVerificationError) -> CRMBridgeError:
    kind = _CERTIFICATE_KINDS.get(cause.verify_code)
    text, fix = _CERTIFICATES[kind] if kind else (None, None)
    return errors.CertificateRefused(text, fix=fix, technical=cause.verify_message)


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """`failure` and everything it wraps: requests and urllib3 nest causes in arguments, reasons and contexts."""
    seen: set[int] = set()
    waiting: list[object] = [failure]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
