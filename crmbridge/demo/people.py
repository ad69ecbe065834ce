"""The users of the demo, with passwords that are made for one demo and shown once."""

import secrets

from django.contrib.auth.models import Permission, User
from django.db.models import Q

SEEN_APPS = ("financials", "coupling", "sync", "connection")
CHANGED_MODELS = ("customer", "contact")


def create_users() -> dict[str, str]:
    """`admin`, who may do everything, and `business`, who sees all data and edits customers and contacts.

    Returns their new passwords by user name.
    """
    passwords = {name: secrets.token_urlsafe(9) for name in ("admin", "business")}
    admin = _user("admin", passwords["admin"])
    admin.is_staff = admin.is_superuser = True
    admin.save()
    _user("business", passwords["business"]).user_permissions.set(_business_permissions())
    return passwords


def _user(name: str, password: str) -> User:
    user, _ = User.objects.get_or_create(username=name)
    user.set_password(password)
    user.save()
    return user


def _business_permissions() -> list[Permission]:
    sees = Q(content_type__app_label__in=SEEN_APPS, codename__startswith="view_")
    changes = Q(content_type__app_label="financials", codename__in=[f"change_{name}" for name in CHANGED_MODELS])
    return list(Permission.objects.filter(sees | changes))
