"""All settings. Every variable read here stands, with its default, in ``.env.example``."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue

from photo_album.env import Environment
from photo_album.logs import describe_logging, passwords_of

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(BASE_DIR / ".env")

# Paths
VAR_DIR = env.folder("PHOTO_ALBUM_VAR_DIR", BASE_DIR / "var")
MEDIA_ROOT = env.folder("MEDIA_ROOT", VAR_DIR / "media")
MODELS_CACHE_DIR = env.folder("MODELS_CACHE_DIR", BASE_DIR / "models_cache")
STATIC_ROOT = env.folder("STATIC_ROOT", VAR_DIR / "static")
FILE_UPLOAD_TEMP_DIR = VAR_DIR / "spool"  # not /tmp, which on small machines lies in memory
for _folder in (VAR_DIR, STATIC_ROOT, FILE_UPLOAD_TEMP_DIR):
    _folder.mkdir(mode=0o750, parents=True, exist_ok=True)


def _kept_secret(path: Path) -> str:
    """The generated key of this installation: made once, readable by its owner only."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key := secrets.token_urlsafe(50))
    return key


# Security
DEBUG = env.boolean("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY", "") or _kept_secret(VAR_DIR / "secret_key")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", [])
BEHIND_TLS = env.boolean("BEHIND_TLS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Apps
INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # its pages are loaded with the URLs: workers need none
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_celery_beat",
    "django_htmx",
    "album",  # before allauth, whose pages it draws
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "album.web.middleware.Grants",
    "allauth.account.middleware.AccountMiddleware",
    "album.web.preferences.PreferencesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "album.web.middleware.ContentSecurityPolicy",
]
ROOT_URLCONF = "photo_album.urls"
WSGI_APPLICATION = "photo_album.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["album.web.addresses", "album.web.furniture"],
            "libraries": {"entrance": "album.web.entrance"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "album:timeline"
LOGOUT_REDIRECT_URL = "login"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Database
DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'photo_album.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # FULL: with NORMAL a power cut lost every commit since the last checkpoint. IMMEDIATE: two writers that
    # both begin as readers lock each other out. The first 256 MB are read as memory that all
    # processes share. See docs/decisions/0003-sqlite.md.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; "
        "PRAGMA cache_size=-8000; PRAGMA mmap_size=268435456;",
    }
    # Connections stay open: the last one to close takes the files of the log along, and on a full volume nobody
    # can make them again, not even to read.
    DATABASES["default"]["CONN_MAX_AGE"] = None
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A machine that vanishes in a transaction must not keep its locks: by themselves, both ends wait for hours.
    _patience = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
    _patience["idle_in_transaction_session_timeout"] = 120_000  # milliseconds, as the next one
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 10,
        "tcp_user_timeout": 60_000,
        "options": " ".join(f"-c {name}={value}" for name, value in _patience.items()),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        **DATABASES["default"].get("OPTIONS", {}),
    }

# Storage
MEDIA_URL = "media/"
STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "photo_album.static_files.CollectedFiles"},
}
WHITENOISE_USE_FINDERS = True
# Where nginx has the files of MEDIA_ROOT for itself, such as "/protected/". Empty: they are sent from here.
X_ACCEL_REDIRECT_PREFIX = env.text("X_ACCEL_REDIRECT_PREFIX", "")
UPLOAD_MAX_BYTES = env.integer("UPLOAD_MAX_MB", 4096, 1, 1_000_000) * 1_000_000
DATA_UPLOAD_MAX_NUMBER_FILES = 1000  # in one request; Django stops at 100
TRASH_DAYS = env.integer("TRASH_DAYS", 30, 1, 3650)

# Backups: see docs/backup.md
BACKUP_DIR = env.folder("BACKUP_DIR", VAR_DIR / "backups")
BACKUP_KEEP = env.integer("BACKUP_KEEP", 14, 1, 3650)

# Decoding of files that strangers made: one file at a time in a child process with these limits.
DECODE_TIMEOUT_S = env.integer("DECODE_TIMEOUT_S", 60, 5, 3600)
DECODE_MEMORY_MB = env.integer("DECODE_MEMORY_MB", 700, 200, 64_000)

# Images from other sites: only HTTPS, only from these hosts.
ALLOWED_EXTERNAL_IMAGE_HOSTS = env.words("ALLOWED_EXTERNAL_IMAGE_HOSTS", [])
EXTERNAL_IMAGE_MAX_BYTES = env.integer("EXTERNAL_IMAGE_MAX_MB", 50, 1, 10_000) * 1_000_000

