"""A few witnesses go through the whole of it, at DEBUG, in real processes: nothing written anywhere names them."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import pytest
import redis
from pytest_django import Settings

from campaigns.models import Allocataire, Opposition, RejectedLine, set_clock
from config.celery import app as celery
from outreach.enums import AttemptStatus, ReplyClass
from outreach.models import Attempt, ProviderEvent, Reply, Touch
from tests.factories import make_commune
from tests.faults import harness
from tests.faults.conftest import StartOperator
from tests.faults.harness import ROOT, OperatorProcess, say, wait_until
from tests.outreach.receipts_world import FORM, INBOUND, sign, status_path
from tests.outreach.waves import MORNING, make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

MATRICULE, NAME, FIRST_NAME = "7654{}21", "TEMOINVALINE", "Zzéphirine"
MOBILE, EMAIL = "+3361234{}987", "zz.temoin{}@courriel-temoin.fr"
HEADER = "matricule;nom;prenom;date_naissance;commune;email;mobile;prestations"
FATES = ["accepted", "refused", "unknown", "stops"]
TASKS = ["apply_receipts", "receive_replies", "release_expired_claims", "mark_crashed_attempts",
         "reconcile_unconfirmed", "reschedule_missed", "poll_statuses", "poll_inbound"]  # fmt: skip


def traces() -> list[str]:
    """Every way in which a witness could be written down."""
    found = [
        NAME,
        NAME.lower(),
        FIRST_NAME,
        quote(FIRST_NAME),
        json.dumps(FIRST_NAME)[1:-1],
        repr(FIRST_NAME.encode())[2:-1],
    ]
    for digit in range(9):
        number = MOBILE.format(digit)
        address = EMAIL.format(digit)
        found += [MATRICULE.format(digit), number[3:], " ".join(["0" + number[3], *pairs(number[4:])]), address]
        found += [quote(address), address.partition("@")[0]]
    return found


def pairs(digits: str) -> list[str]:
    return [digits[i : i + 2] for i in range(0, len(digits), 2)]


class Papers:
    """All that the processes wrote, by where."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: dict[str, str] = {}
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "DATABASE_URL": harness.test_database_url(),
            "LOG_LEVEL": "DEBUG",
            "OPPOSITION_JOURNAL": str(folder / "oppositions.jsonl"),
        }

    def run(self, *command: str) -> None:
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        self.written[" ".join(command[:2])] = done.stdout + done.stderr
        assert done.returncode == 0, done.stderr[-2000:]

    @contextmanager
    def running(self, name: str, *command: str, is_up: Callable[[str], bool]) -> Iterator[None]:
        path = self.folder / f"{name}.log"
        with path.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        try:
            wait_until(lambda: is_up(path.read_text()), what=f"{name} is up")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            self.written[name] = path.read_text()

    def leaks(self) -> dict[str, list[str]]:
        return {
            where: found for where, text in self.written.items() if (found := [one for one in traces() if one in text])
        }


