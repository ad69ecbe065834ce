"""Settings of crmbridge, all from the environment; with none set, everything runs on SQLite in `var/`.

The variables are listed in README.md, "Configuring".
"""

import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from cryptography.fernet import Fernet
from django.core.management.utils import get_random_secret_key
from django.utils.translation import gettext_lazy as _

from crmbridge.environment import installation_id, optional_secret, secret

# Lets views and admins name their model as `ListView[Customer]` at run time too.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

PRODUCTION = env.str("CRMBRIDGE_ENV", "development") == "production"
DEBUG = env.bool("DEBUG", False) and not PRODUCTION
VAR_DIR = Path(env.str("CRMBRIDGE_VAR", str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)

SECRET_KEY = secret("SECRET_KEY", folder=VAR_DIR, generate=get_random_secret_key, production=PRODUCTION)
# Comma-separated Fernet keys: the first encrypts, all decrypt. Apart from SECRET_KEY, so that either can change alone.
FERNET_KEYS = secret(
    "CRMBRIDGE_FERNET_KEYS", folder=VAR_DIR, generate=lambda: Fernet.generate_key().decode(), production=PRODUCTION
).split(",")

ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]", "testserver"]
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
_GIVEN_ADDRESS = env.str("CRMBRIDGE_SITE_ADDRESS", "")
SITE_ADDRESS = _GIVEN_ADDRESS or "http://localhost:8000"

# A database that was enabled by another installation is a copy, and makes no call to the CRM. All machines of an
# installation have the same name: in production that of the site, unless they are told another. A name that nobody
# gave would be the same everywhere.
INSTALLATION_NAME = env.str("CRMBRIDGE_INSTALLATION", "") or (_GIVEN_ADDRESS if PRODUCTION else "")
INSTALLATION = installation_id(INSTALLATION_NAME, VAR_DIR)

# What a Prometheus server shows at /metrics; empty lets in only people who may see synch jobs.
METRICS_TOKEN = optional_secret("CRMBRIDGE_METRICS_TOKEN")

# Addresses outside *.dynamics.com and its sovereign clouds that a connection may name (the sandbox, tests).
EXTRA_CRM_HOSTS = env.list("CRMBRIDGE_EXTRA_CRM_HOSTS", default=[])
# Where `manage.py sandbox --data var/sandbox` says how it is reached; the set-up guide offers it.
SANDBOX_FILE = VAR_DIR / "sandbox" / "sandbox.json"

INSTALLED_APPS = [
    "crmbridge.apps.CrmbridgeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_q",
    "django_htmx",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "crmbridge.apps.CrmbridgeConfig",
    "connection",
    "coupling",
    "sync",
    "financials",
    "sandbox",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "crmbridge.middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "crmbridge.experience.SuiteOnly",
    "connection.lane.SomebodyWaits",
]

ROOT_URLCONF = "crmbridge.urls"
WSGI_APPLICATION = "crmbridge.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "crmbridge.context.frame",
            ]
        },
    }
]


def _database() -> dict[str, Any]:
    """SQLite in WAL mode with immediate transactions, or what DATABASE_URL names.

    Django's defaults lose writes to "database is locked" on SQLite and reconnect at every poll of the task queue.
    """
    settings: dict[str, Any] = dict(env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'crmbridge.sqlite3'}"))
    if settings["ENGINE"] == "django.db.backends.sqlite3":
        options = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
        return settings | {"CONN_MAX_AGE": None, "OPTIONS": options}
    return settings | {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", "")
CACHES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# retry > timeout * (ceil((queue_limit + bulk) / workers) + 1), or a slow task is delivered twice while it still runs.
Q_CLUSTER: dict[str, Any] = {
    "name": "crmbridge",
    "workers": 2,
    "queue_limit": 2,
    "bulk": 1,
    "poll": 0.5,
    "timeout": 180,
    "retry": 900,
    "ack_failures": True,
    "max_attempts": 1,
    "catch_up": False,
    "save_limit": 0,
    "recycle": 200,
    "label": "Task queue",
    "log_level": "INFO",
} | ({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"})

# How often a mapping that sleeps asks the CRM for changes.
PROBE_SECONDS = env.int("CRMBRIDGE_PROBE_SECONDS", 10)

# A full synchronization of a table with at least twice as many records is shared by all workers that are free, in parts
# of this size, unless it is 0. Each costs a few queries more; smaller ones end more evenly.
RANGE_SIZE = env.int("CRMBRIDGE_RANGE_SIZE", 2000)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = env.str("CRMBRIDGE_LANGUAGE", "en")
LANGUAGES = [("en", _("English")), ("nb", _("Norwegian Bokmål"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.str("TIME_ZONE", "Europe/Oslo")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION
if not PRODUCTION:
    # Nobody collects them there.
    warnings.filterwarnings("ignore", "No directory at", UserWarning)

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "crmbridge.apikeys.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["crmbridge.permissions.ModelPermissions"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "crmbridge.pages.Pages",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": env.str("CRMBRIDGE_API_RATE", "1200/min")},
    "EXCEPTION_HANDLER": "crmbridge.api_errors.clear_errors",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "crmbridge",
    "DESCRIPTION": (
        "Everything that the pages do: set up, couple, synchronize, and follow how it goes. Programs send an API key, "
        "which an administrator makes under Administration, API keys: `Authorization: Api-Key …`. "
        "Errors carry `detail` for people and `code` for programs."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"defaultModelsExpandDepth": 0, "deepLinking": True, "filter": True},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# How notifications leave by e-mail; without EMAIL_URL they do not. `sync.digest` says who gets them.
SENDS_MAIL = bool(env.str("EMAIL_URL", ""))
vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("CRMBRIDGE_MAIL_FROM", f"crmbridge@{urlsplit(SITE_ADDRESS).hostname}")
NOTIFY = env.list("CRMBRIDGE_NOTIFY", default=[])

X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = PRODUCTION and env.bool("SECURE_SSL_REDIRECT", True)
# Load balancers ask them from inside, where there is no https.
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31_536_000 if PRODUCTION else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
if env.bool("BEHIND_PROXY", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DEFAULT_EXCEPTION_REPORTER = "connection.reports.MaskedReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "connection.reports.MaskedVariables"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {
        "secrets": {"()": "connection.masking.SecretFilter"},
        "once_a_minute": {"()": "crmbridge.log_filters.OnceAMinute"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["secrets"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    # urllib3 would log addresses with query strings at DEBUG; the client logs what is worth knowing.
    "loggers": {
        "urllib3": {"level": "WARNING"},
        "msal": {"level": "WARNING"},
        # While its broker is away, the task queue says so twenty times a second.
        "django-q": {"filters": ["once_a_minute"]},
    },
}
