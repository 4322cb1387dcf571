import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks as OnCommit
from pytest_django import Settings

from campaigns.models import AccessLog, Allocataire, Opposition
from campaigns.opposition_journal import HashKeyMissing, append_entries, read_entries
from campaigns.oppositions import (
    OppositionOfNobody,
    hash_destination,
    lift_opposition,
    record_opposition,
    replay_journal,
)
from tests.factories import make_allocataire, make_user

NOW = datetime(2026, 3, 3, 11, 0, tzinfo=UTC)
MOBILE = "+33730000001"


@pytest.fixture(autouse=True)
def journal(settings: Settings, tmp_path: Path) -> Path:
    settings.OPPOSITION_JOURNAL = tmp_path / "journal" / "oppositions.jsonl"
    return settings.OPPOSITION_JOURNAL


def stop(*ids: int, **values: Any) -> int:
    given: dict[str, Any] = {"allocataire_ids": ids, "source": "STOP_SMS", "now": NOW}
    return record_opposition(**(given | values))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+33730000001", "07 30 00 00 01"),
        ("+33730000001", "0033730000001"),
        ("Lea@Example.Invalid", " lea@example.invalid "),
        ("36179", "361 79"),
    ],
)
def test_one_destination_has_one_hash(one: str, other: str) -> None:
    assert hash_destination(one) == hash_destination(other)
    assert len(hash_destination(one)) == 64


def test_hash_depends_on_the_key(settings: Settings) -> None:
    before = hash_destination(MOBILE)
    settings.DESTINATION_HASH_KEY = "another"
    assert hash_destination(MOBILE) != before
    settings.DESTINATION_HASH_KEY = ""
    with pytest.raises(HashKeyMissing, match="DESTINATION_HASH_KEY"):
        hash_destination(MOBILE)


@pytest.mark.django_db
def test_same_refusal_is_recorded_once(journal: Path) -> None:
    one, two = make_allocataire(mobile=MOBILE), make_allocataire(mobile=MOBILE)
    assert stop(one.pk, two.pk, channel="SMS", destination=MOBILE) == 2
    assert stop(one.pk, two.pk, channel="SMS", destination=MOBILE) == 0
    assert stop(one.pk, channel="SMS") == 0, "already refused, with a destination besides"
    assert stop(one.pk, channel="EMAIL") == 1, "another scope"
    assert stop(one.pk) == 1, "altogether is another scope"
    assert Opposition.objects.active().count() == 4
    assert len(journal.read_text().splitlines()) == 4


@pytest.mark.django_db
def test_destination_without_a_person_is_kept() -> None:
    assert stop(destination=MOBILE) == 1
    assert stop(destination="07 30 00 00 01") == 0
    row = Opposition.objects.get()
    assert (row.allocataire_id, row.destination_hash) == (None, hash_destination(MOBILE))


@pytest.mark.django_db
def test_refusal_of_nobody_is_refused() -> None:
    with pytest.raises(OppositionOfNobody):
        stop()
    with pytest.raises(OppositionOfNobody):
        stop(999_999_999)


@pytest.mark.django_db
def test_journal_holds_hashes_only(journal: Path) -> None:
    person = make_allocataire(mobile=MOBILE)
    stop(person.pk, channel="SMS", destination=MOBILE, note=f"{person.last_name} a dit non")
    text = journal.read_text()
    for value in (person.matricule, person.last_name, MOBILE, MOBILE[3:], person.email):
        assert value not in text
    assert json.loads(text)["destination"] == hash_destination(MOBILE)
    assert journal.stat().st_mode & 0o077 == 0


