"""E-mails through a real mail server in trouble, their senders killed with -9: the mail server's own ledger judges.

SMTP cannot be asked what became of a message: a doubt stays one, is shown and is never sent again by itself. So: what
is said to be sent is in the ledger, once; what may have left is held; the rest is sent in the end.
"""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from socket import create_connection
from types import SimpleNamespace

import pytest

from campaigns.enums import Channel
from config.local.processes import free_port
from outreach.enums import TouchStatus
from outreach.models import Touch
from tests.factories import make_allocataires, step_values
from tests.faults.aftermath import settle
from tests.faults.bells import SLOTS, Bells
from tests.faults.harness import ROOT, say, wait_until
from tests.faults.mail_server import TROUBLES
from tests.faults.sizes import SEED, size_of
from tests.faults.table import Row, note
from tests.faults.test_kills import has_decided, kill_one_at_work
from tests.outreach.waves import make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

MESSAGES, KILLS = size_of("mail_messages"), size_of("mail_kills")
NOBODY = 50  # one address in so many does not exist


class MailServer:
    """The process, and what it says of itself."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.mail_server", str(port), str(folder), str(SEED)],
            cwd=ROOT, env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        )  # fmt: skip
        wait_until(partial(listens, port), what="the mail server listens")

    def recipients(self) -> Counter[str]:
        ledger = self.folder / "mail.jsonl"
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        return Counter(json.loads(line)["to"][0] for line in lines)

    def troubles(self) -> Counter[str]:
        said = self.folder / "troubles.txt"
        return Counter(said.read_text().split()) if said.exists() else Counter()

    def calm_down(self) -> None:
        (self.folder / "calm").touch()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    (tmp_path / "mail").mkdir()
    running = MailServer(tmp_path / "mail", free_port())
    yield running
    running.close()


@pytest.fixture
def bells(tmp_path: Path, server: MailServer) -> Iterator[Bells]:
    nobody = SimpleNamespace(url="http://127.0.0.1:9")  # no SMS leaves here
    running = Bells(tmp_path, nobody, extra={"EMAIL_PORT": str(server.port)})  # type: ignore[arg-type]
    yield running
    running.close()


def make_mailing() -> None:
    people = make_allocataires(MESSAGES, email_allowed=True)
    for number, person in enumerate(people):
        person.email = f"p{number}{'nobody' if number % NOBODY == 0 else ''}@example.org"
    type(people[0]).objects.bulk_update(people, ["email"])
    make_wave(people=people, steps=[step_values(Channel.EMAIL)])


def test_killed_senders_lose_no_e_mail_and_double_none(
    server: MailServer, bells: Bells, capsys: pytest.CaptureFixture[str]
) -> None:
    make_mailing()
    bells.start(workers=2)
    doubts = kill_senders()
    settle(3)
    troubles = server.troubles()
    server.calm_down()
    for minutes in (10, 40):
        settle(minutes)

    ledger, held = server.recipients(), of_status(TouchStatus.UNCONFIRMED)
    sent, refused = of_status(TouchStatus.SUBMITTED), of_status(TouchStatus.FAILED)
    doubled = [address for address, times in ledger.items() if times > 1]
    lost = {*all_addresses()} - {*held} - {*ledger} - {*refused}
    say(
        capsys,
        f"{MESSAGES} e-mails, {len(doubts)} processes killed at work ({max(doubts)} in doubt at most), troubles "
        f"{dict(troubles)}, {len(held)} held in doubt of which {len({*held} & {*ledger})} had arrived, seed {SEED}",
    )
    note(
        Row(
            "kill -9 pendant des e-mails, serveur qui refuse, coupe avant et après, répond trop tard",
            f"{len(doubts)} processus tués, {sum(troubles.values())} troubles, {MESSAGES} e-mails",
            lost=len(lost),
            doubled=len(doubled),
            worst=f"{len(held)} contacts incertains, retenus",
        )
    )
    assert len(doubts) == KILLS, "too few faults were injected"
    assert {*TROUBLES, "nobody"} == {*troubles}, "a trouble was not injected"
    assert max(doubts) <= SLOTS
    assert (doubled, lost) == ([], set())
    assert {*sent} <= {*ledger}, "said to be sent, and not received"
    assert {*ledger} <= {*sent, *held}, "received, and could be sent again"
    assert {*refused} == {a for a in all_addresses() if "nobody" in a} - {*held}, "given up, and not by the server"
    assert len(held) <= sum(doubts) + sum(troubles[one] for one in ("reset_before", "reset_after", "late_after"))


def kill_senders() -> list[int]:
    """As e-mails leave, a process that is sending dies. For each: how many of its messages are then in doubt."""
    chance, doubts = random.Random(SEED), []
    for share in sorted(chance.uniform(0, 0.8) for _ in range(KILLS)):
        wait_until(partial(has_decided, share * MESSAGES), what=f"{share:.0%} of the e-mails decided", seconds=120)
        victim = kill_one_at_work(chance)
        doubts.append(Touch.objects.filter(status=TouchStatus.SENDING, claimed_by=victim).count())
    return doubts


def listens(port: int) -> bool:
    try:
        create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def of_status(status: TouchStatus) -> list[str]:
    return list(Touch.objects.filter(status=status).values_list("destination", flat=True))


def all_addresses() -> list[str]:
    return list(Touch.objects.values_list("destination", flat=True))
