"""The Celery workers that are measured: ours, and what is usually written, one task for each message."""

import os
import time
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from celery import shared_task
from celery.signals import worker_process_init
from django.conf import settings
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from config.celery import app

__all__ = ["app", "send_one"]


class ToOperator(TwilioHttpClient):
    """Twilio's own transport, towards the operator of the benchmark."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        return super().request(method, f"{self.base_url}{urlsplit(url).path}", *args, **kwargs)


@lru_cache(maxsize=4)
def plain_client(base_url: str) -> Client:
    client = Client(settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, http_client=ToOperator(base_url))
    assert client.messages  # made lazily, without a lock
    return client


@shared_task(name="benchmarks.send_one")
def send_one(touch_id: int) -> None:
    """Read the contact, call the operator, write what it answered."""
    from outreach.enums import TouchStatus
    from outreach.models import Touch
    from outreach.texts import write_text

    touch = Touch.objects.select_related("step", "allocataire").get(pk=touch_id)
    person = {f.attname: getattr(touch.allocataire, f.attname) for f in touch.allocataire._meta.concrete_fields}
    _, body = write_text(step=touch.step, person=person, attempt_uuid=uuid4())
    plain_client(settings.TWILIO_API_URL).messages.create(
        to=touch.destination,
        from_=settings.TWILIO_SENDER,
        body=body,
        status_callback=f"http://testserver/operateur/twilio/etat/{uuid4()}/",
    )
    touch.status = TouchStatus.SUBMITTED
    touch.save(update_fields=["status"])


@worker_process_init.connect
def note_departures(**_: Any) -> None:
    """When each message leaves, by the sender's own clock: one line each, in the file that the benchmark names."""
    if path := os.environ.get("BENCH_DEPARTURES"):
        from outreach import dispatch

        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def note(point: str) -> None:
            if point == "4-sending":
                os.write(file, f"{time.time()}\n".encode())

        dispatch.reached = note
