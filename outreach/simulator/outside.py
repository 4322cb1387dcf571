"""What comes from outside the demo's team: lists of the Cnaf, results of a call centre, letters that come back."""

import csv
import mailbox
from datetime import datetime
from pathlib import Path

from campaigns.enums import Channel
from campaigns.imported_lists import import_list
from campaigns.models import Campaign, ImportedList, read_now
from outreach.bounce_reports import import_bounces
from outreach.call_files import export_handover, hand_over_calls, import_call_results
from outreach.enums import CallResult
from outreach.models import Attempt, CallHandover
from outreach.simulator.lists import DemoList, write_list
from outreach.simulator.pace import go_to, local
from outreach.simulator.stage import Stage

LOT, CALLED = 20, 8
BOUNCED = 4
# What a server writes when an address does not exist (RFC 3464), without the address: the envelope names the message.
NOT_DELIVERED = """From: MAILER-DAEMON@mx.example.org
To: rebonds+{attempt}@caf.invalid
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; inconnu@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown

--b1
Content-Type: text/rfc822-headers

Message-ID: <{attempt}@caf.invalid>

--b1--
"""


def bring_in_list(stage: Stage, wanted: DemoList) -> None:
    """The Cnaf's file, imported by the administrateur as a Caf would."""
    delivery = wanted.delivery
    if ImportedList.objects.filter(code=delivery.code).exists():
        return
    now = go_to(local(wanted.on, "18:30"))
    path = stage.folder / f"{delivery.code}.csv"
    write_list(path, wanted)
    done = import_list(path=path, file_name=path.name, delivery=delivery, by=stage.team["administrateur"], now=now)
    stage.say(f"    Liste « {done.name} » : {done.people_count} personnes, {done.unknown_count} matricules inconnus")


def entrust_calls(stage: Stage, until: datetime) -> None:
    """The superviseur hands a lot over; by now some of its results have come back, one of them unreadable."""
    if CallHandover.objects.exists():
        return
    superviseur = stage.team["superviseur"]
    now = read_now()
    handover = hand_over_calls(by=superviseur, size=LOT, until=until, now=now)
    _, *calls = export_handover(handover=handover, by=superviseur, now=now)
    path = stage.folder / "resultats-prestataire.csv"
    _write_results(path, [call[0] for call in calls[:CALLED]], now)
    done = import_call_results(path=path, file_name=path.name, by=superviseur, now=now)
    stage.say(f"    {handover.call_count} appels confiés, {done.created_count} résultats revenus")


def _write_results(path: Path, calls: list[str], now: datetime) -> None:
    results = (CallResult.REACHED, CallResult.NO_ANSWER, CallResult.REACHED, CallResult.VOICEMAIL)
    instant = f"{now.astimezone():%d/%m/%Y %H:%M}"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["appel", "date", "resultat", "duree"])
        for place, call in enumerate(calls):
            result = results[place % len(results)]
            writer.writerow([call, instant, result.value, "4" if result is CallResult.REACHED else "0"])
        writer.writerow([calls[0], instant, "ligne en dérangement", "0"])


def send_back_letters(stage: Stage, campaign: Campaign) -> None:
    """A few addresses of an e-mail campaign do not exist: their reports come into the mailbox, and are read."""
    letters = Attempt.objects.filter(touch__campaign=campaign, touch__channel=Channel.EMAIL).order_by("pk")[:BOUNCED]
    path = stage.folder / "rebonds.mbox"
    if path.exists():
        return
    box = mailbox.mbox(path)
    for letter in letters:
        box.add(NOT_DELIVERED.format(attempt=letter.uuid).encode())
    box.close()
    done = import_bounces(path=path, now=read_now())
    stage.say(f"    {done.stored} e-mails revenus : adresse inconnue")
