"""Receipts: over HTTP, and a burst applied.

``python -m benchmarks.receipts [--requests 4000] [--pairs 3]``: signed receipts a second through gunicorn (2 workers of
4 threads, 16 connections kept open) into the table, against a Django view that does nothing and one that only checks
the signature, interleaved. ``--burst 1000000``: that many receipts applied, against one set-based statement that has
the same effects and against one that only moves the attempts. On a test database, dropped at the end.
"""

import argparse
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

CONNECTIONS = 16
TOKEN = "tests-token"
SITES = {"nothing": "benchmarks.bare_site", "signature": "benchmarks.bare_site", "receipts": "config.wsgi"}
PATHS = {"nothing": "/nothing/{}/", "signature": "/signature/{}/", "receipts": "/operateur/twilio/etat/{}/"}


# ------------------------------------------------------------------------------------------- over HTTP


def measure_web(number: int, pairs: int) -> None:
    rates: dict[str, list[float]] = {name: [] for name in SITES}
    for _ in range(pairs):
        for name in SITES:
            with serving(SITES[name]) as address:
                post_all(address, requests_for(name, number // 10))
                rates[name].append(number / post_all(address, requests_for(name, number)))
    check_kept((number + number // 10) * pairs)
    best = {name: median(values) for name, values in rates.items()}
    for name, values in rates.items():
        shares = " ".join(f"{value:6.0f}" for value in values)
        print(f"{name:10} {best[name]:7.0f}/s  [{shares}]  {best[name] / best['signature']:.2f} of signature only")


def requests_for(name: str, number: int) -> list[bytes]:
    return [request_for(PATHS[name].format(uuid4()), "SM" + uuid4().hex) for _ in range(number)]


def request_for(path: str, reference: str) -> bytes:
    """What Twilio sends: eleven fields, signed with the address."""
    from twilio.request_validator import RequestValidator

    form = {
        "ApiVersion": "2010-04-01", "AccountSid": "AC00000000000000000000000000000001", "SmsSid": reference,
        "MessageSid": reference, "MessageStatus": "delivered", "SmsStatus": "delivered", "From": "+33600000001",
        "To": "+33639980001", "MessagingServiceSid": "MG00000000000000000000000000000001", "NumSegments": "1",
        "RawDlrDoneDate": "2603031030",
    }  # fmt: skip
    signature = RequestValidator(TOKEN).compute_signature("http://testserver" + path, form)
    body = urlencode(form)
    return (
        f"POST {path} HTTP/1.1\r\nHost: testserver\r\nX-Twilio-Signature: {signature}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def post_all(address: tuple[str, int], requests: Sequence[bytes]) -> float:
    """Seconds for all of them; anything but a 204 ends the benchmark."""
    refused: list[bytes] = []

    def post(share: Sequence[bytes]) -> None:
        with socket.create_connection(address) as wire:
            for request in share:
                wire.sendall(request)
                answer = wire.recv(4096)
                if not answer.startswith(b"HTTP/1.1 204"):
                    refused.append(answer[:60])
                    return

    threads = [threading.Thread(target=post, args=(requests[i::CONNECTIONS],)) for i in range(CONNECTIONS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused:
        raise SystemExit(f"not a 204: {refused[0]!r}")
    return time.perf_counter() - begun


@contextmanager
def serving(application: str) -> Iterator[tuple[str, int]]:
    from tests.faults.harness import ROOT, test_database_url, wait_until

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address: tuple[str, int] = free.getsockname()
    options = ["--workers", "2", "--threads", "4", "--log-level", "warning", "--keep-alive", "30"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", application, *options, "--bind", f"{address[0]}:{address[1]}"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": test_database_url(), "TWILIO_AUTH_TOKEN": TOKEN},
    )
    try:
        wait_until(lambda: is_open(address), what="gunicorn answers")
        yield address
    finally:
        process.terminate()
        process.wait(20)


def is_open(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1).close()
    except OSError:
        return False
    return True


def check_kept(number: int) -> None:
    from outreach.models import ProviderEvent

    kept = ProviderEvent.objects.count()
    if kept != number:
        raise SystemExit(f"{number} receipts answered by 204, {kept} in the table")
    print(f"every 204 is in the table: {kept}")


# ------------------------------------------------------------------------------------------- a burst

# What the same receipts would cost in one statement, without batches, locks, checks nor problems.
_BEST = """
best AS (
    SELECT DISTINCT ON (e.attempt_uuid) e.attempt_uuid, e.error_code, s.status
      FROM outreach_providerevent e
      JOIN (VALUES ('queued', 'REMIS_OPERATEUR', 2), ('sent', 'ENVOYE', 3), ('delivered', 'REMIS', 7),
                   ('undelivered', 'NON_REMIS', 5)) AS s(word, status, rank) ON s.word = e.status
     ORDER BY e.attempt_uuid, s.rank DESC)"""
_ATTEMPTS = """
UPDATE outreach_attempt o SET status = best.status, error_code = best.error_code, status_at = app_now()
  FROM best WHERE o.uuid = best.attempt_uuid"""
ATTEMPTS_ONLY = f"WITH {_BEST} {_ATTEMPTS}"
ONE_STATEMENT = f"""
WITH {_BEST},
attempts AS ({_ATTEMPTS} RETURNING o.touch_id, o.status),
touches AS (
    UPDATE outreach_touch t SET status = attempts.status, status_at = app_now(), claimed_by = '', claimed_until = NULL
      FROM attempts WHERE t.id = attempts.touch_id RETURNING t.id, t.status),
facts AS (
    UPDATE campaigns_contactfact f SET state = CASE touches.status WHEN 'REMIS' THEN 'REMIS' ELSE 'LIBERE' END
      FROM touches WHERE f.touch_ref = touches.id)
UPDATE outreach_providerevent SET applied_at = app_now(), problem = '' WHERE applied_at IS NULL"""

FILL = """
TRUNCATE outreach_providerevent, campaigns_contactfact, outreach_attempt, outreach_touch CASCADE;
SELECT setseed(0.5);
INSERT INTO outreach_touch (member_id, step_id, campaign_id, audience_id, allocataire_id, channel, destination,
       destination_hash, priority, status, reason, due_at, closes_at, expires_at, claimed_by, attempt_count)
SELECT m.id, {step}, m.campaign_id, m.audience_id, m.allocataire_id, 'SMS', p.mobile, md5(p.id::text), 50,
       'REMIS_OPERATEUR', '', app_now(), app_now(), app_now() + interval '20 days', '', 1
  FROM campaigns_member m JOIN campaigns_allocataire p ON p.id = m.allocataire_id;
INSERT INTO outreach_attempt (touch_id, number, uuid, provider, provider_ref, status, intent_at, submitted_at,
       error_code, segments, lookup_count)
SELECT id, 1, gen_random_uuid(), 'twilio', 'SM' || md5(id::text), 'REMIS_OPERATEUR', app_now(), app_now(), '', 1, 0
  FROM outreach_touch;
INSERT INTO campaigns_contactfact (touch_ref, allocataire_id, campaign_id, plan_code, theme, channel, at, state,
       is_exempt)
SELECT id, allocataire_id, campaign_id, 'ppa', 'ppa', 'SMS', app_now(), 'REMIS_OPERATEUR', false FROM outreach_touch;
INSERT INTO outreach_providerevent (provider, kind, attempt_uuid, provider_ref, status, error_code, payload,
       received_at, problem)
SELECT 'twilio', 'ETAT', o.uuid, o.provider_ref, word, CASE word WHEN 'undelivered' THEN '30005' ELSE '' END,
       jsonb_build_object('MessageSid', o.provider_ref, 'SmsSid', o.provider_ref, 'MessageStatus', word,
           'SmsStatus', word, 'ApiVersion', '2010-04-01', 'AccountSid', 'AC00000000000000000000000000000001',
           'From', '+33600000001', 'To', '+33639980001', 'NumSegments', '1'), app_now(), ''
  FROM outreach_attempt o
 CROSS JOIN LATERAL unnest(ARRAY['queued', 'sent', CASE WHEN o.id % 50 = 0 THEN 'undelivered' ELSE 'delivered' END,
                                 'sent']) AS word
 ORDER BY random();
VACUUM ANALYZE outreach_touch, outreach_attempt, campaigns_contactfact, outreach_providerevent"""


def measure_burst(number: int, pairs: int) -> None:
    step = make_people(number // 4)
    acts: dict[str, Callable[[], float]] = {
        "one statement, attempts only": lambda: run_alone(ATTEMPTS_ONLY),
        "one statement, all effects": lambda: run_alone(ONE_STATEMENT),
        "apply_receipts": lambda: apply_all(number, runners=1),
        "apply_receipts, two at once": lambda: apply_all(number, runners=2),
    }
    seconds: dict[str, list[float]] = {name: [] for name in acts}
    processor: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(pairs):
        for name, act in acts.items():
            for statement in FILL.format(step=step).split(";\n"):
                execute(statement)
            begun = time.perf_counter()
            processor[name].append(act())
            seconds[name].append(time.perf_counter() - begun)
            check_end(number, is_complete=name != "one statement, attempts only")
    anchor = median(seconds["one statement, all effects"])
    for name, values in seconds.items():
        middle = median(values)
        print(
            f"{name:30} {middle:7.2f} s  {number / middle:9,.0f} receipts/s  {middle / anchor:.2f} of one statement  "
            f"processor of PostgreSQL {median(processor[name]):.2f} s"
        )


def make_people(number: int) -> int:
    """That many members of one wave, copied from one; the identifier of the step."""
    from campaigns.models import Allocataire, Member, Step
    from tests.outreach.waves import make_wave

    make_wave(size=1)
    copy_rows(Allocataire, number - 1, matricule="'B' || g", mobile="'+336' || lpad(g::text, 8, '0')", email="''")
    execute(
        "INSERT INTO campaigns_member (audience_id, campaign_id, allocataire_id, exclusion, arm, stratum) "
        "SELECT m.audience_id, m.campaign_id, p.id, '', m.arm, '' FROM campaigns_allocataire p, campaigns_member m "
        "WHERE p.id <> m.allocataire_id"
    )
    assert Member.objects.count() == number
    return Step.objects.get().pk


def copy_rows(model: Any, number: int, **values: str) -> None:
    names = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(values.get(name, f"t.{name}") for name in names)
    table = model._meta.db_table
    execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {columns} FROM {table} t, generate_series(1, {number}) g")


def run_alone(statement: str) -> float:
    begun = processor_seconds()
    execute(statement)
    return processor_seconds() - begun


def processor_seconds() -> float:
    """What the server's process of this connection has used; 0 when the server runs on another machine."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        process = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    if not process.exists():
        return 0.0
    fields = process.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def apply_all(number: int, *, runners: int) -> float:
    """As that many workers would, each until nothing is left for it. Seconds of processor of their connections."""
    from django.db import connection

    from campaigns.models import read_now
    from outreach.receipts import apply_receipts

    applied: list[int] = []
    used: list[float] = []

    def apply() -> None:
        while size := apply_receipts(now=read_now()):
            applied.append(size)
        used.append(processor_seconds())
        connection.close()

    threads = [threading.Thread(target=apply) for _ in range(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if sum(applied) != number:
        raise SystemExit(f"{sum(applied)} receipts applied instead of {number}")
    return sum(used)


def check_end(number: int, *, is_complete: bool) -> None:
    from outreach.models import Attempt, ProviderEvent, Touch

    for model in (Attempt, Touch) if is_complete else (Attempt,):
        wrong = model.objects.exclude(status__in=["REMIS", "NON_REMIS"]).count()
        if wrong:
            raise SystemExit(f"{wrong} rows of {model.__name__} are not in their final state")
    if is_complete and ProviderEvent.objects.filter(applied_at=None).exists():
        raise SystemExit("some receipts are not applied")


def execute(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)


def say_durability() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s) ORDER BY name",
                       [["fsync", "synchronous_commit", "server_version"]])  # fmt: skip
        print(", ".join(f"{name} {value}" for name, value in cursor.fetchall()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--burst", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=3)
    asked = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    import django

    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    databases = setup_databases(verbosity=0, interactive=False, serialized_aliases=set())
    try:
        say_durability()
        if asked.burst:
            measure_burst(asked.burst, asked.pairs)
        else:
            measure_web(asked.requests, asked.pairs)
    finally:
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
