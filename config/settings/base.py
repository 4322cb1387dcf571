"""Everything the environment can say, with its default and its reason. Other settings files import only this one."""

from pathlib import Path
from typing import Any

import environ
from csp.constants import NONCE, SELF

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()

# --- Django -----------------------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY", default="")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_PREVIOUS", default=[])  # opt-out links already sent
DEBUG = False
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "config.apps.AllerVersAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "import_export",
    "csp",
    "django_htmx",
    "campaigns",
    "outreach",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.typography.FrenchSpaces",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "campaigns.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

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
            ],
        },
    },
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# --- Language, time ---------------------------------------------------------------------------
LANGUAGE_CODE = "fr"
TIME_ZONE = env.str("TIME_ZONE", default="Europe/Paris")  # zone of the Caf; a recipient's own follows her commune
USE_I18N = True
USE_TZ = True

# --- Database and broker ----------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL", default="postgresql://postgres@localhost/aller_vers")
}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
REDIS_URL = env.str("REDIS_URL", default="redis://localhost:6379/0")

# --- Files ------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = Path(env.str("FILES_DIR", default=str(BASE_DIR / ".local" / "files")))  # uploaded import files
FILE_UPLOAD_PERMISSIONS = 0o600
IMPORT_FILES_DAYS = env.int("IMPORT_FILES_DAYS", default=7)  # an import file nobody decides about is erased after that
# Oppositions are also appended here, outside the database, and replayed after a restore of an old backup.
OPPOSITION_JOURNAL = Path(env.str("OPPOSITION_JOURNAL", default=str(BASE_DIR / ".local" / "oppositions.jsonl")))
# Each message is written here, outside the database, before it leaves: a database restored from an old backup is found
# out by it and sends nothing. One file a database, shared by all its senders.
_DATABASE_NAME = Path(str(DATABASES["default"]["NAME"])).name
SENDING_JOURNAL = Path(env.str("SENDING_JOURNAL", default=str(BASE_DIR / ".local" / f"sending-{_DATABASE_NAME}.jsonl")))
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True

# --- Celery: wake-ups only; the database says what is due ---------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = "UTC"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever: by default a worker gives up after some 45 minutes and ends
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# --- Operator, mail ---------------------------------------------------------------------------
# No default reaches the outside: without these, nothing can be sent.
TWILIO_API_URL = env.str("TWILIO_API_URL", default="")
TWILIO_ACCOUNT_SID = env.str("TWILIO_ACCOUNT_SID", default="")
TWILIO_AUTH_TOKEN = env.str("TWILIO_AUTH_TOKEN", default="")
TWILIO_AUTH_TOKEN_PREVIOUS = env.str("TWILIO_AUTH_TOKEN_PREVIOUS", default="")  # accepted on webhooks during a rotation
TWILIO_MESSAGING_SERVICE_SID = env.str("TWILIO_MESSAGING_SERVICE_SID", default="")
TWILIO_SENDER = env.str("TWILIO_SENDER", default="")
TWILIO_SMART_ENCODING = env.bool("TWILIO_SMART_ENCODING", default=False)  # on, Twilio rewrites the approved text
TWILIO_INBOUND_NUMBERS = env.list("TWILIO_INBOUND_NUMBERS", default=[])  # of the Messaging Service: polled for STOP
SMS_PROVIDERS = env.list("SMS_PROVIDERS", default=["twilio"])  # in order: new messages go by the first that is not down
OVH_API_URL = env.str("OVH_API_URL", default="")  # https://eu.api.ovh.com/1.0
OVH_APPLICATION_KEY = env.str("OVH_APPLICATION_KEY", default="")
OVH_APPLICATION_SECRET = env.str("OVH_APPLICATION_SECRET", default="")
OVH_CONSUMER_KEY = env.str("OVH_CONSUMER_KEY", default="")
OVH_SERVICE_NAME = env.str("OVH_SERVICE_NAME", default="")  # the SMS account: sms-ab12345-1
OVH_SENDER = env.str("OVH_SENDER", default="")  # empty: a short number, which takes answers
OVH_CALLBACK_KEY = env.str("OVH_CALLBACK_KEY", default="")  # receipts are not signed: their address carries this key
SMS_SEGMENT_PRICE = env.float("SMS_SEGMENT_PRICE", default=0.065)  # euros a segment, for the cost shown in bilans
SMS_CONNECTIONS = env.int("SMS_CONNECTIONS", default=16)  # simultaneous requests of one worker
# The operator's contract, all workers together: segments a second by provider (twilio, ovh), else by channel (sms).
SEGMENTS_PER_SECOND = env.dict("SEGMENTS_PER_SECOND", cast={"value": float}, default={"sms": 10.0})
SEND_DEADLINE_SECONDS = env.float("SEND_DEADLINE_SECONDS", default=10.0)  # whole request, not one read
RETRY_DELAYS_SECONDS = env.list("RETRY_DELAYS_SECONDS", cast=int, default=[60, 300, 1800])

EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = env.str("EMAIL_HOST", default="")
EMAIL_PORT = env.int("EMAIL_PORT", default=25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
EMAIL_USE_SSL = env.bool("EMAIL_USE_SSL", default=False)
EMAIL_TIMEOUT = 10
# Envelope sender: what comes back is sent to rebonds+<attempt>@…, so that each failure finds its contact.
EMAIL_BOUNCE_ADDRESS = env.str("EMAIL_BOUNCE_ADDRESS", default="")
BOUNCE_MAILBOX = env.str("BOUNCE_MAILBOX", default="")  # Maildir or mbox where those reports arrive
EMAIL_PROVIDER = env.str("EMAIL_PROVIDER", default="")  # brevo or mailjet, when one relays our e-mails
EMAIL_WEBHOOK_SECRET = env.str("EMAIL_WEBHOOK_SECRET", default="")  # "name:password", given to the provider
EMAIL_WEBHOOK_SECRET_PREVIOUS = env.str("EMAIL_WEBHOOK_SECRET_PREVIOUS", default="")  # accepted during a rotation
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Caf <ne-pas-repondre@caf.invalid>")
ALLOW_REAL_DESTINATIONS = (
    False  # production alone may say otherwise: elsewhere only this machine's simulators are reachable
)
PUBLIC_BASE_URL = env.str("PUBLIC_BASE_URL", default="")  # the exact address operators call back

# --- Rules of contact (docs: domain, rules of contact) ------------------------------------------
CONTACT_HOURS = {
    "SMS": env.str("SMS_HOURS", default="10:00-13:00,14:00-20:00"),
    "CALL": env.str("CALL_HOURS", default="10:00-13:00,14:00-20:00"),
    "EMAIL": env.str("EMAIL_HOURS", default="07:00-21:00"),
}
CAP_CAMPAIGNS_7_DAYS = env.int("CAP_CAMPAIGNS_7_DAYS", default=1)
CAP_CONTACTS_30_DAYS = env.int("CAP_CONTACTS_30_DAYS", default=4)
CAP_CALL_ATTEMPTS_30_DAYS = env.int("CAP_CALL_ATTEMPTS_30_DAYS", default=4)
CALLS_PER_DAY = env.int("CALLS_PER_DAY", default=200)  # what the team can dial in a day
NIGHT_STARTS_AT = env.str("NIGHT_STARTS_AT", default="01:00")  # local time; the night must end before the window opens
# The first contacts of a wave leave alone, then the rest waits that long after the last of them.
CANARY_SHARE = env.float("CANARY_SHARE", default=0.01)
CANARY_MINIMUM = env.int("CANARY_MINIMUM", default=50)
CANARY_HOLD_SECONDS = env.int("CANARY_HOLD_SECONDS", default=900)
# A campaign stops by itself beyond these shares of the contacts whose end is known.
AUTO_PAUSE_FAILURES = env.float("AUTO_PAUSE_FAILURES", default=0.05)
AUTO_PAUSE_STOPS = env.float("AUTO_PAUSE_STOPS", default=0.02)
AUTO_PAUSE_SAMPLE = env.int("AUTO_PAUSE_SAMPLE", default=30)  # ends to know before judging
AUTO_PAUSE_COUNT = env.int("AUTO_PAUSE_COUNT", default=5)  # fewer failures, or refusals, may be chance
WIDE_SHARE = env.float("WIDE_SHARE", default=0.5)  # of open files: a campaign for more asks to type how many people
WIDE_FLOOR = env.int("WIDE_FLOOR", default=1_000)  # below, a share of a handful of people says nothing
SIZE_TOLERANCE = env.float("SIZE_TOLERANCE", default=0.10)  # drift of the audience that sends back to approval

# Keys the hash of destinations (oppositions outlive the person's data as a keyed hash).
DESTINATION_HASH_KEY = env.str("DESTINATION_HASH_KEY", default="")
CAF_NAME = env.str("CAF_NAME", default="Caf")
DEMO = env.bool("DEMO", default=False)

# --- Security -----------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": ["'none'"],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": ["'none'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 8 * 3600
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "config.logs.WithoutMessages", "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    # Clients log whole requests, destinations included.
    "loggers": {"twilio.http_client": {"level": "WARNING"}, "urllib3": {"level": "INFO"}},
}
