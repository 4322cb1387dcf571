"""The bell. Beat ticks by fixed intervals; SQL decides what is due.

``expires`` on every tick: bells that rang while no worker listened are dropped, not answered one by one.
"""

import os

from celery import Celery
from celery.signals import worker_init
from kombu.transport.redis import Channel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

# A bell that was not answered is not put back: the next one rings soon. Putting it back as the broker goes away ends
# the worker (kombu 5.7).
Channel.do_restore = False

app = Celery("aller_vers")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Only the demo, whose days last seconds, rings faster.
SPEED = float(os.environ.get("BELL_SPEED", "1"))


# What people and operators say, and what stops a campaign, is short and waits behind nothing: neither a long sending,
# nor the night, an import, or an operator asked a thousand questions. What is not named here goes to "default".
# Refusals that come by polling alone are listened to here as well, by one process at most.
LISTENING = (
    "apply_receipts",
    "receive_replies",
    "poll_inbound",
    "read_bounces",
    "watch_campaigns",
    "release_expired_claims",
    "mark_crashed_attempts",
)
app.conf.task_routes = {
    "outreach.tasks.dispatch_due": {"queue": "sending"},
    **{f"outreach.tasks.{task}": {"queue": "listening"} for task in LISTENING},
}


def _every(seconds: float, task: str, **kwargs: str) -> dict[str, object]:
    return {
        "task": f"outreach.tasks.{task}",
        "schedule": seconds / SPEED,
        "kwargs": kwargs,
        "options": {"expires": max(seconds, 5.0)},
    }


app.conf.beat_schedule = {
    "night": _every(5, "run_due_night"),
    "send-sms": _every(2, "dispatch_due", channel="SMS"),
    "send-email": _every(2, "dispatch_due", channel="EMAIL"),
    "receipts": _every(2, "apply_receipts"),
    "bounces": _every(60, "read_bounces"),
    "replies": _every(3, "receive_replies"),
    "claims": _every(30, "release_expired_claims"),
    "crashed": _every(15, "mark_crashed_attempts"),
    "unconfirmed": _every(60, "reconcile_unconfirmed"),
    "watch": _every(5, "watch_campaigns"),
    "uploads": _every(2, "run_waiting_uploads"),
    "import-files": _every(3600, "purge_import_files"),
    "missed": _every(30, "reschedule_missed"),
    "silent": _every(60, "poll_statuses"),
    "unheard": _every(60, "poll_inbound"),
}


@worker_init.connect
def check_settings(**_: object) -> None:
    """A worker does not start on settings that would fail at night."""
    from config.checks import refuse_bad_settings

    refuse_bad_settings()
