"""All settings; the only reader of the environment.

The variables are documented in docs/operating.md. Wrong combinations are system checks (nexus/checks.py);
a value that cannot be read at all stops the start here, with the variable's name.
"""

import ipaddress
import os
import secrets
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from nexus.fixed_settings import *  # noqa: F403

BASE_DIR = Path(__file__).resolve().parent.parent


def env_text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, default: bool = False) -> bool:
    text = env_text(name).lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    if text:
        raise ImproperlyConfigured(f"{name}={text!r}: write 1 or 0.")
    return default


def env_int(name: str, default: int) -> int:
    text = env_text(name)
    try:
        return int(text) if text else default
    except ValueError:
        raise ImproperlyConfigured(f"{name}={text!r}: write a whole number.") from None


def env_rate(name: str, default: int) -> int:
    rate = env_int(name, default)
    if rate < 1:
        raise ImproperlyConfigured(f"{name}={rate}: write how many calls a second are allowed, 1 or more.")
    return rate


def env_list(name: str) -> list[str]:
    return [item.strip() for item in env_text(name).split(",") if item.strip()]


def env_networks(name: str, default: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    text = os.environ.get(name, default)
    try:
        return [ipaddress.ip_network(item.strip()) for item in text.split(",") if item.strip()]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}. Write ranges such as 10.0.0.0/8, 192.168.1.0/24.") from None


# Where Nexus is
PORT = env_int("PORT", 8800)
NEXUS_HOST = env_text("NEXUS_HOST", "127.0.0.1")
NEXUS_BASE_URL = env_text("NEXUS_BASE_URL", f"http://localhost:{PORT}").rstrip("/")
_base = urlsplit(NEXUS_BASE_URL)
if _base.scheme not in ("http", "https") or not _base.hostname or _base.path or _base.query:
    raise ImproperlyConfigured(
        f"NEXUS_BASE_URL={NEXUS_BASE_URL!r}: write scheme and host, as in https://nexus.example.com"
    )
NEXUS_PRODUCTION = _base.scheme == "https"
NEXUS_DATA_DIR = Path(env_text("NEXUS_DATA_DIR", str(BASE_DIR / "var"))).absolute()
NEXUS_ADMIN_EMAIL = env_text("NEXUS_ADMIN_EMAIL", "admin@example.com")
NEXUS_TRUSTED_PROXIES = env_int("NEXUS_TRUSTED_PROXIES", 0)
NEXUS_METRICS_TOKEN = env_text("NEXUS_METRICS_TOKEN")
NEXUS_ALLOWED_ORIGINS = env_list("NEXUS_ALLOWED_ORIGINS")
NEXUS_ALLOWED_NETWORKS = env_networks("NEXUS_ALLOWED_NETWORKS", "" if NEXUS_PRODUCTION else "127.0.0.0/8,::1/128")
NEXUS_ACTIVITY = env_text("NEXUS_ACTIVITY", "required")
NEXUS_ACTIVITY_DAYS = env_int("NEXUS_ACTIVITY_DAYS", 90)
NEXUS_CLIENT_ID_DOCUMENTS = env_bool("NEXUS_CLIENT_ID_DOCUMENTS", NEXUS_PRODUCTION)
# Calls per second. The defaults are more than one process serves: what servers can bear, only their owner knows.
NEXUS_RATE_TOKEN = env_rate("NEXUS_RATE_TOKEN", 10_000)
NEXUS_RATE_TOOLKIT = env_rate("NEXUS_RATE_TOOLKIT", 20_000)
NEXUS_RATE_ACCOUNT = env_rate("NEXUS_RATE_ACCOUNT", 40_000)
NEXUS_RATE_REST = env_rate("NEXUS_RATE_REST", 600)  # requests a minute, of one person or key
NEXUS_SIGN_UP = env_text("NEXUS_SIGN_UP", "closed" if NEXUS_PRODUCTION else "open")
NEXUS_STDIO_SOCKET = NEXUS_DATA_DIR / "run" / "stdio.sock"
DEBUG = env_bool("NEXUS_DEBUG")


if not NEXUS_PRODUCTION or not env_text("DATABASE_URL"):
    # Sessions, mails and keys lie here: for this user alone.
    NEXUS_DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)


