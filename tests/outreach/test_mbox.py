"""A mailbox in one file is read once, from where reading stopped, whatever becomes of the file."""

import mailbox
import os
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from outreach import bounce_reports
from outreach.bounce_reports import read_bounce_mailbox
from outreach.mbox import Place, read_on
from outreach.models import MailboxPlace, ProviderEvent
from tests.outreach.reports import failure_of
from tests.outreach.sent import NOW
from tests.outreach.test_bounces import make_emailed

HEADS = [b"From zoe\n", b">From zoe\n", b" From b\n", b"From"]
LINES = st.sampled_from([b"\n", b"a\n", b"Subject: x\n", b"\r\n", b"no end", b"\x00\xff\n", *HEADS])
START = Place()


def read_all(path: Path, place: Place = START, *, limit: int = 3) -> tuple[list[bytes], Place]:
    every: list[bytes] = []
    while True:
        messages, place = read_on(path, place, limit=limit, longest=1_000)
        if not messages:
            return every, place
        every += messages


@given(st.lists(LINES, max_size=25), st.integers(1, 4))
def test_messages_are_cut_as_the_standard_library_cuts_them(
    tmp_path_factory: Any, lines: list[bytes], limit: int
) -> None:
    path = tmp_path_factory.mktemp("mbox") / "mbox"
    path.write_bytes(b"".join(lines))
    box = mailbox.mbox(path)
    expected = [box.get_file(key).read() for key in box.iterkeys()]
    box.close()
    assert read_all(path, limit=limit)[0] == expected


@given(st.lists(st.integers(1, 4), max_size=8), st.data())
def test_whatever_is_added_is_read_once(tmp_path_factory: Any, arrivals: list[int], data: st.DataObject) -> None:
    """Between two readings the file grows, is turned over, or replaced: nothing is lost nor read twice."""
    path = tmp_path_factory.mktemp("mbox") / "mbox"
    path.write_bytes(b"")
    seen: list[bytes] = []
    place, number, turns = read_all(path)[1], 0, 0
    for arrived in arrivals:
        with path.open("ab") as file:
            for _ in range(arrived):
                number += 1
                file.write(f"From zoe\nMessage {number}\n\n".encode())
        if data.draw(st.booleans()):
            messages, place = read_all(path, place)
            seen += messages
            turns = 0
            if data.draw(st.booleans()):
                turns = 1  # a file is turned over once it was seen
                path.unlink()  # all of it was read
                path.write_bytes(b"")
        elif turns == 0 and data.draw(st.booleans()):
            turns += 1
            path.rename(path.with_name("mbox.1"))
            path.write_bytes(b"")
        else:
            messages, place = read_all(path, place)
            seen += messages
            turns = 0
    seen += read_all(path, place)[0]
    assert seen == [b"Message %d\n" % n for n in range(1, number + 1)]


def test_a_message_half_written_is_read_again_once_whole(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    path.write_bytes(b"From a\none\n\nFrom b\ntw")
    first, place = read_all(path)
    assert first == [b"one\n", b"tw"]
    assert read_all(path, place)[0] == []
    with path.open("ab") as file:
        file.write(b"o\n\nFrom c\nthree\n")
    assert read_all(path, place)[0] == [b"two\n", b"three\n"]


@pytest.mark.parametrize("size", [1, 2, 40])
def test_a_file_cut_and_grown_again_is_read_from_its_beginning(tmp_path: Path, size: int) -> None:
    """Same name, same inode, as large as it was: what precedes the place tells."""
    path = tmp_path / "mbox"
    path.write_bytes(b"".join(b"From a\nold %d\n\n" % n for n in range(9)))
    _, place = read_all(path)
    inode = path.stat().st_ino
    with path.open("r+b") as file:
        file.truncate()
        file.write(b"".join(b"From a\nnew %d\n\n" % n for n in range(size)))
    assert path.stat().st_ino == inode
    assert read_all(path, place)[0] == [b"new %d\n" % n for n in range(size)]


def test_a_very_long_message_does_not_fill_memory(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    path.write_bytes(b"From a\n" + b"x" * 3_000_000 + b"\nFrom " + b"b" * 200_000 + b"\nnext\n")
    assert [len(one) for one in read_all(path)[0]] == [1_000, 5]


@pytest.mark.django_db
class TestBounces:
    @pytest.fixture
    def box(self, tmp_path: Path, settings: Settings) -> Path:
        settings.BOUNCE_MAILBOX = str(tmp_path / "rebonds.mbox")
        (tmp_path / "rebonds.mbox").write_bytes(b"")
        return tmp_path / "rebonds.mbox"

    def receive(self, box: Path, *messages: bytes) -> None:
        with box.open("ab") as file:
            for message in messages:
                file.write(b"From mailer@example.org\n" + re.sub(rb"(?m)^From ", b">From ", message) + b"\n\n")

    def read(self) -> tuple[int, int]:
        done = read_bounce_mailbox(now=NOW)
        assert done
        return done.read, done.stored

    def test_each_report_is_read_once(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounce_reports, "BATCH_SIZE", 2)
        ours = [failure_of(make_emailed(email=f"a{n}@example.org").uuid) for n in range(4)]
        self.receive(box, *ours[:3], failure_of(uuid4()))
        assert self.read() == (4, 3)
        assert self.read() == (0, 0)
        box.rename(box.with_suffix(".1"))
        self.receive(box.with_suffix(".1"), ours[3])  # it was open at that moment
        self.receive(box, failure_of(uuid4()))
        assert self.read() == (2, 1)
        assert ProviderEvent.objects.count() == 4

    def test_what_is_not_kept_is_read_again(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Killed before the end of the transaction: neither the reports nor the place."""
        self.receive(box, failure_of(make_emailed().uuid))

        def die(**_: Any) -> None:
            raise SystemExit

        with monkeypatch.context() as death:
            death.setattr(bounce_reports, "asdict", lambda place: die())
            with pytest.raises(SystemExit):
                self.read()
        assert not ProviderEvent.objects.exists()
        assert self.read() == (1, 1)

    def test_only_what_is_new_is_read_from_the_disk(self, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.receive(box, *(b"letter %d" % n for n in range(500)))
        self.read()
        kept = MailboxPlace.objects.get()
        assert os.stat(box).st_size - kept.position < 60
        assert self.read() == (0, 0)
