"""Who may ask the published web services: the user whom the set-up names, with his access key (S47, S49)."""

from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BasicAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request

from connection.errors import Text
from connection.models import CRMConnection
from crmbridge.signin import FailedAttempts
from financials.models import WebServiceKey

NOT_NAMED: Final = _(
    "This user is not the OData web service user of the connection, or item availability is switched off there."
)
BAD_KEY: Final = _(
    "The user name or the web services access key is wrong, or the key was changed or has expired. "
    "Change Web Service Key on the user's page makes a new one."
)


class WebServiceAuthentication(BasicAuthentication):
    """Basic authentication with user name and web services access key; passwords open nothing here."""

    www_authenticate_realm = "crmbridge web services"

    def authenticate_credentials(
        self, userid: str, password: str, request: Request | None = None
    ) -> tuple[User | AnonymousUser, Any]:
        """User and key. The right key is always let in: it is 256 random bits, which no lock-out has to protect.

        Raises:
            Throttled: too many wrong keys came for this user from there.
            AuthenticationFailed: name or key is wrong, or the key is an old one.
            PermissionDenied: the set-up names another user, or item availability is off.
        """
        key = WebServiceKey.standing_for(userid, password)
        if key is None:
            raise _refused(userid, request.META.get("REMOTE_ADDR", "") if request else "")
        connection = CRMConnection.current()
        if connection is None or not connection.is_item_availability_on or connection.odata_user_id != key.user_id:
            raise PermissionDenied(NOT_NAMED, code="not_the_odata_user")
        return key.user, key


def _refused(userid: str, address: str) -> APIException:
    """The answer to a wrong key; how many came is counted, so that nobody fills log and database with guesses."""
    failed = FailedAttempts(f"web service {userid}", address)
    if failed.are_too_many:
        return Throttled(wait=FailedAttempts.WINDOW)
    failed.add()
    WebServiceKey.note_refusal(userid)
    return AuthenticationFailed(BAD_KEY, code="bad_web_service_key")


def user_numbered(number: str) -> User | None:
    """The user whom a list to choose from sends as NUMBER; None for anything else that is sent."""
    try:
        return User.objects.filter(pk=number).first()
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class AvailabilityStep:
    """One of the two steps of item availability (S48): done or missing, and where it is done."""

    title: Text
    is_done: bool
    state: Text
    address: str


def availability_steps(user: User | None) -> tuple[AvailabilityStep, AvailabilityStep]:
    """The steps with their state, with USER (or nobody yet) as the OData web service user. Neither works alone."""
    key = WebServiceKey.objects.filter(user=user).select_related("user").first() if user else None
    card = reverse("users:card", args=[user.pk]) if user else reverse("users:list")
    named = AvailabilityStep(
        _("Name the OData web service user."),
        user is not None,
        str(user) if user else _("No user is named yet."),
        card,
    )
    return AvailabilityStep(_("Change Web Service Key on the user's page."), _works(key), _key_state(key), card), named


def refusal_to_enable(user: User | None) -> Text | None:
    """Why item availability cannot be switched on with USER as the OData web service user (S45); None where it can."""
    if user is None:
        return _("Name the OData web service user first.")
    key = WebServiceKey.objects.filter(user=user).select_related("user").first()
    return None if key is not None and key.is_valid else _key_state(key)


def _works(key: WebServiceKey | None) -> bool:
    return key is not None and key.is_valid and not key.is_refused


def _key_state(key: WebServiceKey | None) -> Text:
    if key is None:
        return _("The user has no web services access key. Choose Change Web Service Key on the user's page.")
    if not key.is_valid:
        return _("The web services access key has expired, or the user is not active.")
    if key.is_refused:
        return _("The last call was refused, because it brought an old or wrong key. Enter the present key in the CRM.")
    return _("The user has a web services access key.")