def secret_from_env_or_file(name: str) -> str:
    """Return the secret in the variable; where the base URL is not https, make one in the data directory."""
    value = env_text(name)
    if value:
        return value
    if NEXUS_PRODUCTION:
        raise ImproperlyConfigured(
            f"{name} is not set. Production (an https base URL) makes no keys by itself: "
            "set it to 50 random characters, the same for every process."
        )
    path = NEXUS_DATA_DIR / "keys" / name.lower()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        value = secrets.token_urlsafe(48)
        file.write(value)
    return value


SECRET_KEY = secret_from_env_or_file("NEXUS_SECRET_KEY")
# Encrypt what must be read again, such as upstream credentials. The newest first; older ones only read.
NEXUS_FIELD_KEYS = [key.strip() for key in secret_from_env_or_file("NEXUS_FIELD_KEYS").split(",") if key.strip()]

ALLOWED_HOSTS = [_base.hostname] if NEXUS_PRODUCTION else [_base.hostname, "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [NEXUS_BASE_URL]

INSTALLED_APPS = [
    "nexus",
    "profiles",
    "tokens",
    "activity",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "nexus.apps.NexusAdminConfig",  # django.contrib.admin, with a site of our own
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
    "csp",
]
MIDDLEWARE = [
    "nexus.middleware.client_address",
    "nexus.middleware.request_id",
    "nexus.middleware.request_log",
    "nexus.languages.by_browser",
    "tokens.oauth.cors.cross_origin",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "nexus.middleware.no_token_in_address",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "nexus.middleware.no_null_characters",
    "nexus.middleware.DatabaseDown",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "profiles.sessions.seen",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # a public view says so with login_not_required
    "nexus.languages.own",
    "nexus.middleware.time_zone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "nexus.middleware.signed_in_pages",
]
ROOT_URLCONF = "nexus.urls"
ASGI_APPLICATION = "nexus.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "profiles.context.portal",
                "tokens.context.portal",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# Databases. Embedded, calls have a file of their own, so that no sweep stalls the hub.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",  # docs/adr/0002: without it, two writers end in "database is locked"
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def sqlite_database(name: str) -> dict[str, object]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(NEXUS_DATA_DIR / name),
        "OPTIONS": dict(SQLITE_OPTIONS),
        "CONN_MAX_AGE": None,  # to open it again costs more than most requests ask of it
        "TEST": {"NAME": str(NEXUS_DATA_DIR / f"test-{name}")},
    }


DATABASE_URL = env_text("DATABASE_URL")
if DATABASE_URL:
    _database = environ.Env.db_url_config(DATABASE_URL)
    if _database["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must be a postgresql:// address; without it Nexus uses SQLite.")
    _database["OPTIONS"] = {**_database.get("OPTIONS", {}), "pool": {"min_size": 1, "max_size": 16, "timeout": 5}}
    _database["CONN_HEALTH_CHECKS"] = True  # else each kept connection fails one request after PostgreSQL was away
    DATABASES = {"default": _database}
else:
    DATABASES = {"default": sqlite_database("nexus.sqlite3"), "activity": sqlite_database("activity.sqlite3")}
    DATABASE_ROUTERS = ["activity.router.ActivityRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIGRATION_MODULES = {"oauth2_provider": None}  # all its models are ours (below); its history alone takes five seconds

# Queue and cache
REDIS_URL = env_text("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "nexus",
    }
    if REDIS_URL
    else {
        # Files would not do: the limits of sign-in need an add that only one of many wins.
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "nexus_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
# Counted for moments only. Without Redis each process counts for itself; embedded there is one.
LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}
CACHES["rates"] = CACHES["default"] if REDIS_URL else LOCAL
CELERY_QUEUE_DIR = NEXUS_DATA_DIR / "queue"
# Kombu has words of its own for a Redis on a socket.
_broker = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
CELERY_BROKER_URL = _broker or "nexusfs://"
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"global_keyprefix": "nexus-celery:", "visibility_timeout": 3600, "socket_timeout": 10}
    if REDIS_URL
    else {
        "data_folder_in": str(CELERY_QUEUE_DIR),
        "data_folder_out": str(CELERY_QUEUE_DIR),
        "control_folder": str(CELERY_QUEUE_DIR / "control"),
        "polling_interval": 0.5,
    }
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(NEXUS_DATA_DIR / "run" / "celerybeat-schedule")