# Map: without tiles it draws the world from a file of its own, and asks nobody.
MAP_TILES_URL = env.tiles("MAP_TILES_URL")
MAP_ATTRIBUTION = env.text("MAP_ATTRIBUTION", "")

# Jobs API
JOB_MAX_BYTES = env.integer("JOB_MAX_MB", 50, 1, 1_000_000) * 1_000_000
JOBS_PER_HOUR = env.integer("JOBS_PER_HOUR", 600, 1, 1_000_000)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "album.api.authentication.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "album.api.authentication.KeyMay",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "album.api.negotiation.OneRenderer",
    "EXCEPTION_HANDLER": "album.api.errors.answer_error",
    "DEFAULT_SCHEMA_CLASS": "album.api.schema.Schema",
}
API_READS_PER_MINUTE = env.integer("API_READS_PER_MINUTE", 1200, 1, 1_000_000)
API_WRITES_PER_MINUTE = env.integer("API_WRITES_PER_MINUTE", 300, 1, 1_000_000)
SPECTACULAR_SETTINGS = {
    "TITLE": "Photo Album",
    "DESCRIPTION": "Photos, videos, albums, search and batches, for programs. How to use it: docs/api.md.",
    "VERSION": "1",
    "COMPONENT_SPLIT_REQUEST": False,
    "POSTPROCESSING_HOOKS": [],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "key": {"type": "http", "scheme": "bearer", "description": "docs/accounts.md: keys for programs"},
            "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
        }
    },
}

# Accounts: see docs/accounts.md
REGISTRATION = env.choice("REGISTRATION", "closed", ("closed", "invite", "open"))
OIDC_NAME = env.text("OIDC_NAME", "")
OIDC_ISSUER = env.text("OIDC_ISSUER", "").removesuffix("/")
OIDC_CLIENT_ID, OIDC_CLIENT_SECRET = env.text("OIDC_CLIENT_ID", ""), env.text("OIDC_CLIENT_SECRET", "")
if OIDC_ISSUER and not (OIDC_CLIENT_ID and OIDC_CLIENT_SECRET):
    raise ImproperlyConfigured("OIDC_ISSUER is set: OIDC_CLIENT_ID and OIDC_CLIENT_SECRET are needed, too")
vars().update(env.mail("EMAIL_URL"))
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "photo-album@localhost")
AUTHENTICATION_BACKENDS = ["album.web.account_adapter.Members"]
SESSION_ENGINE = "photo_album.sessions"
SESSION_COOKIE_AGE = 60 * 86_400
# Limits of attempts live in the database: they survive restarts, hold for all processes, and need no Redis.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "album_cache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},  # at 300, Django's number, a flood of names would push limits out
    },
    "memory": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},  # of one process, lost with it
}
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if BEHIND_TLS else 0
ACCOUNT_ADAPTER = "album.web.account_adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # there may be no mail server
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_SESSION_REMEMBER = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Photo Album"
MFA_FORMS = {
    "add_webauthn": "album.web.passkey_forms.AddForm",
    "login_webauthn": "album.web.passkey_forms.LoginForm",
    "authenticate_webauthn": "album.web.passkey_forms.AuthenticateForm",
    "reauthenticate_webauthn": "album.web.passkey_forms.ReauthenticateForm",
}
USERSESSIONS_ADAPTER = "album.web.account_adapter.SessionsAdapter"
SOCIALACCOUNT_ADAPTER = "album.web.account_adapter.SocialAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True  # a form that leads to another site is against our Content-Security-Policy
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "sso",
                "name": OIDC_NAME or "OpenID Connect",
                "client_id": OIDC_CLIENT_ID,
                "secret": OIDC_CLIENT_SECRET,
                "settings": {"server_url": OIDC_ISSUER},
            }
        ]
        if OIDC_ISSUER
        else [],
    }
}

# Language and time
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("es", "Español"), ("fr", "Français")]
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
LOCALE_PATHS = [BASE_DIR / "album" / "locale"]  # before those of the apps: they have other words for the same
USE_I18N = USE_TZ = True