def test_no_trace_of_anybody(
    start_operator: StartOperator,
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    papers = Papers(tmp_path)
    bring_in(papers, tmp_path)
    operator = start_operator(latency_ms=1)
    papers.environment["OPERATOR_URL"] = operator.url
    make_wave(people=list(Allocataire.objects.order_by("pk")))

    with listening_to_the_broker(papers):
        send_to(operator, papers)
        with gunicorn(papers) as site:
            hear_back(site, papers)
        set_clock(MORNING + timedelta(minutes=40))
        work(papers, TASKS)
    papers.written["test process"] = caplog.text
    papers.written["journal"] = (tmp_path / "oppositions.jsonl").read_text()

    size = sum(map(len, papers.written.values()))
    say(capsys, f"{size} characters written by {sorted(papers.written)} about {len(FATES)} witnesses")
    assert_lived()
    assert papers.leaks() == {}


def bring_in(papers: Papers, folder: Path) -> None:
    """Imported by the command, with two lines that must be refused."""
    make_commune()
    lines = [
        f"{MATRICULE.format(i)};{NAME};{FIRST_NAME};1990-05-17;66136;{EMAIL.format(i)};{MOBILE.format(i)};RSA:2021-03-01"
        for i in range(len(FATES))
    ]
    lines += [
        f"{MATRICULE.format(7)};{NAME};{FIRST_NAME};hier;{NAME};{EMAIL.format(7)}{MOBILE.format(7)};x;{NAME}",
        f"{MATRICULE.format(8)}{NAME};{NAME};{FIRST_NAME};{EMAIL.format(8)};66136;{MOBILE.format(8)};y;RSA:{NAME}",
    ]
    path = folder / "extrait.csv"
    path.write_text("\n".join([HEADER, *lines]))
    papers.run("manage.py", "import_population", str(path), "--accept-rejections")
    assert Allocataire.objects.count() == len(FATES)
    assert RejectedLine.objects.exists()
    Allocataire.objects.update(children_count=1, sms_allowed=True)


def send_to(operator: OperatorProcess, papers: Papers) -> None:
    """One by one, the operator in another mood for each; the third answer is lost, and looked for later."""
    for touch, mood in zip(Touch.objects.order_by("pk"), [{}, {"throttled": 1}, {"error_after": 1}, {}], strict=True):
        operator.behave(**{"throttled": 0, "error_after": 0, **mood})
        Touch.objects.exclude(pk=touch.pk).filter(status="PREVU").update(due_at=MORNING.replace(hour=12))
        Touch.objects.filter(pk=touch.pk).update(due_at=MORNING)
        work(papers, ["dispatch_due"], channel="SMS")
    operator.behave(throttled=0, error_after=0)


def work(papers: Papers, tasks: list[str], **values: Any) -> None:
    """Ring the bells with no worker listening, look at what waits in the broker, then let one answer."""
    broker = redis.Redis.from_url(settings_broker())
    for task in tasks:
        queue = "sending" if task == "dispatch_due" else "default"
        celery.send_task(f"outreach.tasks.{task}", kwargs=values, queue=queue)
    papers.written["broker"] = papers.written.get("broker", "") + dump(broker)
    options = ["-Q", "sending,default", "-P", "solo", "-l", "debug", "--without-mingle", "--without-gossip"]
    name = f"worker-{len(papers.written)}"
    with papers.running(
        name, "celery", "-A", "tests.faults.celery_app", "worker", *options, is_up=lambda text: " ready." in text
    ):
        path = papers.folder / f"{name}.log"
        wait_until(lambda: path.read_text().count(" succeeded in ") >= len(tasks), what="the tasks are done")


def settings_broker() -> str:
    from django.conf import settings

    return str(settings.REDIS_URL)


def dump(broker: "redis.Redis[bytes]") -> str:
    lines = []
    for key in broker.scan_iter():
        kind = broker.type(key)
        content: Any = {b"list": lambda k: broker.lrange(k, 0, -1), b"set": broker.smembers, b"hash": broker.hgetall,
                        b"string": broker.get, b"zset": lambda k: broker.zrange(k, 0, -1)}[kind](key)  # fmt: skip
        lines.append(f"{key!r} {content!r}")
    assert any("outreach.tasks" in line for line in lines), "nothing waited in the broker"
    return "\n".join(lines)


@contextmanager
def listening_to_the_broker(papers: Papers) -> Iterator[None]:
    """Every command that reaches the broker meanwhile."""
    heard: list[str] = []
    broker = redis.Redis.from_url(settings_broker(), socket_timeout=None)
    with broker.monitor() as monitor:

        def listen() -> None:
            for command in monitor.listen():
                heard.append(repr(command))
                if "end of the test" in heard[-1]:
                    return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield
        broker.echo("end of the test")
        thread.join(20)
    papers.written["broker commands"] = "\n".join(heard)
    assert any("outreach.tasks" in line for line in heard), "the broker was not heard"


@contextmanager
def gunicorn(papers: Papers) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--bind", f"127.0.0.1:{port}", "--threads", "2", "--log-level", "debug", "--access-logfile", "-"]
    with papers.running("web", "gunicorn", "config.wsgi", *options, is_up=lambda text: "Booting worker" in text):
        yield f"http://127.0.0.1:{port}"


def hear_back(site: str, papers: Papers) -> None:
    """Receipts, a STOP, an answer that says who writes; then the same by forgers and in unreadable forms."""
    answers = []
    for attempt in Attempt.objects.exclude(provider_ref="").select_related("touch"):
        form = {"MessageSid": attempt.provider_ref, "MessageStatus": "delivered", "To": attempt.touch.destination}
        answers.append(post(site, status_path(attempt.uuid), form))
        answers.append(post(site, status_path(attempt.uuid), {**form, "ErrorCode": NAME, "MessageStatus": NAME}))
        answers.append(post(site, status_path(attempt.uuid), form, signature="forged"))
    stops, writes = MOBILE.format(3), MOBILE.format(0)
    say_so = f"Je suis {FIRST_NAME} {NAME} {MATRICULE.format(0)}, {EMAIL.format(0)}"
    for number, (sender, body) in enumerate([(stops, "STOP"), (writes, say_so), (writes, f"Non merci. {say_so}")]):
        form = {"MessageSid": f"IN{number}", "From": sender, "Body": body, "SmsStatus": "received"}
        answers.append(post(site, INBOUND, form))
        answers.append(post(site, INBOUND, form, signature="forged"))
        answers.append(post(site, INBOUND, {**form, "Body": body + "\x00"}))
        answers.append(post(site, INBOUND, form, kind="application/json"))
        answers.append(post(site, "/stop/inconnu/", form))
        answers.append(post(site, "/operateur/email/postmark/", {"Email": EMAIL.format(0), "Details": say_so}))
    papers.written["answers"] = "\n".join(answers)
    assert {answer[:3] for answer in answers} >= {"204", "403", "400", "415", "404"}


def post(site: str, path: str, form: dict[str, str], *, signature: str = "", kind: str = FORM) -> str:
    headers = {"X-Twilio-Signature": signature or sign(path, form), "Content-Type": kind, "Host": "testserver"}
    try:
        with urlopen(Request(site + path, urlencode(form).encode(), headers), timeout=20) as answer:
            return f"{answer.status} {answer.headers} {answer.read().decode()}"
    except HTTPError as refused:
        return f"{refused.code} {refused.headers} {refused.read().decode()}"


def assert_lived() -> None:
    """What was grepped for really went through."""
    assert set(Attempt.objects.values_list("status", flat=True)) >= {AttemptStatus.DELIVERED, AttemptStatus.FAILED}
    assert Attempt.objects.exclude(looked_up_at=None).exists()
    assert ProviderEvent.objects.filter(payload__icontains=NAME).exists()
    assert not ProviderEvent.objects.filter(applied_at=None).exists()
    assert set(Reply.objects.values_list("kind", flat=True)) == set(ReplyClass.values)
    assert Opposition.objects.get().allocataire is not None


def test_the_traces_are_found_where_they_are(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    papers.written = {
        "log": f"sent to {MOBILE.format(2)}",
        "queue": json.dumps({"name": FIRST_NAME}),
        "url": f"/?To={quote(MOBILE.format(1))}",
        "clean": "attempt=12 status=REMIS",
    }
    assert set(papers.leaks()) == {"log", "queue", "url"}