# Mail: embedded, files that staff can read in the portal
EMAIL_URL = env_text("EMAIL_URL")
if EMAIL_URL:
    vars().update(environ.Env.email_url_config(EMAIL_URL))
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(NEXUS_DATA_DIR / "mail")
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env_text("NEXUS_MAIL_FROM", f"Nexus <nexus@{_base.hostname}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
EMAIL_SUBJECT_PREFIX = ""

# Sign-in
AUTH_USER_MODEL = "profiles.User"
AUTHENTICATION_BACKENDS = ["profiles.adapter.PeopleOnly"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "tokens.hashers.MachineSecretHasher",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "profiles.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "signup": "profiles.forms.SignUpForm",
    "reset_password_from_key": "profiles.forms_security.NewPasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 600
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _base.scheme
ALLAUTH_TRUSTED_PROXY_COUNT = NEXUS_TRUSTED_PROXIES

# Cookies and headers
SESSION_COOKIE_NAME = "__Host-session" if NEXUS_PRODUCTION else "nexus_session"
CSRF_COOKIE_NAME = "__Host-csrf" if NEXUS_PRODUCTION else "nexus_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = NEXUS_PRODUCTION
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
CSRF_FAILURE_VIEW = "nexus.views.csrf_failure"
# Pages with forms say same-origin in a <meta>: under "no-referrer" browsers send "Origin: null" with a form, which the
# CSRF check refuses.
SECURE_REFERRER_POLICY = "no-referrer"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # addresses are unique, whatever their case: a constraint of profiles.User
    "oauth2_provider.W008",  # native clients come back to http on loopback (RFC 8252 section 7.3)
]
if NEXUS_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
if NEXUS_PRODUCTION:
    SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds())
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    # TLS ends at the proxy; what reaches us in plain text is answered, not redirected: clients refuse redirects.
    SILENCED_SYSTEM_CHECKS += ["security.W008"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# OAuth server: stored by digest only, nothing implicit. The grants themselves are part of tokens/oauth/.
OAUTH2_PROVIDER_APPLICATION_MODEL = "tokens.Application"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "tokens.AccessToken"  # noqa: S105
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "tokens.RefreshToken"  # noqa: S105
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "tokens.IDToken"  # noqa: S105
OAUTH2_PROVIDER_GRANT_MODEL = "tokens.Grant"
OAUTH2_PROVIDER_DEVICE_GRANT_MODEL = "tokens.DeviceGrant"
OAUTH2_PROVIDER = {
    "OAUTH2_SERVER_CLASS": "tokens.oauth.server.NexusServer",
    "OAUTH2_BACKEND_CLASS": "tokens.oauth.server.NexusCore",
    "OAUTH2_VALIDATOR_CLASS": "tokens.oauth.validator.NexusValidator",
    "ALLOW_LOCALHOST_LOOPBACK": True,
    "SCOPES": {"mcp": "Call tools through the hub"},
    "DEFAULT_SCOPES": ["mcp"],
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "REFRESH_TOKEN_EXPIRE_SECONDS": int(timedelta(days=14).total_seconds()),
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ROTATE_REFRESH_TOKEN": True,
    "PKCE_REQUIRED": True,
    "OIDC_ISS_ENDPOINT": NEXUS_BASE_URL,
    "CLIENT_SECRET_HASHER": "nexus_sha256",
    "CIMD_ENABLED": NEXUS_CLIENT_ID_DOCUMENTS,
    "CIMD_METADATA_FETCHER": "tokens.oauth.documents.Fetcher",
    "CIMD_REGISTRATION_PERMISSION_CLASSES": ["tokens.oauth.documents.ReadWherePeopleDecide"],
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
}

# Language, time, static files
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "nexus" / "locale"]
LANGUAGE_COOKIE_NAME = "__Host-language" if NEXUS_PRODUCTION else "nexus_language"
LANGUAGE_COOKIE_AGE = int(timedelta(days=365).total_seconds())
LANGUAGE_COOKIE_HTTPONLY, LANGUAGE_COOKIE_SECURE, LANGUAGE_COOKIE_SAMESITE = True, NEXUS_PRODUCTION, "Lax"
FORMAT_MODULE_PATH = ["nexus.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static", ("guide", BASE_DIR / "docs" / "images")]
STATIC_ROOT = NEXUS_DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "nexus.static.ModuleManifestStorage"},
}
WHITENOISE_MAX_AGE = 3600

LOGGING_CONFIG = None  # nexus/logs.py configures structlog for every process
