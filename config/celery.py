"""The bell. Beat ticks by fixed intervals; SQL decides what is due."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

app = Celery("aller_vers")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
