"""An old backup is restored: nothing leaves, what had left is found again, and only what had not left leaves then."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection

from campaigns.enums import OppositionSource
from campaigns.models import Audience, Opposition, set_clock
from campaigns.oppositions import record_opposition
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.dispatch import DispatchReport, dispatch_due
from outreach.enums import Suppression, TouchStatus
from outreach.fence import LOST, MISSING, UNREADABLE, UNWRITABLE, may_send
from outreach.models import Attempt, Fence, LostIntent, Touch
from outreach.planning import plan_wave
from outreach.reopening import StillClosed, recover_departures, reopen_sending
from outreach.roles import load_roles
from outreach.sending_journal import read_last_lines
from tests.factories import make_allocataires, make_user
from tests.outreach.waves import MORNING, PLANNED_AT, make_frozen, make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db]

SIZE, BEFORE, AFTER = 60, 20, 25
LATER = MORNING + timedelta(minutes=20)


@pytest.fixture
def operator() -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    with use_gateway("SMS", gateway):
        yield gateway


@pytest.fixture(autouse=True)
def _small_batches(settings: Any, tmp_path: Path) -> None:
    settings.SMS_CONNECTIONS = 5
    settings.OPPOSITION_JOURNAL = tmp_path / "oppositions.jsonl"


def send() -> DispatchReport:
    return dispatch_due(channel="SMS", worker="test", deadline_seconds=30)


def send_only(number: int) -> None:
    """So many contacts leave, the others being due later."""
    waiting = Touch.objects.filter(status=TouchStatus.PLANNED).order_by("pk").values_list("pk", flat=True)
    later = list(waiting[number:])
    Touch.objects.filter(pk__in=later).update(due_at=MORNING + timedelta(hours=1))
    assert send().sent == number
    Touch.objects.filter(pk__in=later).update(due_at=MORNING)


class Backup:
    """The database as it is now, to come back to: its journals stay where they are."""

    def __init__(self, name: str = "backup") -> None:
        self.name = name
        self._run(f"SAVEPOINT {name}")

    def restore(self) -> None:
        self._run(f"ROLLBACK TO SAVEPOINT {self.name}")

    def _run(self, statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)


def reasons() -> set[str]:
    return set(Fence.objects.values_list("reason", flat=True))


def test_only_what_had_not_left_leaves_after_a_restore(operator: FakeGateway) -> None:
    people = make_allocataires(SIZE)
    make_wave(people=people)
    send_only(BEFORE)
    backup = Backup()
    send_only(AFTER)
    refused = Touch.objects.filter(status=TouchStatus.PLANNED).select_related("allocataire").latest("pk").allocataire
    record_opposition(allocataire_ids=[refused.pk], source=OppositionSource.SMS_STOP, now=MORNING)
    backup.restore()
    assert Attempt.objects.count() == BEFORE
    assert not Opposition.objects.exists()

    assert send() == DispatchReport(stopped={"fence_closed": 1})
    assert send() == DispatchReport(stopped={"fence_closed": 1}), "it opened by itself"
    assert reasons() == {LOST}
    assert len(operator.sent) == BEFORE + AFTER
    with pytest.raises(StillClosed):
        reopen_sending(by=make_user(), now=LATER)

    set_clock(LATER)
    done = recover_departures(now=LATER)
    assert (done.uncertain, done.confirmed, done.kept_aside, done.oppositions) == (AFTER, AFTER, 0, 1)
    assert send().attempts == 0, "recovered is not opened"
    reopen_sending(by=make_user(), now=LATER)
    assert send().sent == SIZE - BEFORE - AFTER - 1
    assert max(Counter(message.destination for message in operator.sent).values()) == 1
    assert refused.mobile not in {message.destination for message in operator.sent}
    assert may_send(now=LATER)


def test_what_the_operator_does_not_hold_stays_uncertain(operator: FakeGateway) -> None:
    make_wave(size=10)
    backup = Backup()
    send()
    backup.restore()
    operator.is_reachable = False
    assert send().attempts == 0
    assert recover_departures(now=LATER).confirmed == 0
    reopen_sending(by=make_user(), now=LATER)
    set_clock(LATER)
    assert send().attempts == 0
    assert set(Touch.objects.values_list("status", flat=True)) == {TouchStatus.UNCONFIRMED}


def test_a_wave_planned_again_after_the_restore_contacts_nobody_twice(operator: FakeGateway) -> None:
    people = make_allocataires(12)
    audience = make_frozen(people=people)
    backup = Backup()
    plan_wave(audience=audience, now=PLANNED_AT)
    set_clock(MORNING)
    send_only(8)
    backup.restore()
    assert not Touch.objects.exists()
    assert not may_send(now=LATER)
    assert recover_departures(now=LATER).kept_aside == 8
    reopen_sending(by=make_user(), now=LATER)
    plan_wave(audience=Audience.objects.get(), now=PLANNED_AT)
    set_clock(LATER)
    assert send().sent == 4
    assert max(Counter(message.destination for message in operator.sent).values()) == 1
    assert LostIntent.objects.count() == 8


def test_the_recovery_may_be_done_again(operator: FakeGateway) -> None:
    make_wave(size=10)
    backup = Backup()
    send()
    backup.restore()
    send()
    assert recover_departures(now=LATER).uncertain == 10
    assert recover_departures(now=LATER).uncertain == 0
    assert Attempt.objects.count() == 10


def test_a_missing_journal_closes_and_leaves_nothing_to_chance(operator: FakeGateway, settings: Any) -> None:
    make_wave(size=30)
    send_only(10)
    assert may_send(now=MORNING)
    settings.SENDING_JOURNAL.unlink()
    assert send().attempts == 0
    assert reasons() == {MISSING}
    assert recover_departures(now=LATER).quarantined == 20
    reopen_sending(by=make_user(), now=LATER)
    assert send().attempts == 0
    assert Touch.objects.filter(reason=Suppression.JOURNAL_LOST).count() == 20
    assert may_send(now=LATER)


def test_a_backup_older_than_the_journal_leaves_nothing_to_chance(operator: FakeGateway, settings: Any) -> None:
    """Its first lines were erased, being older than any backup that is kept."""
    make_wave(size=30)
    backup = Backup()
    send_only(10)
    send_only(10)
    backup.restore()
    assert not may_send(now=LATER)
    lines = settings.SENDING_JOURNAL.read_bytes().splitlines(keepends=True)
    settings.SENDING_JOURNAL.write_bytes(b"".join(lines[len(lines) // 2 :]))
    done = recover_departures(now=LATER)
    assert (done.uncertain, done.quarantined) == (10, 20)
    reopen_sending(by=make_user(), now=LATER)
    set_clock(LATER)
    assert send().attempts == 0


def test_a_spoilt_journal_closes_and_is_set_aside(operator: FakeGateway, settings: Any) -> None:
    make_wave(size=5)
    send()
    settings.SENDING_JOURNAL.write_bytes(b"\x00\xff\n" * 50)
    assert not may_send(now=LATER)
    assert reasons() == {UNREADABLE}
    recover_departures(now=LATER)
    reopen_sending(by=make_user(), now=LATER)
    assert may_send(now=LATER)
    assert list(settings.SENDING_JOURNAL.parent.glob("sending.jsonl.illisible-*"))


def test_a_journal_that_cannot_be_written_stops_before_the_operator_is_called(
    operator: FakeGateway, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wave(size=30)

    def full(_descriptor: int) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as disk:
        disk.setattr("outreach.sending_journal.os.fsync", full)
        send()
    assert not operator.sent
    assert reasons() == {UNWRITABLE}
    assert Touch.objects.filter(status=TouchStatus.PLANNED).count() == 30, "a contact was lost or left in doubt"


def test_a_line_torn_by_a_crash_never_left(operator: FakeGateway, settings: Any) -> None:
    make_wave(size=10)
    send_only(5)
    with settings.SENDING_JOURNAL.open("ab") as file:
        file.write(b'{"seq":99,"at":"2026')
    assert send().sent == 5
    assert [line.seq for line in read_last_lines(9)] == sorted({line.seq for line in read_last_lines(9)})
    assert may_send(now=LATER)


def test_the_command_says_what_it_did_and_who_may_open(operator: FakeGateway) -> None:
    load_roles()
    users = {name: make_user() for name in ("Agent", "Superviseur")}
    for name, user in users.items():
        user.groups.add(Group.objects.get(name=name))
    make_wave(size=10)
    assert "ouverts" in run_command()
    backup = Backup()
    send()
    backup.restore()
    set_clock(LATER)
    assert "10 messages partis depuis la sauvegarde rendus à la base, dont 10 confirmés" in run_command()
    with pytest.raises(CommandError, match="ne peut pas rouvrir"):
        run_command("--by", users["Agent"].username)
    assert "Les envois sont ouverts." in run_command("--by", users["Superviseur"].username)
    assert may_send(now=LATER)


def run_command(*arguments: str) -> str:
    said = StringIO()
    call_command("reopen_sending", *arguments, stdout=said)
    return said.getvalue()
