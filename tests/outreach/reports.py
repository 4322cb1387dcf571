"""What mail servers send back, as they write it."""

from uuid import UUID

FAILURE = """From: MAILER-DAEMON@mx.example.org
To: rebonds+{attempt}@caf.invalid
Subject: Undelivered Mail Returned to Sender
Message-ID: <11111111-2222-3333-4444-555555555555@mx.example.org>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain

Votre message n'a pas pu etre remis.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; zoe@example.org
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnostic}

--b1
Content-Type: text/rfc822-headers

Message-ID: <{message_id}@caf.invalid>
To: zoe@example.org

--b1--
"""
COMPLAINT = """From: fbl@example.org
To: plaintes@caf.invalid
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

This is an abuse report.

--b1
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1

--b1
Content-Type: message/rfc822

Message-ID: <{message_id}@caf.invalid>
Subject: Votre dossier

Bonjour
--b1--
"""
AUTOMATIC_REPLY = """From: zoe@example.org
To: rebonds+{attempt}@caf.invalid
Subject: Absente
Auto-Submitted: auto-replied

Je reviens lundi.
"""


def failure_of(
    attempt_uuid: UUID, *, action: str = "failed", status: str = "5.1.1", diagnostic: str = "550 5.1.1 User unknown"
) -> bytes:
    text = FAILURE.format(
        attempt=attempt_uuid.hex, message_id=attempt_uuid, action=action, status=status, diagnostic=diagnostic
    )
    return text.encode()


def complaint_of(attempt_uuid: UUID) -> bytes:
    return COMPLAINT.format(message_id=attempt_uuid).encode()


def automatic_reply_of(attempt_uuid: UUID) -> bytes:
    return AUTOMATIC_REPLY.format(attempt=attempt_uuid.hex).encode()
