"""The product's settings for its tests: each of pytest-xdist's workers has a Redis database, and passwords hash fast.

A test empties the cache, and so would empty that of a test that runs beside it.
"""

import os
from urllib.parse import urlsplit, urlunsplit


def _own(redis: str) -> str:
    """The worker's database: the first worker has that which is named, the others have those after it."""
    parts = urlsplit(redis)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return urlunsplit(parts._replace(path=f"/{int(parts.path.strip('/') or 0) + worker}"))


if os.environ.get("REDIS_URL"):
    os.environ["REDIS_URL"] = _own(os.environ["REDIS_URL"])
# The programs that tests start are the product as it is.
os.environ["DJANGO_SETTINGS_MODULE"] = "crmbridge.settings"

from crmbridge.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each test client would read the headers of all static files, asked for or not.
WHITENOISE_AUTOREFRESH = True
