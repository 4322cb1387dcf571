"""E-mail against a bare smtplib loop and django-post_office: ``python -m benchmarks.email``.

Interleaved in one run; each ratio is the median of those of the pairs. Every letter has the size and the parts of ours;
the mail server (``benchmarks.mail_sink``) is a process of its own that keeps nothing. The database is a test one,
dropped at the end. ``./dev bench email`` installs django-post_office first; without it, that is said.
"""

import argparse
import os
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from statistics import median
from typing import Any
from uuid import uuid4

LOOP = "bare smtplib loop, 1 connection"
BODY = """Bonjour {},

Votre situation a peut-être changé. Si ce n’est pas déjà fait, vous pouvez la vérifier dans votre espace Mon Compte :
https://www.caf.fr/allocataires/mon-compte

Un conseiller peut aussi répondre à vos questions au 3230.

Votre Caf"""


def letters(number: int) -> list[Any]:
    from outreach.channels.ports import OutgoingMessage

    return [
        OutgoingMessage(uuid4(), f"p{place}@example.org", BODY.format(f"Zoé {place}"), "Votre dossier à la Caf")
        for place in range(number)
    ]


def loop_bare(number: int) -> float:
    """The limit of one connection with Python's own client: letters ready beforehand, nothing remembered."""
    from django.conf import settings

    from outreach.channels.email import EmailGateway

    head = EmailGateway.from_settings().letterhead
    ready = [head.write(message) for message in letters(number)]
    begun = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", settings.EMAIL_PORT) as client:
        for letter in ready:
            client.sendmail(letter.bounces_to, [letter.recipient], letter.content)
    return number / (time.perf_counter() - begun)


def send_through_gateway(number: int, *, connections: int) -> float:
    """Writing included."""
    from outreach.channels.email import EmailGateway
    from outreach.channels.ports import SendOutcome

    gateway, messages = EmailGateway.from_settings(), letters(number)
    begun = time.perf_counter()
    if connections == 1:
        results = [gateway.send(message) for message in messages]
    else:
        with ThreadPoolExecutor(connections) as pool:
            results = list(pool.map(gateway.send, messages))
    elapsed = time.perf_counter() - begun
    if any(result.outcome is not SendOutcome.ACCEPTED for result in results):
        raise SystemExit("some e-mails were not taken")
    for connection in gateway.connections:
        connection.close()
    return number / elapsed


def dispatch(number: int) -> float:
    """The whole of it: claims, intents, checks, texts, results; one worker."""
    from campaigns.models import Allocataire
    from outreach.dispatch import dispatch_due
    from tests.factories import make_allocataires, step_values
    from tests.outreach.waves import make_wave

    people = make_allocataires(number)
    for person in people:
        person.email, person.email_allowed = f"p{person.pk}@example.org", True
    Allocataire.objects.bulk_update(people, ["email", "email_allowed"])
    steps = [step_values("EMAIL", body=BODY.format("{{ prenom }}"))]
    make_wave(people=people, steps=steps)
    begun = time.perf_counter()
    report = dispatch_due(channel="EMAIL", worker="benchmark", deadline_seconds=600)
    elapsed = time.perf_counter() - begun
    if report.sent != number:
        raise SystemExit(f"{report.sent} e-mails sent instead of {number}: {report.stopped}")
    return number / elapsed


def send_by_post_office(number: int) -> float:
    """Its own queue, filled beforehand, sent as its command does (one process, its threads)."""
    from django.conf import settings
    from post_office import mail
    from post_office.models import Email

    from outreach.channels.letter import write_page

    page = write_page(subject="Objet", body=BODY, caf_name=settings.CAF_NAME, way_out="https://www.caf.fr/stop/")
    mail.send_many(
        [
            {
                "recipients": [message.destination],
                "sender": "caf@example.org",
                "subject": message.subject,
                "message": message.body,
                "html_message": page,
            }
            for message in letters(number)
        ]
    )
    begun = time.perf_counter()
    mail.send_queued(processes=1, log_level=0)
    elapsed = time.perf_counter() - begun
    if Email.objects.filter(status=0).count() != number:
        raise SystemExit("django-post_office did not send everything")
    Email.objects.all().delete()
    return number / elapsed


def measure(number: int, pairs: int, has_rival: bool) -> None:
    ways: dict[str, Callable[[int], float]] = {
        LOOP: loop_bare,
        "gateway, 1 connection": lambda n: send_through_gateway(n, connections=1),
        "gateway, 4 connections": lambda n: send_through_gateway(n, connections=4),
        "dispatch, one worker": dispatch,
    }
    if has_rival:
        ways["django-post_office, 1 process"] = send_by_post_office
    for way in ways.values():
        way(max(50, number // 10))
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(pairs):
        for name, way in ways.items():
            rates[name].append(way(number))
    rival = rates.get("django-post_office, 1 process")
    for name, measured in rates.items():
        to_loop = median(rate / base for rate, base in zip(measured, rates[LOOP], strict=True))
        print(f"{name:<34}{median(measured):>7.0f}/s   {to_loop:5.2f} of the loop", end="")
        print(f"   {median(r / b for r, b in zip(measured, rival, strict=True)):5.2f} of post_office" if rival else "")
    if not has_rival:
        print("django-post_office is not installed here: ./dev bench email")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000)
    parser.add_argument("--pairs", type=int, default=3)
    asked = parser.parse_args()
    has_rival = find_spec("post_office") is not None
    with (
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.mail_sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as sink,
        tempfile.TemporaryDirectory() as folder,
    ):
        assert sink.stdout is not None
        set_up(int(sink.stdout.readline()), folder, has_rival)
        from django.test.utils import setup_databases, teardown_databases

        databases = setup_databases(verbosity=0, interactive=False)
        try:
            measure(asked.messages, asked.pairs, has_rival)
        finally:
            teardown_databases(databases, verbosity=0)
            sink.communicate()


def set_up(port: int, folder: str, has_rival: bool) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    os.environ["EMAIL_PORT"] = str(port)
    os.environ["SENDING_JOURNAL"] = f"{folder}/sending.jsonl"  # of this database, which dies with the run
    # The first e-mails of a wave do not wait for themselves to be known.
    os.environ["CANARY_SHARE"] = "1"
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    import django

    from config.settings import test

    if has_rival:
        test.INSTALLED_APPS.append("post_office")  # type: ignore[attr-defined]
        test.POST_OFFICE = {"BATCH_SIZE": 5_000, "MESSAGE_ID_ENABLED": True}  # type: ignore[attr-defined]
    django.setup()
    if has_rival:
        import logging

        import post_office.logutils  # it sets its logger up when it is read

        post_office.logutils.setup_loghandlers("ERROR")
        logging.getLogger("post_office").setLevel(logging.ERROR)


if __name__ == "__main__":
    main()
