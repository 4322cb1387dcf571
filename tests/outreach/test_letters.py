"""The bytes of an e-mail, judged by Python's own parser."""

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outreach.channels.letter import Letter, Letterhead, to_ascii_address, write_page
from outreach.channels.opt_out import opt_out_url
from outreach.channels.ports import OutgoingMessage
from outreach.rules.letters import normalise_lines, to_paragraphs, to_preview

SENDER = "Caf des Pyrénées-Orientales <ne-pas-repondre@caf.invalid>"
ATTEMPT = UUID(int=7)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=600)
HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Language",
    "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted", "Precedence", "X-Auto-Response-Suppress",
}  # fmt: skip


def letterhead(**values: str) -> Letterhead:
    return Letterhead.make(**{"sender": SENDER, "caf_name": "Caf <d’ici> & d’ailleurs", **values})


LETTERHEAD = None


def write(**values: Any) -> Letter:
    global LETTERHEAD
    LETTERHEAD = LETTERHEAD or letterhead()
    fields = {"attempt_uuid": ATTEMPT, "destination": "zoe@example.org", "subject": "Objet", "body": "Bonjour"}
    return LETTERHEAD.write(OutgoingMessage(**{**fields, **values}))


def parse(letter: Letter) -> EmailMessage:
    assert b"\r\n.\r\n" not in letter.content
    received = re.sub(rb"(?m)^\.", b"", letter.content)  # as a server undoes it
    parsed = message_from_bytes(received, policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def content_of(parsed: EmailMessage, kind: str) -> str:
    part = parsed.get_body((kind,))
    assert part is not None
    return str(part.get_payload(decode=True).decode()).replace("\r\n", "\n")  # type: ignore[union-attr]


class Words(HTMLParser):
    """What is read on a page, and its markup."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.tags.add(tag)


def words_of(page: str) -> Words:
    reader = Words()
    reader.feed(page)
    return reader


@given(subject=st.text(st.characters(exclude_categories=["Cs"]), max_size=200), body=TEXTS)
@example(subject="Objet\r\nBcc: x@example.org", body="Bonjour\r\n.\r\n\r\n--=_aller-vers--\r\nBcc: x@example.org")
@example(subject="=?utf-8?b?Qm9uam91cg==?=", body="From quelqu’un\n..\n")
@example(subject="É" * 150, body="🙂" * 300)
@example(subject="a" * 150 + "\x00\x85\u2028b", body="ligne sans fin " * 200)
def test_what_is_parsed_back_is_what_was_written(subject: str, body: str) -> None:
    letter = write(subject=subject, body=body)
    parsed = parse(letter)
    parts = list(parsed.walk())
    assert [part.get_content_type() for part in parts] == ["multipart/alternative", "text/plain", "text/html"]
    assert not [defect for part in parts for defect in part.defects]
    assert set(parsed.keys()) == HEADERS
    assert all(len(parsed.get_all(name, [])) == 1 for name in HEADERS)
    kept = "".join(c if c.isprintable() else " " for c in subject)
    assert " ".join(str(parsed["Subject"]).split()) == " ".join(kept.split())
    assert content_of(parsed, "plain").startswith(normalise_lines(body))
    assert max(map(len, letter.content.split(b"\r\n"))) <= 120
    assert letter.content.isascii()
    assert b"\n" not in letter.content.replace(b"\r\n", b"")
    assert b"\r" not in letter.content.replace(b"\r\n", b"")


@given(body=TEXTS)
@example(body="<script>alert(1)</script> & https://www.caf.fr/?a=<b>\"'&c=1")
def test_no_text_becomes_markup(body: str) -> None:
    page, written = content_of(parse(write(body=body)), "html"), to_paragraphs(normalise_lines(body))
    empty = content_of(parse(write(body="x")), "html")
    assert words_of(page).tags == words_of(empty).tags | words_of(written).tags
    assert words_of(written).tags <= {"p", "br", "a"}


@given(body=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300))
def test_every_word_is_on_the_page(body: str) -> None:
    assert words_of(to_paragraphs(body)).text.split() == body.split()


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("Bonjour\n\nSuite\nfin", "<p>Bonjour</p>\n<p>Suite<br>\nfin</p>\n"),
        (
            "Voir https://www.caf.fr/a?b=1&c=2.",
            '<p>Voir <a href="https://www.caf.fr/a?b=1&amp;c=2">https://www.caf.fr/a?b=1&amp;c=2</a>.</p>\n',
        ),
        ("javascript:alert(1) http://", "<p>javascript:alert(1) http://</p>\n"),
    ],
)
def test_paragraphs(text: str, page: str) -> None:
    assert to_paragraphs(text) == page


def test_the_preview_is_cut_at_a_word() -> None:
    assert to_preview("Bonjour\n\nvoici") == "Bonjour voici"
    cut = to_preview("mot " * 100)
    assert cut.endswith("mot…")
    assert len(cut) <= 111


def test_headers_that_machines_read() -> None:
    letter = write()
    parsed = parse(letter)
    assert parsed["Message-ID"] == letter.message_id == f"<{ATTEMPT}@caf.invalid>"
    assert str(parsed["From"]) == SENDER
    assert str(parsed["List-Unsubscribe"]).strip() == f"<{opt_out_url(ATTEMPT)}>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["Precedence"] == "bulk"
    assert letter.bounces_to == "ne-pas-repondre@caf.invalid"


def test_failures_come_back_with_the_attempt() -> None:
    marked = letterhead(bounce_address="rebonds@caf.invalid", provider="mailjet")
    letter = marked.write(OutgoingMessage(ATTEMPT, "zoe@example.org", "Bonjour", "Objet"))
    assert letter.bounces_to == f"rebonds+{ATTEMPT.hex}@caf.invalid"
    assert parse(letter)["X-MJ-EventPayload"] == f'{{"attempt": "{ATTEMPT}"}}'


@pytest.mark.parametrize(
    ("address", "plain"), [("zoe@exämple.org", "zoe@xn--exmple-cua.org"), ("zoe@example.org", "zoe@example.org")]
)
def test_addresses_as_smtp_takes_them(address: str, plain: str) -> None:
    assert to_ascii_address(address) == plain


@pytest.mark.parametrize("address", ["zoé@example.org", '"a b"@example.org', "a\r\nb@example.org", "a>b@example.org"])
def test_addresses_that_smtp_does_not_take(address: str) -> None:
    with pytest.raises(UnicodeError):
        to_ascii_address(address)


def test_the_page_is_for_everybody() -> None:
    page = content_of(parse(write(attempt_uuid=uuid4())), "html")
    assert '<html lang="fr"' in page
    assert 'name="color-scheme" content="light dark"' in page
    assert "prefers-color-scheme: dark" in page
    assert page.count("<table") == page.count('role="presentation"')
    assert "@@" not in page
    assert "<img" not in page  # nothing is fetched, nothing follows the reader
    assert "Caf &lt;d’ici&gt; &amp; d’ailleurs" in page.replace("&#x27;", "’")


def test_the_page_looked_at_is_the_one_that_leaves() -> None:
    shown = write_page(
        subject="Objet", body="Bonjour", caf_name="Caf <d’ici> & d’ailleurs", way_out=opt_out_url(ATTEMPT)
    )
    assert shown.replace("\r\n", "\n").split() == content_of(parse(write()), "html").split()
