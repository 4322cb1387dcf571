"""Development and demo: embedded servers, operator simulator, movable clock. Never a real destination."""

from config.settings.base import *  # noqa: F403
from config.settings.base import DATABASES, DESTINATION_HASH_KEY, SECRET_KEY

DEBUG = False
SECRET_KEY = SECRET_KEY or "development-only-not-a-secret-0123456789-abcdefghijklmnop"
DESTINATION_HASH_KEY = DESTINATION_HASH_KEY or "development-only-hash-key"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "testserver"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c aller_vers.movable_clock=on"
