"""The users of the demo, with passwords that are made for one demo and shown once."""

import secrets

from django.contrib.auth.models import Group, User

from crmbridge.groups import ADMINISTRATORS, USERS, VIEWERS

GROUPS = {"admin": ADMINISTRATORS, "business": USERS, "viewer": VIEWERS}


def create_users() -> dict[str, str]:
    """`admin`, who may do everything, `business`, who couples and synchronizes, and `viewer`, who looks.

    Returns their new passwords by user name.
    """
    passwords = {name: secrets.token_urlsafe(9) for name in GROUPS}
    for name, group in GROUPS.items():
        user, _made = User.objects.get_or_create(username=name)
        user.set_password(passwords[name])
        user.is_staff = user.is_superuser = name == "admin"
        user.save()
        user.groups.set([Group.objects.get(name=group)])
    return passwords
