from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.enums import BadDestinationReason
from outreach.rules.bounces import Blame, are_repeated, bad_address_reason, blame_of, find_enhanced_code
from outreach.rules.delivery_reports import MAX_CANDIDATES, read_report
from outreach.rules.operator_codes import Action, SendOutcome, action_for, is_known_code
from outreach.rules.smtp import Reply, Stage, judge_reply
from tests.outreach.reports import automatic_reply_of, complaint_of, failure_of

ATTEMPT = UUID("0d6c1a2e-7d7f-4c58-9f1e-0a8d6a1b2c3d")
SENDER, RECIPIENT, DATA, CONTENT = Stage.SENDER, Stage.RECIPIENT, Stage.DATA, Stage.CONTENT
ACCEPTED, REFUSED, RETRY, UNKNOWN = SendOutcome.ACCEPTED, SendOutcome.REFUSED, SendOutcome.RETRY, SendOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("code", "blame"),
    [
        ("5.1.1", Blame.ADDRESS),
        ("5.1.2", Blame.ADDRESS),
        ("5.1.10", Blame.ADDRESS),
        ("5.2.1", Blame.ADDRESS),
        ("5.2.2", Blame.PASSING),  # full
        ("5.0.0", Blame.PASSING),
        ("4.2.2", Blame.PASSING),
        ("4.4.7", Blame.PASSING),
        ("5.7.1", Blame.SENDER),
        ("5.6.0", Blame.SENDER),
        ("5.3.4", Blame.SENDER),
        ("hard_bounce", Blame.ADDRESS),
        ("soft_bounce", Blame.PASSING),
        ("complaint", Blame.COMPLAINT),
        ("unsubscribed", Blame.REFUSAL),
        ("2.1.5", None),
        ("30003", None),
        ("SMTP 550", None),
        ("", None),
    ],
)
def test_who_is_to_blame(code: str, blame: Blame | None) -> None:
    assert blame_of(code) is blame


def test_what_a_code_does() -> None:
    assert bad_address_reason("5.1.1") == BadDestinationReason.NO_MAILBOX
    assert bad_address_reason("complaint") == BadDestinationReason.COMPLAINT
    assert bad_address_reason("5.2.2") is None
    assert action_for("unsubscribed") == Action.OPPOSE
    assert action_for("5.7.1") == Action.ALERT
    assert is_known_code("4.4.1")
    assert not is_known_code("9.1.1")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("550 5.1.1 <a@b>: user unknown", "5.1.1"),
        ("5.1.010 null MX", "5.1.10"),
        ("from 15.1.1.2 said 10.5.1.1", ""),
        ("host 192.0.5.1.1 said: 452 4.2.2 full", "4.2.2"),
        ("", ""),
    ],
)
def test_codes_in_what_servers_say(text: str, code: str) -> None:
    assert find_enhanced_code(text) == code


def test_three_in_a_row() -> None:
    assert are_repeated(["5.2.2", "4.2.2", "soft_bounce"])
    assert not are_repeated(["5.2.2", "", "4.2.2"])
    assert not are_repeated(["5.2.2", "4.2.2"])


@pytest.mark.parametrize(
    ("stage", "code", "text", "outcome", "is_alert"),
    [
        (CONTENT, 250, "2.0.0 queued", ACCEPTED, False),
        (CONTENT, 451, "4.3.0 try again", RETRY, False),
        (CONTENT, 421, "closing", RETRY, False),
        (CONTENT, 554, "5.6.0 content", REFUSED, True),
        (CONTENT, 354, "again?", UNKNOWN, True),
        (CONTENT, -1, "???", UNKNOWN, True),
        (RECIPIENT, 550, "5.1.1 unknown", REFUSED, False),
        (RECIPIENT, 550, "No such user", REFUSED, False),
        (RECIPIENT, 552, "5.2.2 full", RETRY, False),
        (RECIPIENT, 450, "4.7.1 greylisted", RETRY, False),
        (RECIPIENT, 554, "5.7.1 relay access denied", RETRY, True),
        (RECIPIENT, 299, "what", REFUSED, False),
        (SENDER, 530, "5.7.0 authentication required", RETRY, True),
        (SENDER, 421, "too many", RETRY, False),
        (DATA, 250, "what", RETRY, True),
        (DATA, 451, "later", RETRY, False),
    ],
)
def test_what_a_reply_proves(stage: Stage, code: int, text: str, outcome: SendOutcome, is_alert: bool) -> None:
    if (stage, code) == (RECIPIENT, 299):
        assert Reply(stage, code, text).is_positive
        return
    verdict = judge_reply(Reply(stage, code, text))
    assert (verdict.outcome, verdict.is_alert) == (outcome, is_alert)


def test_the_code_kept() -> None:
    assert Reply(RECIPIENT, 550, "5.1.1 unknown").error_code == "5.1.1"
    assert Reply(RECIPIENT, 550, "unknown").error_code == "SMTP 550"
    assert Reply(RECIPIENT, 450, "5.1.1 lies").error_code == "SMTP 450"


@pytest.mark.parametrize(
    ("values", "word", "code"),
    [
        ({}, "undelivered", "5.1.1"),
        ({"status": "5.0.0", "diagnostic": "550 5.2.1 disabled"}, "undelivered", "5.2.1"),
        ({"status": "", "diagnostic": "nobody knows"}, "undelivered", "soft_bounce"),
        ({"status": "4.4.7", "diagnostic": "expired"}, "undelivered", "4.4.7"),
        ({"action": "delayed", "status": "4.4.1"}, "sent", ""),
        ({"action": "Delivered (to mailbox)", "status": "2.0.0"}, "delivered", ""),
        ({"action": "relayed", "status": "2.0.0"}, "sent", ""),
    ],
)
def test_reports_of_delivery(values: dict[str, str], word: str, code: str) -> None:
    report = read_report(failure_of(ATTEMPT, **values))
    assert report is not None
    assert (report.word, report.code, report.candidates[0]) == (word, code, ATTEMPT)


def test_reports_of_abuse() -> None:
    report = read_report(complaint_of(ATTEMPT))
    assert report is not None
    assert (report.word, report.code, report.candidates) == ("delivered", "complaint", (ATTEMPT,))


def test_an_automatic_reply_is_no_report() -> None:
    assert read_report(automatic_reply_of(ATTEMPT)) is None


@given(st.binary(max_size=600))
@example(
    b"Content-Type: message/delivery-status\n\nAction: failed\nStatus: \xff5.1.1\nDiagnostic-Code: \x00\xed\xa0\x80\n"
)
@example(b"Content-Type: multipart/report; boundary=\xff\n\n--\xff\nContent-Type: message/delivery-status\n\n\xff")
@example(b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\nQWN0aW9uOiBmYWlsZWQ=")
@example(b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 2_000)
@example(b"Content-Type: message/rfc822\n\n" * 2_000)
@example(b"To: " + b"+0123456789abcdef0123456789abcdef@" * 1_000)
def test_no_bytes_break_it(raw: bytes) -> None:
    read_report(raw)


@given(st.data())
def test_no_damage_breaks_it(data: st.DataObject) -> None:
    raw = bytearray(failure_of(ATTEMPT))
    for _ in range(data.draw(st.integers(1, 20))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    report = read_report(bytes(raw))
    if report:
        assert len(report.candidates) <= MAX_CANDIDATES
        report.diagnostic.encode()
        assert "\x00" not in report.diagnostic
        assert len(report.code) <= 40


def test_a_giant_is_cut() -> None:
    report = read_report(failure_of(uuid4()) + b"x" * 5_000_000)
    assert report is not None