# Celery. Acknowledged early on purpose: with late acknowledgement a worker dies when Redis goes away, and the
# lease in the row already gives back what a dead worker held:
# see docs/decisions/0004-celery-is-a-doorbell.md.
LOCAL_REDIS, FILE_QUEUE = "redis://localhost:6379/0", "filesystem://localhost"
FILE_QUEUE_MARK = VAR_DIR / "filesystem-broker"  # there while choose_broker finds no Redis
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", FILE_QUEUE if FILE_QUEUE_MARK.exists() else LOCAL_REDIS)
CELERY_RESULT_BACKEND = CELERY_BROKER_URL if CELERY_BROKER_URL.startswith("redis") else LOCAL_REDIS
# One retry at once: by default a message is tried for 6 s while Redis is down, and the request of an upload too.
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "max_retries": 1,
    "interval_start": 0.1,
}
if CELERY_BROKER_URL.startswith("filesystem:"):
    # One folder for both directions, as kombu asks of processes on one machine.
    _queue_dir, _results_dir = VAR_DIR / "queue", VAR_DIR / "results"
    for _folder in (_queue_dir / "messages", _queue_dir / "control", _results_dir):
        _folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    CELERY_RESULT_BACKEND = f"file://{_results_dir}"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue_dir / "messages"),
        "data_folder_out": str(_queue_dir / "messages"),
        "control_folder": str(_queue_dir / "control"),
    }
CELERY_RESULT_BACKEND = env.text("CELERY_RESULT_BACKEND", CELERY_RESULT_BACKEND)
CELERY_RESULT_EXPIRES = 86_400
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_TIMEZONE = TIME_ZONE
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_SOFT_TIME_LIMIT = 300
CELERY_TASK_TIME_LIMIT = 360
CELERY_TASK_DEFAULT_QUEUE = "media"
# Two queues, and a worker for each (photo_album/celery_worker.py): nobody's preview waits behind what takes long.
WORKER_QUEUES = env.words("WORKER_QUEUES", ["media", "ai"])
if not WORKER_QUEUES or not {"media", "ai"}.issuperset(WORKER_QUEUES):
    raise ImproperlyConfigured(f"WORKER_QUEUES={','.join(WORKER_QUEUES)}: allowed are media and ai, or one of them")
# A worker that is started without -Q takes both.
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in ("media", "ai")]
CELERY_TASK_ROUTES = {  # everything else goes to "media"
    "album.tasks.process_pending_*": {"queue": "ai"},
    "album.tasks.process_photo_ai": {"queue": "ai"},
    "album.tasks.process_video_ai": {"queue": "ai"},
    "album.tasks.check_library": {"queue": "ai"},
    "album.tasks.restore_drill": {"queue": "ai"},
    "album.tasks.download_weights": {"queue": "ai"},
    "album.tasks.make_video_proxy": {"queue": "ai"},
}
CELERY_WORKER_CONCURRENCY = env.optional_integer("CELERY_WORKER_CONCURRENCY", 1, 64) or 1
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # as long as it takes; after 100 tries Celery would end
CELERY_WORKER_CONSUMER = "photo_album.celery_consumer:Consumer"
CELERY_BEAT_SCHEDULER = "photo_album.celery_scheduler:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5

# AI processing. The first start copies the AI_* values into the settings row; after that the row
# rules: /admin/album/aiprocessingsettings/.
AI_PROCESSING_ENABLED = env.boolean("AI_PROCESSING_ENABLED", True)
AI_AUTO_PROCESS_ON_UPLOAD = env.boolean("AI_AUTO_PROCESS_ON_UPLOAD", False)
AI_SCHEDULED_PROCESSING = env.boolean("AI_SCHEDULED_PROCESSING", True)
AI_BATCH_SIZE = env.optional_integer("AI_BATCH_SIZE", 20, 10_000)
AI_PROCESSING_TIMEOUT = env.optional_integer("AI_PROCESSING_TIMEOUT", 5, 86_400)
AI_SCHEDULE_HOUR = env.integer("AI_SCHEDULE_HOUR", 2, 0, 23)
AI_SCHEDULE_MINUTE = env.integer("AI_SCHEDULE_MINUTE", 0, 0, 59)
AI_PROFILE = env.choice("AI_PROFILE", "auto", ("auto", "minimal", "raspberry-pi", "mid-range", "high-end", "gpu"))
AI_LEASE_SECONDS = env.integer("AI_LEASE_SECONDS", 600, 5, 86_400)
AI_MAX_ATTEMPTS = env.integer("AI_MAX_ATTEMPTS", 3, 1, 20)

# For fault tests only: where a process kills itself (album/failpoints.py).
FAILPOINT = env.text("PHOTO_ALBUM_FAILPOINT", "")

# Logging: see docs/logs.md
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
METRICS_TOKEN = env.text("METRICS_TOKEN", "")
LOGGING = describe_logging(
    LOG_LEVEL,
    secrets=[
        *(SECRET_KEY, METRICS_TOKEN, OIDC_CLIENT_SECRET),
        *(str(DATABASES["default"].get("PASSWORD") or ""), str(vars().get("EMAIL_HOST_PASSWORD") or "")),
        *passwords_of(CELERY_BROKER_URL, CELERY_RESULT_BACKEND),
    ],
)

env.refuse_unknown()
