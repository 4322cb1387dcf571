"""One thin task a story. A lost or doubled task is harmless: the database says what is due, these only ring."""

import os
import socket
from ctypes import c_bool
from multiprocessing.sharedctypes import RawValue
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from campaigns import population_uploads
from campaigns.models import read_now
from outreach import bounce_reports, dispatch, night, polling, receipts, reconciliation, replies, safeguards

# Shared with the processes of the pool, for only their parent hears SIGTERM. Not an Event, which has a lock: one
# process killed while it holds it would hang the others for ever.
_stopping = RawValue(c_bool, False)


@worker_shutting_down.connect
def stop_sending(**_: Any) -> None:
    """What is on the wire ends, what is only claimed is given back: a worker is gone within seconds."""
    _stopping.value = True


def _is_stopping() -> bool:
    return bool(_stopping.value)


def _worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@shared_task
def dispatch_due(*, channel: str, **_: Any) -> None:
    """Send what is due on a channel, a few seconds at a time: the next tick goes on."""
    dispatch.dispatch_due(channel=channel, worker=_worker_name(), deadline_seconds=20, is_stopping=_is_stopping)


@shared_task
def run_due_night(**_: Any) -> None:
    night.run_due_night(now=read_now())


@shared_task
def read_bounces(**_: Any) -> None:
    bounce_reports.read_bounce_mailbox(now=read_now())


@shared_task
def apply_receipts(**_: Any) -> None:
    receipts.apply_receipts(now=read_now())


@shared_task
def receive_replies(**_: Any) -> None:
    replies.receive_replies(now=read_now())


@shared_task
def release_expired_claims(**_: Any) -> None:
    reconciliation.release_expired_claims(now=read_now())


@shared_task
def mark_crashed_attempts(**_: Any) -> None:
    reconciliation.mark_crashed_attempts(now=read_now())


@shared_task
def reconcile_unconfirmed(**_: Any) -> None:
    reconciliation.reconcile_unconfirmed(now=read_now())


@shared_task
def reschedule_missed(**_: Any) -> None:
    reconciliation.reschedule_missed(now=read_now())


@shared_task
def poll_statuses(**_: Any) -> None:
    polling.poll_statuses(now=read_now())


@shared_task
def poll_inbound(**_: Any) -> None:
    polling.poll_inbound(now=read_now())


@shared_task
def run_waiting_uploads(**_: Any) -> None:
    population_uploads.run_waiting_uploads(now=read_now())


@shared_task
def purge_import_files(**_: Any) -> None:
    population_uploads.purge_import_files(now=read_now())


@shared_task
def watch_campaigns(**_: Any) -> None:
    safeguards.watch_campaigns(now=read_now())
