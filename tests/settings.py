"""The product's settings for its tests: passwords hash fast, and static files come from their sources."""

import os

# The programs that tests start are the product as it is.
os.environ["DJANGO_SETTINGS_MODULE"] = "crmbridge.settings"

from crmbridge.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each test client would read the headers of all static files, asked for or not.
WHITENOISE_AUTOREFRESH = True
