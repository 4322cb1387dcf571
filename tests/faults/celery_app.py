"""The project's Celery, sending to the operator of a test: ``celery -A tests.faults.celery_app worker``."""

import os

from django.conf import settings

settings.TWILIO_API_URL = os.environ["OPERATOR_URL"]

from config.celery import app  # noqa: E402 — once the settings name the operator

__all__ = ["app"]
