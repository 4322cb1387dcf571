"""The settings of the processes that a sending benchmark starts: those of the tests, and what it says of each run."""

import os
from pathlib import Path

from config.settings.test import *  # noqa: F403

TWILIO_API_URL = os.environ.get("BENCH_OPERATOR", "http://127.0.0.1:9")
SMS_CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "16"))
SEGMENTS_PER_SECOND = {"sms": float(os.environ.get("BENCH_CONTRACT", "1e6"))}
SENDING_JOURNAL = Path(os.environ.get("BENCH_JOURNAL", "sending.jsonl"))
CANARY_MINIMUM = 1_000_000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