@pytest.mark.django_db
def test_full_disk_does_not_undo_a_refusal(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    person = make_allocataire()
    journal.parent.parent.joinpath("journal").write_text("a file where the folder should be")
    with caplog.at_level(logging.ERROR):
        assert stop(person.pk) == 1
    assert "journal not written" in caplog.text
    journal.parent.unlink()
    assert replay_journal(now=NOW).caught_up == 1
    assert replay_journal(now=NOW).caught_up == 0


@pytest.mark.django_db
def test_lifted_once_and_said(django_capture_on_commit_callbacks: OnCommit) -> None:
    person, agent = make_allocataire(), make_user()
    stop(person.pk)
    refusal = Opposition.objects.get()
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            lift_opposition(opposition=refusal, by=agent, now=NOW + timedelta(days=1))
    refusal.refresh_from_db()
    assert refusal.lifted_at == NOW + timedelta(days=1)
    assert [e.action for e in read_entries() if e] == ["record", "lift"]
    assert AccessLog.objects.filter(allocataire=person, by=agent).count() == 1
    assert stop(person.pk) == 1, "she may refuse again"


@pytest.mark.django_db
def test_replay_after_a_restore(journal: Path, django_capture_on_commit_callbacks: OnCommit) -> None:
    known, gone, back = make_allocataire(), make_allocataire(), make_allocataire()
    stop(back.pk)
    backup = Opposition.objects.get()
    stop(known.pk, channel="SMS", destination=MOBILE)
    stop(gone.pk)
    stop(destination="+33730000009")
    with django_capture_on_commit_callbacks(execute=True):
        lift_opposition(opposition=backup, by=make_user(), now=NOW + timedelta(hours=1))
    with journal.open("a") as file:
        file.write('{"torn": ')
    # What an old backup brings back: only the first refusal, still active; one person is not there.
    Opposition.objects.exclude(pk=backup.pk).delete()
    Opposition.objects.filter(pk=backup.pk).update(lifted_at=None)
    gone.delete()

    report = replay_journal(now=NOW + timedelta(days=2))

    assert (report.restored, report.lifted, report.orphaned, report.unreadable) == (2, 1, 1, 1)
    active = Opposition.objects.active().order_by("destination_hash")
    assert {(o.allocataire_id, o.channel) for o in active} == {(known.pk, "SMS"), (None, "")}
    again = replay_journal(now=NOW + timedelta(days=2))
    assert (again.restored, again.lifted, again.caught_up) == (0, 0, 0)


@pytest.mark.django_db
def test_torn_line_does_not_swallow_the_next(journal: Path) -> None:
    stop(make_allocataire().pk)
    with journal.open("a") as file:
        file.write('{"action": "rec')
    stop(make_allocataire().pk)
    assert [entry is None for entry in read_entries()] == [False, True, False]


def test_nothing_to_append_writes_nothing(journal: Path) -> None:
    append_entries([])
    assert not journal.exists()
    assert list(read_entries()) == []


@pytest.mark.django_db
def test_command_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    stop(make_allocataire().pk)
    Opposition.objects.all().delete()
    call_command("replay_oppositions", skip_checks=True)
    assert "1 oppositions rétablies" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_waits_for_whoever_holds_the_person() -> None:
    """The lock is the one sending takes: a refusal cannot slip between its check and its intent."""
    person = make_allocataire(mobile=MOBILE)
    done = threading.Event()

    def refuse() -> None:
        stop(destination=MOBILE)
        done.set()
        connection.close()

    thread = threading.Thread(target=refuse)
    with transaction.atomic():
        list(Allocataire.objects.filter(pk=person.pk).select_for_update(no_key=True))
        thread.start()
        assert not done.wait(0.5)
        assert not Opposition.objects.exists()
    thread.join(10)
    assert done.is_set()


@pytest.mark.django_db(transaction=True)
def test_concurrent_refusals_leave_one_row() -> None:
    person = make_allocataire()

    def refuse() -> None:
        stop(person.pk, channel="SMS", destination=MOBILE)
        stop(destination="+33730000009")
        connection.close()

    threads = [threading.Thread(target=refuse) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert Opposition.objects.count() == 2
