"""Tests: real PostgreSQL, nothing outside reachable."""

from config.settings.base import *  # noqa: F403
from config.settings.base import DATABASES, MIDDLEWARE

SECRET_KEY = "tests-only"
DESTINATION_HASH_KEY = "tests-only-hash-key"
ALLOWED_HOSTS = ["*"]
MIDDLEWARE.remove("config.typography.FrenchSpaces")  # tests read sentences as they are written; it has its own
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c aller_vers.movable_clock=on"
EMAIL_HOST = "127.0.0.1"
TWILIO_API_URL = "http://127.0.0.1:9"
TWILIO_ACCOUNT_SID = "AC00000000000000000000000000000001"
TWILIO_AUTH_TOKEN = "tests-token"
SEGMENTS_PER_SECOND = {}  # no contract: tests of pacing say their own
TWILIO_SENDER = "+33600000001"
PUBLIC_BASE_URL = "http://testserver"
